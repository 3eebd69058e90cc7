"""A drawing in Graphviz's language."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

from flowgraph.draw.looks import INK, LOOKS, QUIET
from flowgraph.draw.model import parts_of
from flowgraph.errors.wording import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flowgraph.draw.model import Box, Drawing, Part

__all__ = ["dot"]

_LONGEST: Final = 60
"""Letters of a name in a box; the tooltip has all of them."""
_NEXT: Final = '<BR/><FONT POINT-SIZE="3"> </FONT><BR/>'
"""A new line, a little lower: an underscore would touch the smaller letters below."""
_ARROWS: Final = {
    "value": {},
    "items": {"color": f"{QUIET}:#ffffff:{QUIET}", "arrowsize": "0.9"},  # a double line
    "control": {"style": "dashed", "arrowhead": "open"},
}

_CLUSTER: Final = {
    "style": "rounded",
    "color": QUIET,
    "fontname": "Helvetica",
    "fontcolor": QUIET,
    "fontsize": "11",
}


def dot(drawing: Drawing) -> str:
    r"""The DOT source of a drawing.

    Examples
    --------
    >>> from flowgraph.draw.model import Box, Drawing
    >>> source = dot(Drawing("d", (Box("load", "load", "task", "retry 2"),), ()))
    >>> r'tooltip="load\ntask\nretry 2"' in source
    True
    """
    import graphviz

    font = {"fontname": "Helvetica", "fontcolor": INK}
    graph = graphviz.Digraph(
        "flowgraph",
        graph_attr={"rankdir": "LR", "bgcolor": "white", "tooltip": _hint(shown(drawing.name))},
        node_attr={**font, "fontsize": "12", "margin": "0.16,0.07"},
        edge_attr={"color": QUIET, "arrowsize": "0.7"},
    )
    ids = {box.name: f"n{number}" for number, box in enumerate(drawing.boxes)}
    _add(graph, parts_of(drawing), ids)
    for arrow in drawing.arrows:
        graph.edge(ids[arrow.tail], ids[arrow.head], **_ARROWS[arrow.kind])
    return str(graph.source)


def _add(graph: Any, part: Part, ids: Mapping[str, str]) -> None:
    """Add the boxes of a part, and in clusters those of the parts inside."""
    for box in part.boxes:
        graph.node(
            ids[box.name],
            label=f"<{_label(box)}>",
            id=f"node-{ids[box.name]}",
            tooltip="\\n".join(_hint(part) for part in (box.label, box.kind, box.detail) if part),
            **_looks(box),
        )
    for inner in part.parts:
        with graph.subgraph(name=f"cluster_{ids[inner.name]}") as cluster:
            label, hint = f"<{_html(_clipped(inner.short))}>", _hint(shown(inner.name))
            cluster.attr(label=label, tooltip=hint, **_CLUSTER)
            _add(cluster, inner, ids)


def _label(box: Box) -> str:
    """What a box says: its name, and below it, smaller, its kind and options."""
    name = _html(_clipped(box.short))
    lines = [f"<B>{name}</B>" if box.target else name]
    # The kind of most nodes; and a collection or a count is often called what it is.
    plain = box.kind in ("task", "mixed", box.short)
    small = " · ".join(part for part in ("" if plain else box.kind, box.detail) if part)
    if small:
        lines.append(f'<FONT POINT-SIZE="9" COLOR="{QUIET}">{_html(small)}</FONT>')
    return _NEXT.join(lines)


def _clipped(label: str) -> str:
    half = _LONGEST // 2
    return label if len(label) <= _LONGEST else f"{label[:half]}…{label[-half:]}"


def _looks(box: Box) -> dict[str, str]:
    look = LOOKS[box.kind]
    looks = {
        "shape": look.shape,
        "style": "filled,rounded" if look.rounded else "filled",
        "fillcolor": look.fill,
        "color": INK if box.target else look.line,
    }
    if box.parallel:
        looks["peripheries"] = "2"
    if box.target:
        looks["penwidth"] = "2.2"
    return looks


def _html(text: str) -> str:
    r"""Text in a label in HTML; a single backslash may begin ``\N``, the name of the node."""
    return escape(text).replace("\\", "\\\\")


def _hint(text: str) -> str:
    """Text in a tooltip: Graphviz reads its backslashes twice, and its entities too."""
    return escape(text).replace("\\", "\\\\\\\\")
