"""A drawing as plain text, one line for each node."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from flowgraph.errors.wording import shown

if TYPE_CHECKING:
    from flowgraph.draw.model import Drawing

__all__ = ["text"]

_SHOWN: Final = 6


def text(drawing: Drawing) -> str:
    """The nodes in order, each with what it needs.

    Examples
    --------
    >>> from flowgraph.draw.model import Arrow, Box, Drawing
    >>> boxes = Box("xs", "xs", "items"), Box("f", "f", "map", "retry 2", True)
    >>> print(text(Drawing("demo", boxes, (Arrow("xs", "f", "items"),))))
    demo: 2 nodes
      xs  items
      f   map    <= xs  (retry 2)  [output]
    """
    needs: dict[str, list[str]] = defaultdict(list)
    for arrow in drawing.arrows:
        sign = {"items": "<= ", "control": "after ", "value": ""}[arrow.kind]
        needs[arrow.head].append(f"{sign}{shown(arrow.tail)}")
    names = max((len(box.label) for box in drawing.boxes), default=0)
    kinds = max((len(box.kind) for box in drawing.boxes), default=0)
    count = len(drawing.boxes)
    lines = [f"{drawing.name}: {count} node{'' if count == 1 else 's'}"]
    for box in drawing.boxes:
        read = needs[box.name]
        told = ", ".join(read[:_SHOWN])
        if len(read) > _SHOWN:
            told += f", … ({len(read)})"
        if read and not read[0].startswith(("<=", "after")):
            told = f"<- {told}"
        parts = [f"  {box.label:<{names}}  {box.kind:<{kinds}}  {told}"]
        parts += [f"({box.detail})"] if box.detail else []
        parts += ["[output]"] if box.target else []
        lines.append("  ".join(part.rstrip() for part in parts).rstrip())
    return "\n".join(line.replace("\r", " ") for line in lines)
