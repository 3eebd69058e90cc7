"""A drawing in Graphviz's language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flowgraph.draw.model import shown

if TYPE_CHECKING:
    from flowgraph.draw.model import Box, Drawing

__all__ = ["COLOURS", "dot"]

COLOURS: Final = {
    "param": "#f2efe6",
    "task": "#e8eef7",
    "items": "#e5f3ec",
    "map": "#e5f3ec",
    "starmap": "#e5f3ec",
    "filter": "#f7f1dc",
    "flat_map": "#e3f1f3",
    "reduce": "#f6e6e2",
    "collect": "#f0eaf6",
    "count": "#f0eaf6",
    "join": "#f0eaf6",
}
_LONGEST: Final = 60
"""Letters of a name in a box; the tooltip has all of them."""
_SHAPES: Final = {"param": "note", "reduce": "invtrapezium", "collect": "folder", "join": "box"}
_ARROWS: Final = {
    "value": {},
    "items": {"penwidth": "2.4"},
    "control": {"style": "dashed", "arrowhead": "open"},
}


def dot(drawing: Drawing) -> str:
    """The DOT source of a drawing.

    Examples
    --------
    >>> from flowgraph.draw.model import Box, Drawing
    >>> 'label=load' in dot(Drawing("d", (Box("load", "load", "task"),), ()))
    True
    """
    import graphviz

    graph = graphviz.Digraph("flowgraph", graph_attr={"rankdir": "LR", "bgcolor": "white"})
    graph.attr("graph", fontname="Helvetica", tooltip=graphviz.escape(shown(drawing.name)))
    graph.attr("node", fontname="Helvetica", fontsize="12", style="filled", color="#55606e")
    graph.attr("edge", color="#55606e", arrowsize="0.7")
    ids = {box.name: f"n{number}" for number, box in enumerate(drawing.boxes)}
    for box in drawing.boxes:
        label = _clipped(box.label) + (f"\n{box.detail}" if box.detail else "")
        graph.node(
            ids[box.name],
            label=graphviz.escape(label).replace("\n", "\\n"),
            id=f"node-{ids[box.name]}",
            tooltip=graphviz.escape(f"{box.kind} {shown(box.name)}"),
            **_looks(box),
        )
    for arrow in drawing.arrows:
        graph.edge(ids[arrow.tail], ids[arrow.head], **_ARROWS[arrow.kind])
    return str(graph.source)


def _clipped(label: str) -> str:
    half = _LONGEST // 2
    return label if len(label) <= _LONGEST else f"{label[:half]}…{label[-half:]}"


def _looks(box: Box) -> dict[str, str]:
    looks = {"shape": _SHAPES.get(box.kind, "box"), "fillcolor": COLOURS[box.kind]}
    if box.kind not in _SHAPES and not box.parallel:
        looks["style"] = "filled,rounded"
    if box.parallel:
        looks["peripheries"] = "2"
    if box.target:
        looks["penwidth"] = "2.2"
    return looks
