"""Which calls go together: those that are ready, and how far one worker goes on from them."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from flowgraph.backends.rule import Narrow

__all__ = ["Claim", "Claiming"]


class Claim(NamedTuple):
    """Calls that are to be made together, by their places among the values."""

    slots: list[int]
    """Each behind those that it needs."""
    bound: set[int]
    """See `flowgraph.runtime.stint.Stint`."""
    inner: set[int]
    parted: bool
    """True if enough is ready beside them for another worker."""

    def moved(self, by: int) -> Claim:
        """The same with all places so much higher."""
        slots, bound, inner = ([k + by for k in each] for each in self[:3])
        return Claim(slots, set(bound), set(inner), self.parted)


class Claiming:
    """Takes ready calls, and those that go with them.

    A call that is alone in reading another one goes with it, if it waits for nothing else: its
    value may be one that cannot leave its process.  Where calls are not worth sharing, those that
    they make ready go with them too: until so much is ready at once that it is; or until what is
    ready falls into two parts, of which each has enough calls that need nothing of the other's.

    Parameters
    ----------
    ready : list of int
        Calls that wait for nothing, the next one last; what is taken is taken off.
    readers : mapping of int to sequence of int
        Which calls wait for one.
    waits : sequence of int
        For how many calls each waits.
    gives : container of int
        Calls whose values are wanted.
    narrow : Narrow, optional
        How far one worker goes on; default not at all.

    Examples
    --------
    Two chains of three calls, and what reads both:

    >>> from flowgraph.backends.rule import Narrow
    >>> readers = {0: [2], 2: [4], 1: [3], 3: [5], 4: [6], 5: [6]}
    >>> waits = [0, 0, 1, 1, 1, 1, 2]
    >>> Claiming([1, 0], readers, waits, {6}).take(1).slots
    [0, 2, 4]
    >>> Claiming([1, 0], readers, waits, {6}, Narrow(broad=9, enough=3, share=1)).take(100)
    Claim(slots=[0, 2, 4], bound={2, 4}, inner={0, 2}, parted=True)
    >>> Claiming([1, 0], readers, waits, {6}, Narrow(broad=9, enough=4, share=1)).take(100).slots
    [0, 2, 4, 1, 3, 5, 6]
    """

    __slots__ = (
        "_bound",
        "_due",
        "_enough",
        "_gives",
        "_inner",
        "_narrow",
        "_readers",
        "_ready",
        "_slots",
        "_waits",
        "_waits_now",
    )

    def __init__(
        self,
        ready: list[int],
        readers: Mapping[int, Sequence[int]],
        waits: Sequence[int],
        gives: Container[int],
        narrow: Narrow | None = None,
    ) -> None:
        self._ready = ready
        self._readers = readers
        self._waits = waits
        self._gives = gives
        self._narrow = narrow
        self._enough = inf if narrow is None else narrow.enough
        self._slots: list[int] = []
        self._bound: set[int] = set()
        self._inner: set[int] = set()
        self._waits_now: dict[int, int] = {}
        self._due = 0.0

    def take(self, many: int) -> Claim:
        """About so many."""
        narrow, roots, parted, rest = self._narrow, 0, False, list[int]()
        asked = False
        while self._ready and len(self._slots) < many and not rest and not parted:
            rest = self._follow(self._ready.pop(), many)
            roots += 1
            if narrow is None or asked or len(self._slots) < self._enough:
                continue
            if roots >= narrow.share or len(self._slots) >= many:
                parted, asked = self._opens(self._ready, {}), True  # it only gets less
        return Claim(self._slots, self._bound, self._inner, parted)

    def _follow(self, root: int, many: int) -> list[int]:
        """Take a call and what goes with it; gives what is ready then and was not taken."""
        narrow, slots, bound, waits_now = self._narrow, self._slots, self._bound, self._waits_now
        waits, gives, rest = self._waits, self._gives, [root]
        while rest and (rest[-1] in bound or not self._is_enough(rest, many)):
            k = rest.pop()
            slots.append(k)
            readers = self._readers.get(k, ())
            if len(readers) == 1 and waits[readers[0]] == 1 and k not in gives:
                self._inner.add(k)
                bound.add(readers[0])
                rest.append(readers[0])
            elif narrow is not None:
                for reader in reversed(readers):
                    waits_now[reader] = left = waits_now.get(reader, waits[reader]) - 1
                    if not left:
                        rest.append(reader)
        return rest

    def _is_enough(self, rest: list[int], many: int) -> bool:
        """True if no other call is to be taken of those that became ready."""
        narrow, taken = self._narrow, len(self._slots)
        if taken >= many:
            return True
        if narrow is None or len(rest) == 1:
            return False
        if len(rest) > narrow.broad:
            return True
        if taken < self._due:
            return False
        if self._opens(rest[-1:], self._waits_now) and self._opens(rest[:-1], self._waits_now):
            return True
        self._due = taken + self._enough  # asked at each call, it would cost more than that
        return False

    def _opens(self, roots: Sequence[int], waits: Mapping[int, int]) -> bool:
        """True if enough calls can be made of some that are ready, with nothing of others.

        ``waits`` says for how many others calls wait, where that has changed.
        """
        own: dict[int, int] = {}
        rest, found = list(roots), 0
        while rest and found < self._enough:
            found += 1
            for reader in self._readers.get(rest.pop(), ()):
                left = own.get(reader) or waits.get(reader) or self._waits[reader]
                own[reader] = left = left - 1
                if not left:
                    rest.append(reader)
        return found >= self._enough
