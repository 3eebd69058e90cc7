"""Make a large drawing readable, and its layout quick: many boxes become one."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from flowgraph.draw.model import Arrow, Box, Drawing

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

__all__ = ["collapse", "is_large"]

_MANY: Final = 400
"""Boxes above which a drawing is collapsed before it is laid out."""
_SLOW: Final = 8000
"""Work above which a layout may take more than ten seconds, and soon takes minutes."""


def is_large(drawing: Drawing) -> bool:
    """True if a layout would be slow, or too full to read."""
    return len(drawing.boxes) > _MANY or _work(drawing, _levels(drawing)) > _SLOW


def collapse(drawing: Drawing) -> Drawing:
    """The drawing with one box for all that play the same part.

    These have the same kind, options and stage, or name but for its number, and
    parents and children that play the same part: 500 equal branches become one,
    however long.  If the drawing is still large, parents and children no longer
    matter, only how many steps from the start a box stands.  If the layout would
    still be slow, all boxes within some steps become one, whatever they are.

    Parameters
    ----------
    drawing : Drawing
        Any drawing; nothing changes where no two boxes have the same role.

    Returns
    -------
    Drawing
        Merged boxes are labelled ``name × 498``, those of several names ``first … last``.

    Examples
    --------
    >>> boxes = [Box(f"sha-{k}", f"sha-{k}", "task", stage="sha") for k in range(500)]
    >>> [box.label for box in collapse(Drawing("d", tuple(boxes), ())).boxes]
    ['sha × 500']
    """
    # Included graphs are merged like all else, so they have no frames of their own.
    bare = (replace(box, part="", label=box.short) for box in drawing.boxes)
    drawing = replace(drawing, boxes=tuple(bare))
    small = _merged(drawing, _roles(drawing))
    if not is_large(small):
        return small
    levels = _levels(drawing)
    # So that the first box of a level or more comes after all of those before.
    by_level = tuple(sorted(drawing.boxes, key=lambda box: levels[box.name]))
    drawing = replace(drawing, boxes=by_level)
    small = _merged(drawing, {box.name: (levels[box.name], *_look(box)) for box in by_level})
    if _work(small, _levels(small)) <= _SLOW:
        return small
    steps = 1
    while is_large(small):
        small = _merged(drawing, {name: level // steps for name, level in levels.items()})
        steps *= 2
    return small


def _levels(drawing: Drawing) -> dict[str, int]:
    """For each box how many stand before it on the longest way to it."""
    tails: dict[str, list[str]] = defaultdict(list)
    for arrow in drawing.arrows:
        tails[arrow.head].append(arrow.tail)
    levels: dict[str, int] = {}
    for box in drawing.boxes:
        levels[box.name] = max((levels[tail] + 1 for tail in tails[box.name]), default=0)
    return levels


def _work(drawing: Drawing, levels: Mapping[str, int]) -> int:
    """What a layout has to place: boxes, and arrows at each level they pass."""
    spans = (levels[arrow.head] - levels[arrow.tail] for arrow in drawing.arrows)
    return len(drawing.boxes) + sum(spans)


def _look(box: Box) -> tuple[Hashable, ...]:
    return box.kind, _base(box), box.detail, box.target


def _base(box: Box) -> str:
    """The stage; else the label without the number at its end."""
    return box.stage or re.sub(r"(?<=.)-?\d+$", "", box.label)


def _roles(drawing: Drawing) -> dict[str, tuple[int, int]]:
    """What part each box plays, seen from its parents and from its children."""
    parents: dict[str, set[tuple[str, str]]] = defaultdict(set)
    children: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for arrow in drawing.arrows:
        parents[arrow.head].add((arrow.tail, arrow.kind))
        children[arrow.tail].add((arrow.head, arrow.kind))
    fed = _parts(drawing.boxes, parents)
    feeding = _parts(reversed(drawing.boxes), children)
    return {box.name: (fed[box.name], feeding[box.name]) for box in drawing.boxes}


def _parts(boxes: Iterable[Box], near: dict[str, set[tuple[str, str]]]) -> dict[str, int]:
    """A number for each box, the same for those that look alike from one side.

    What is near to a box, on that side, has come before it.
    """
    numbers: dict[Hashable, int] = {}
    parts: dict[str, int] = {}
    for box in boxes:
        seen = frozenset((parts[name], kind) for name, kind in near[box.name])
        parts[box.name] = numbers.setdefault((*_look(box), seen), len(numbers))
    return parts


def _merged(drawing: Drawing, parts: Mapping[str, Hashable]) -> Drawing:
    """The drawing with one box for all that have the same part."""
    groups: dict[Hashable, list[Box]] = defaultdict(list)
    for box in drawing.boxes:
        groups[parts[box.name]].append(box)
    stands_for = {box.name: same[0].name for same in groups.values() for box in same}
    arrows = dict.fromkeys(
        Arrow(tail, head, arrow.kind)
        for arrow in drawing.arrows
        if (tail := stands_for[arrow.tail]) != (head := stands_for[arrow.head])
    )
    return Drawing(drawing.name, tuple(map(_one, groups.values())), tuple(arrows))


def _one(boxes: Sequence[Box]) -> Box:
    """One box for some."""
    first, last = boxes[0], boxes[-1]
    if len(boxes) == 1:
        return first
    if len({_look(box) for box in boxes}) == 1:
        return replace(first, label=f"{_base(first)} × {len(boxes)}")
    kinds = {box.kind for box in boxes}
    return Box(
        first.name,
        f"{first.label} … {last.label}",
        kinds.pop() if len(kinds) == 1 else "mixed",
        f"{len(boxes)} nodes",
        any(box.target for box in boxes),
    )
