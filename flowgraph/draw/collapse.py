"""Make a large drawing readable: many boxes of the same role become one."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from flowgraph.draw.model import Drawing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flowgraph.draw.model import Box

__all__ = ["LARGE", "collapse"]

LARGE: Final = 400
"""Boxes above which a drawing is collapsed before it is laid out."""


def collapse(drawing: Drawing) -> Drawing:
    """The drawing with one box for all that play the same part.

    These have the same kind, options and name but for its number, and parents
    and children that play the same part: 500 equal branches become one, however long.

    Parameters
    ----------
    drawing : Drawing
        Any drawing; nothing changes where no two boxes have the same role.

    Returns
    -------
    Drawing
        Merged boxes are labelled ``name × 498``.
    """
    parents: dict[str, set[tuple[str, str]]] = defaultdict(set)
    children: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for arrow in drawing.arrows:
        parents[arrow.head].add((arrow.tail, arrow.kind))
        children[arrow.tail].add((arrow.head, arrow.kind))
    fed = _parts(drawing.boxes, parents)
    feeding = _parts(reversed(drawing.boxes), children)
    roles: dict[tuple[int, int], list[Box]] = defaultdict(list)
    for box in drawing.boxes:
        roles[fed[box.name], feeding[box.name]].append(box)
    stands_for = {box.name: same[0].name for same in roles.values() for box in same}
    boxes = tuple(
        same[0] if len(same) == 1 else replace(same[0], label=f"{_base(same[0])} × {len(same)}")
        for same in roles.values()
    )
    arrows = dict.fromkeys(
        replace(arrow, tail=stands_for[arrow.tail], head=stands_for[arrow.head])
        for arrow in drawing.arrows
    )
    return Drawing(drawing.name, boxes, tuple(arrows))


def _parts(boxes: Iterable[Box], near: dict[str, set[tuple[str, str]]]) -> dict[str, int]:
    """A number for each box, the same for those that look alike from one side.

    What is near to a box, on that side, has come before it.
    """
    numbers: dict[tuple[object, ...], int] = {}
    parts: dict[str, int] = {}
    for box in boxes:
        seen = frozenset((parts[name], kind) for name, kind in near[box.name])
        look = (box.kind, _base(box), box.detail, box.target, seen)
        parts[box.name] = numbers.setdefault(look, len(numbers))
    return parts


def _base(box: Box) -> str:
    """The label without the number at the end of the node's name."""
    return re.sub(r"(?<=.)-?\d+(?=: |$)", "", box.label, count=1)
