"""How many partitions a source has, and how large they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flowgraph.runtime.abreast import SLOTS
from flowgraph.runtime.cuts import Batches, Cuts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flowgraph.compiler.wishes import Wish

__all__ = ["VERY_MANY", "Shape", "cuts_for", "factoring", "rounds"]

VERY_MANY: Final = 32_768
"""Items for each worker of which it is assumed that they are quick: few tasks, little balance."""
_UNKNOWN: Final = 1 << 20
"""Length assumed for the shares of a collection whose length is not known."""
_ROUNDS: Final = 5
"""Rounds of a batch of coroutine calls, at least, if there are so many."""
_ROOM: Final = 128
"""Batches of a given size that a collection of unknown length has room for."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the plan is made for."""

    workers: int
    """Tasks that run at once, at least 1."""
    finest: int = 32
    """See `factoring`."""
    finest_of_many: int = 32
    """The same for so many items that they will hardly be slow: `VERY_MANY` for each worker."""
    halts: bool = False
    """True if the first final failure ends the run: no item is ever missing."""
    hands_out: bool = False
    """True if the backend hands out the calls of a region by itself."""
    far: bool = False
    """True if that is done from another machine than those of the workers."""


def factoring(items: int, workers: int, finest: int = 32) -> tuple[int, ...]:
    """Sizes of batches that balance the load without knowing what items cost.

    Rounds of one batch per worker, each round a quarter of what is left: the
    large ones first, so that they cost few tasks, the small ones last, so that
    all workers end together.

    Parameters
    ----------
    items : int
        Items to cut.
    workers : int
        Tasks that run at once.
    finest : int
        The last batches are about one ``finest``-th of a worker's share; up to
        that many items per worker, each is a batch of its own.

    Returns
    -------
    tuple of int
        Sizes, none larger than the one before; a single 0 for no items.

    References
    ----------
    S. F. Hummel, E. Schonberg, L. E. Flynn, "Factoring: a method for
    scheduling parallel loops", Communications of the ACM 35 (8), 1992.

    Examples
    --------
    >>> factoring(64, workers=2, finest=8)
    (8, 8, 6, 6, 5, 5, 5, 5, 4, 4, 4, 4)
    >>> factoring(3, workers=2)
    (1, 1, 1)
    """
    if items <= finest * workers:
        return (1,) * items or (0,)
    least = -(-items // (finest * workers))
    sizes: list[int] = []
    left = items
    while (batch := -(-left // (4 * workers))) > least:
        sizes += [batch] * workers
        left -= batch * workers
    # The rest in rounds that are full: one batch more than others would hold up all at the end.
    last = workers * max(1, round(left / (least * workers)))
    each, more = divmod(left, last)
    return (*sizes, *[each + 1] * more, *[each] * (last - more))


def rounds(items: int, workers: int, slots: int, parts: int = 4) -> tuple[int, ...]:
    """Sizes of batches for stages that have many items under way in one task.

    A task has so many at once: its batch is a whole number of such rounds, so
    that no slot is empty but at the end of all.

    Parameters
    ----------
    items : int
        Items to cut.
    workers : int
        Tasks that run at once.
    slots : int
        Items under way in one task.
    parts : int
        Batches for each worker, if there are enough rounds for them: at the end of each all
        slots run empty, and the next one has its way to the worker.

    Examples
    --------
    >>> rounds(2000, workers=2, slots=100)
    (500, 500, 500, 500)
    >>> rounds(15, workers=2, slots=100)
    (8, 7)
    """
    share = -(-items // workers)
    in_all = -(-share // slots)
    parts = max(1, min(parts, in_all // _ROUNDS))
    each, more = divmod(in_all, parts)
    counts = [each + (part < more) for part in range(parts)]
    wanted = [min(count * slots, share) for count in counts for _ in range(workers)]
    sizes: list[int] = []
    left = items
    for size in wanted:
        sizes.append(min(size, left))
        left -= sizes[-1]
    return tuple(size for size in sizes if size) or (0,)


def cuts_for(length: int | None, wish: Wish, shape: Shape) -> Cuts | Batches:
    """Where a source is cut.

    Parameters
    ----------
    length : int or None
        Number of its items; None if that is only known at run time.
    wish : Wish
        What the stages behind it ask for.
    shape : Shape
        What the plan is made for.
    """
    workers = shape.workers
    assumed = _UNKNOWN if length is None else length
    if wish.size is not None or wish.pausing:
        size = wish.size or max(workers, -(-assumed // 8))
        count = _ROOM if length is None else max(1, -(-assumed // size))
        return Batches(size, count, min(workers, size) if wish.pausing else 1)
    unit = wish.unit if wish.unit * workers <= assumed else 1
    units = -(-assumed // unit)
    many = length is not None and length > VERY_MANY * workers
    finest = shape.finest_of_many if many else shape.finest
    sizes = factoring(units, workers, finest)
    if wish.gathers:
        slots = SLOTS if wish.most is None else max(1, wish.most // workers)
        sizes = rounds(units, workers, slots)
    return Cuts(tuple(_ends(sizes, unit, assumed)))


def _ends(sizes: Iterable[int], unit: int, length: int) -> Iterator[int]:
    total = 0
    for size in sizes:
        total = min(total + size * unit, length)
        yield total
