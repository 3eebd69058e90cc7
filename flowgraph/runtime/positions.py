"""Where each item of a block stands in the collection it was declared from.

The hot loop must not pay for positions that only an error needs.  So a block
carries a small description of how its items came about, and `at` works out a
single position from it on demand.

==========  ============================================  ====================
form        made by                                       position of item k
==========  ============================================  ====================
``range``   the source                                    ``where[k]``
`Kept`      a filter                                      that of the k-th kept
`Spread`    a flat_map                                    ``(parent, j)``
`Trail`     a part of one item's stream (flat_map)        ``(parent, start + k)``
`Cut`       a slice of any of these                       ``parent[start + k]``
`Joined`    several blocks put together again             looked up in its part
==========  ============================================  ====================
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import compress, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "Cut",
    "Index",
    "Joined",
    "Kept",
    "Spread",
    "Trail",
    "Where",
    "at",
    "cut",
    "indices",
    "join",
    "only",
    "prefix",
]

Index = int | tuple[int, ...]
"""A position in the source; a tuple below a ``flat_map``."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The items of ``parent`` for which ``mask`` is true."""

    parent: Where
    mask: Sequence[bool]


@dataclass(frozen=True, slots=True)
class Spread:
    """What a flat_map made of the items of ``parent``."""

    parent: Where
    ends: Sequence[int]
    """Items made of the parents up to and including each."""


@dataclass(frozen=True, slots=True)
class Trail:
    """A stretch of what one item gave: positions ``prefix + (start + k,)``."""

    prefix: tuple[int, ...]
    start: int


@dataclass(frozen=True, slots=True)
class Cut:
    """The items of ``parent`` from ``start`` on."""

    parent: Where
    start: int


@dataclass(frozen=True, slots=True)
class Joined:
    """Blocks one after the other."""

    parts: Sequence[Where]
    ends: Sequence[int]
    """Items in the blocks up to and including each."""


Where = range | Kept | Spread | Trail | Cut | Joined


def at(where: Where, k: int) -> Index:
    """Position in the source of item ``k`` of a block.

    Examples
    --------
    >>> at(Kept(range(10, 14), [False, True, False, True]), 1)
    13
    >>> at(Spread(range(10, 12), [3, 5]), 4)
    (11, 1)
    """
    match where:
        case range():
            return where[k]
        case Cut(parent, start):
            return at(parent, start + k)
        case Kept(parent, mask):
            return at(parent, next(islice(compress(range(len(mask)), mask), k, None)))
        case Spread(parent, ends):
            item = bisect_right(ends, k)
            return (*prefix(at(parent, item)), k - (ends[item - 1] if item else 0))
        case Trail(first, start):
            return (*first, start + k)
        case Joined(parts, ends):
            part = bisect_right(ends, k)
            return at(parts[part], k - (ends[part - 1] if part else 0))


def indices(where: Where, count: int) -> Iterator[Index]:
    """Positions of the first ``count`` items of a block, in one walk.

    Examples
    --------
    >>> list(indices(Kept(range(10, 14), [False, True, False, True]), 2))
    [11, 13]
    """
    match where:
        case range():
            return iter(where[:count])
        case Kept(parent, mask):
            return islice(compress(indices(parent, len(mask)), mask), count)
        case Cut(parent, start):
            return islice(indices(parent, start + count), start, None)
    return (at(where, k) for k in range(count))


def prefix(index: Index) -> tuple[int, ...]:
    """What the positions of all things made of one item begin with."""
    return index if isinstance(index, tuple) else (index,)


def only(index: Index) -> Where:
    """Positions of a block of one item."""
    return range(index, index + 1) if isinstance(index, int) else Trail(index[:-1], index[-1])


def cut(where: Where, start: int, stop: int) -> Where:
    """Positions of the items ``start`` to ``stop`` of a block."""
    if isinstance(where, range):
        return where[start:stop]
    if start == 0:
        return where
    # Flat, however often what is left of a block is cut again.
    if isinstance(where, Cut):
        return Cut(where.parent, where.start + start)
    if isinstance(where, Trail):
        return Trail(where.prefix, where.start + start)
    return Cut(where, start)


def join(parts: Sequence[tuple[Where, int]]) -> Where:
    """Positions of blocks put together, given each with its number of items.

    Examples
    --------
    >>> join([(range(0, 2), 2), (range(2, 5), 3)])
    range(0, 5)
    """
    if not parts:
        return range(0)
    first, total = parts[0]
    wheres: list[Where] = [first]
    ends = [total]
    for where, length in parts[1:]:
        total += length
        last = wheres[-1]
        if isinstance(where, range) and isinstance(last, range) and last.stop == where.start:
            wheres[-1] = range(last.start, where.stop)
            ends[-1] = total
        else:
            wheres.append(where)
            ends.append(total)
    return wheres[0] if len(wheres) == 1 else Joined(wheres, ends)
