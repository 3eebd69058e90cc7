"""How far the calls of a straight row are handed out, in ranges, and how far they are made."""

from __future__ import annotations

from bisect import bisect_left
from itertools import chain, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from flowgraph.runtime.row import Declared

__all__ = ["Ranges"]

_needs: Final = attrgetter("needs")


class Ranges:
    """Cuts a row into ranges of calls that can do without one another's values.

    Of calls it knows nothing but what they read, and that only where values leave their process.

    Parameters
    ----------
    calls : sequence
        Each behind those that it needs.
    base : int
        The place of the first one.
    count : int
        How many there are.
    gives : collection of int
        Which calls' values are wanted.
    travels : bool
        True if values leave the process they are made in.

    Attributes
    ----------
    made : int
        How many calls from the first one on are made.

    Examples
    --------
    >>> from types import SimpleNamespace as Call
    >>> calls = [*[Call(needs=()) for _ in range(4)], Call(needs=(0, 1, 2, 3))]
    >>> ranges = Ranges(calls, 0, 5, {4}, travels=True)
    >>> ranges.is_free_of(2), ranges.ahead(2), ranges.ahead(3), ranges.ahead(1)
    (True, range(0, 2), range(2, 4), range(4, 4))
    >>> ranges.passed(range(2, 4), 4), ranges.made, ranges.early()
    (True, 0, [range(2, 4)])
    >>> ranges.passed(range(2), 2), ranges.made, ranges.ahead(1)
    (True, 4, range(4, 5))
    """

    def __init__(
        self,
        calls: Sequence[Declared],
        base: int,
        count: int,
        gives: Collection[int],
        *,
        travels: bool,
    ) -> None:
        self.made = 0
        self._calls = calls
        self._base = base
        self._count = count
        self._gives = gives
        self._travels = travels
        self._handed = 0
        self._early: dict[int, int] = {}
        self._singles: list[tuple[int, int]] | None = None

    @property
    def unclaimed(self) -> int:
        """How many calls nobody has yet."""
        return self._count - self._handed

    def ahead(self, many: int) -> range:
        """Take the next calls, at most so many; gives their places.

        None of them reads what others that are under way will make.  They may be more, if
        one behind them is alone in reading what one of them makes, and reads nothing else:
        that value may be one that cannot leave its process.
        """
        begin = self._handed
        end = min(begin + many, self._count)
        if begin > self.made:
            end = self._first_reader(begin, end)
            if self._parts_a_pair(begin, end):
                end = begin
        elif self._travels and self._parts_a_pair(begin, end):
            end = self._count
        self._handed = end
        return range(self._base + begin, self._base + end)

    def is_free_of(self, many: int) -> bool:
        """True if the calls behind so many that are next can do without them, it seems."""
        begin, end = self._handed, self._handed + many
        if end >= self._count:
            return True
        reads_none = all(need < self._base + begin for need in self._calls[end].needs)
        return reads_none and not self._parts_a_pair(begin, end)

    def _first_reader(self, begin: int, end: int) -> int:
        """The first of some calls that reads what is under way before them; else their end."""
        low, high, calls = self._base + self.made, self._base + begin, self._calls
        for k in range(begin, end):
            if any(low <= need < high for need in calls[k].needs):
                return k
        return end

    def _parts_a_pair(self, begin: int, end: int) -> bool:
        """True if a call behind some reads nothing but what one of them makes."""
        if self._singles is None:
            needs = enumerate(map(_needs, self._calls))
            self._singles = [(k, need[0] - self._base) for k, need in needs if len(need) == 1]
        behind = islice(self._singles, bisect_left(self._singles, (end, 0)), None)
        return any(begin <= need < end for _, need in behind)

    def read_by_others(self, slots: range) -> bytes:
        """For each call 1 if its value is wanted, or read by others than these calls."""
        begin, end = slots.start - self._base, slots.stop - self._base
        later = set(chain.from_iterable(map(_needs, self._calls[end:])))
        later.update([self._base + k for k in self._gives if begin <= k < end])
        return bytes(map(later.__contains__, slots))

    def passed(self, slots: range, end: int) -> bool:
        """Note that a range is made up to a place; False, and nothing is, if that leaves a gap.

        A range may be made before the one before it.
        """
        begin, made = slots.start - self._base, end - slots.start
        if end < slots.stop:  # those behind it may be under way
            if self._handed > slots.stop - self._base or begin > self.made:
                return False
            self._handed = end - self._base
        self._early[begin] = begin + made
        while (reached := self._early.pop(self.made, 0)) > self.made:
            self.made = reached
        return True

    def early(self) -> list[range]:
        """Which calls, counted from the first one, are made behind some that are not."""
        return [range(begin, end) for begin, end in self._early.items()]
