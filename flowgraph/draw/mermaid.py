"""A drawing in Mermaid's language, which many sites draw in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from flowgraph.draw.model import Box, Drawing

__all__ = ["mermaid"]

_ARROWS: Final = {"value": "-->", "items": "==>", "control": "-.->"}


def mermaid(drawing: Drawing) -> str:
    """The Mermaid source of a drawing.

    Examples
    --------
    >>> from flowgraph.draw.model import Box, Drawing
    >>> print(mermaid(Drawing("d", (Box("end", "end", "task"),), ())))
    flowchart LR
      n0["end"]
    """
    # Never the user's names as ids: "end" or "graph" would be syntax errors.
    ids = {box.name: f"n{number}" for number, box in enumerate(drawing.boxes)}
    lines = ["flowchart LR"]
    lines += [f"  {ids[box.name]}{_shape(box)}" for box in drawing.boxes]
    lines += [
        f"  {ids[arrow.tail]} {_ARROWS[arrow.kind]} {ids[arrow.head]}" for arrow in drawing.arrows
    ]
    return "\n".join(lines)


def _shape(box: Box) -> str:
    text = f'"{_escaped(box.label)}{f"<br/>{_escaped(box.detail)}" if box.detail else ""}"'
    if box.kind == "param":
        return f"([{text}])"
    return f"[[{text}]]" if box.parallel else f"[{text}]"


def _escaped(text: str) -> str:
    special = {
        "#": "#35;",
        '"': "#quot;",
        "<": "#lt;",
        ">": "#gt;",
        "&": "#amp;",
        "`": "#96;",  # the start of Markdown
        "\\": "#92;",  # with an n, a new line
    }
    return "".join(special.get(letter, letter) for letter in text)
