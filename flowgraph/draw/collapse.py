"""Make a large drawing readable: many boxes of the same role become one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from flowgraph.draw.model import Drawing

if TYPE_CHECKING:
    from flowgraph.draw.model import Box

__all__ = ["LARGE", "collapse"]

LARGE: Final = 400
"""Boxes above which a drawing is collapsed before it is laid out."""


def collapse(drawing: Drawing) -> Drawing:
    """The drawing with one box for all that have the same kind, parents and children.

    Parameters
    ----------
    drawing : Drawing
        Any drawing; nothing changes where no two boxes have the same role.

    Returns
    -------
    Drawing
        Merged boxes are labelled ``name × 498``.
    """
    parents: dict[str, set[str]] = defaultdict(set)
    children: dict[str, set[str]] = defaultdict(set)
    for arrow in drawing.arrows:
        parents[arrow.head].add(arrow.tail)
        children[arrow.tail].add(arrow.head)
    roles: dict[tuple[object, ...], list[Box]] = defaultdict(list)
    for box in drawing.boxes:
        base = box.label.rstrip("0123456789").rstrip("-")
        key = (box.kind, base, frozenset(parents[box.name]), frozenset(children[box.name]))
        roles[key].append(box)
    stands_for = {box.name: same[0].name for same in roles.values() for box in same}
    boxes = tuple(
        same[0] if len(same) == 1 else replace(same[0], label=f"{same[0].label} × {len(same)}")
        for same in roles.values()
    )
    arrows = dict.fromkeys(
        replace(arrow, tail=stands_for[arrow.tail], head=stands_for[arrow.head])
        for arrow in drawing.arrows
    )
    return Drawing(drawing.name, boxes, tuple(arrows))
