"""The calls of a region: which of them are ready, and what those gave that others read."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from flowgraph.backends.claims import Claiming
from flowgraph.backends.ranges import Ranges
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.handover import Known
from flowgraph.runtime.onecall import UNREACHED
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence

    from flowgraph.backends.claims import Claim
    from flowgraph.backends.rule import Narrow
    from flowgraph.runtime.code import Parcel
    from flowgraph.runtime.onecall import OneCall
    from flowgraph.runtime.row import Declared, Row

__all__ = ["Roster"]

_FREE, _GIVEN, _MADE = range(3)
_SMALL: Final = frozenset({int, float, bool, complex, type(None)})
"""Types of values that are not worth being dropped when nobody reads them any more."""


class Roster:
    """Keeps the state of all calls of a region.

    Calls that owe no more than a call of a function are first made in a straight row, as they
    stand: each is behind those that it needs, so nothing has to be known of any
    but how many are made.  `scatter` ends that.

    Parameters
    ----------
    calls : Parcel of OneCalls
        Each behind those that it needs; opened when each is to be told apart.
    inputs : sequence
        What the region reads: outcomes, or what stands for them.
    gives : iterable of int
        Which calls' values others read.
    travels : bool
        True if values leave the process they are made in.
    row : callable, optional
        Gives the same calls as they were declared, if they can be made like that.

    Attributes
    ----------
    open : int
        Calls that are not made.
    straight : bool
        True as long as calls are made in a row.
    ranges : Ranges
        How far that is.

    Examples
    --------
    >>> import pickle
    >>> from flowgraph.runtime.onecall import OneCall
    >>> from flowgraph.runtime.code import Parcel
    >>> calls = [OneCall(0, k, name, (), (), needs) for k, (name, needs) in
    ...          enumerate([("a", ()), ("b", (0,)), ("c", (0,))])]
    >>> roster = Roster(Parcel(calls, pickle.dumps), [], gives=(1, 2), travels=True)
    >>> roster.claim(5).slots, roster.ready
    ([0], 0)
    >>> roster.put([0], ["a's value"])
    >>> roster.settle([0])
    >>> roster.ready, roster.open, roster.known([1]).values
    (2, 2, {0: "a's value"})
    """

    def __init__(
        self,
        calls: Parcel[Sequence[OneCall]],
        inputs: Sequence[Any],
        gives: Iterable[int],
        *,
        travels: bool,
        row: Callable[[], Row] | None = None,
    ) -> None:
        self._parcel = calls
        self._travels = travels
        self._gives = frozenset(gives)
        self._base = len(inputs)
        self._missing: dict[int, Failure | Skip] = {}
        self._values: list[Any] = []
        for k, given in enumerate(inputs):
            if isinstance(given, Outcome) and given.missing is not None:
                self._missing[k] = given.missing
            self._values.append(given if travels else given.value)
        self._walk: Walk | None = None
        if row is not None and not travels and not self._missing:
            straight = row()
            self._walk = Walk(straight, self._values)
            self._calls: Sequence[Declared] = straight.calls
            self.open = len(self._calls)
        else:
            # What they read is told by either; to make the others' names takes a while.
            self._calls = calls.open() if row is None else row().calls
            self.open = len(self._calls)
            self._values += [UNREACHED] * self.open
        self.ranges = Ranges(self._calls, self._base, self.open, self._gives, travels=travels)
        self._readers: dict[int, list[int]] = {}
        self._waits: list[int] = []
        self._unread: dict[int, int] = {}
        self._state = bytearray()
        self._ready: list[int] = []
        self.straight = not travels or (row is not None and not self._missing)
        if not self.straight:
            self.scatter()

    @property
    def ready(self) -> int:
        """How many calls wait for nothing."""
        return len(self._ready)

    def passed(self, slots: range, left: Container[int], given: Sequence[Any] = ()) -> bool:
        """Note what a stint made of a straight row; False, and nothing is noted, if that ends.

        It goes on if all that was made stands before all that was left, and is small.

        Parameters
        ----------
        slots : range
            The places of the stint's calls.
        left : container of int
            Those that it did not begin.
        given : sequence
            What came of them from another process.
        """
        end = slots.stop
        if isinstance(left, range):
            end = left.start
        while end > slots.start and end - 1 in left:
            end -= 1
        if self._walk is not None and self._walk.is_over:
            self._tell_apart()
        made = end - slots.start
        if self._travels:
            values = given[:made]
        else:
            values = (self._values if self._walk is None else self._walk.values)[slots.start : end]
        if not _SMALL.issuperset(map(type, values)):
            return False  # also where a call was not reached, and for one that failed
        if not self.ranges.passed(slots, end):
            return False
        if self._travels:
            self._values[slots.start : end] = values
        self.open -= made
        return True

    def _tell_apart(self) -> None:
        """Have a place for each value from now on."""
        if self._walk is not None:
            self._values, self._walk = self._walk.number(), None

    def scatter(self, away: Iterable[int] = ()) -> None:
        """Keep track of every single call from now on: of who reads it, and for whom it waits.

        Parameters
        ----------
        away : iterable of int
            Places of the calls that a worker is at.
        """
        self.straight = False
        self._tell_apart()
        base, made, calls = self._base, self.ranges.made, self._calls
        count = len(calls)
        self._state = state = bytearray([_MADE]) * made + bytearray(count - made)
        for early in self.ranges.early():
            state[early.start : early.stop] = bytes([_MADE]) * len(early)
        readers: dict[int, list[int]] = defaultdict(list)
        self._readers = readers
        self._waits = waits = [0] * count
        for k in range(made, count):
            if state[k] == _MADE:
                continue
            for need in calls[k].needs:
                if need >= base + made and state[need - base] != _MADE:
                    readers[need - base].append(k)
                    waits[k] += 1
        self._unread = {k: len(those) for k, those in readers.items()}
        for slot in away:
            self._state[slot - base] = _GIVEN
        # The last one is next.
        self._ready = [
            k for k in reversed(range(made, count)) if not waits[k] and self._state[k] == _FREE
        ]

    def claim(self, many: int, narrow: Narrow | None = None) -> Claim:
        """Take ready calls, and those that go with them.

        Parameters
        ----------
        many : int
            About how many.
        narrow : Narrow, optional
            Also those that they make ready, and how far.
        """
        claiming = Claiming(self._ready, self._readers, self._waits, self._gives, narrow)
        claim = claiming.take(many)
        for k in claim.slots:
            self._state[k] = _GIVEN
        return claim.moved(self._base)

    def calls(self, slots: Iterable[int]) -> tuple[OneCall, ...]:
        """The calls at these places."""
        calls, base = self._parcel.open(), self._base
        if type(slots) is range:
            return tuple(calls[slots.start - base : slots.stop - base])
        return tuple([calls[slot - base] for slot in slots])

    def known(self, slots: Sequence[int]) -> Known:
        """What the calls at these places read."""
        if not self._travels:
            return Known(self._values, self._missing, self._walk)
        values = self._values
        calls, base = self._calls, self._base
        needs = {need for slot in slots for need in calls[slot - base].needs}
        needs.difference_update(slots)
        missing = {need: self._missing[need] for need in needs if need in self._missing}
        return Known({need: values[need] for need in needs if need not in missing}, missing)

    def is_made(self, slot: int) -> bool:
        """True if a call has a value, or a reason for having none; where values do not travel."""
        return self._values[slot] is not UNREACHED

    def put(self, slots: Iterable[int], values: Iterable[Any], left: Container[int] = ()) -> None:
        """Note what calls gave, but for those that are left."""
        for slot, value in zip(slots, values, strict=True):
            if slot not in left:
                self._values[slot] = value
                if type(value) is Failure or type(value) is Skip:
                    self._missing[slot] = value

    def settle(self, made: Sequence[int]) -> None:
        """Let go on what waits for these calls, and drop the values that nobody reads any more."""
        state, waits, unread = self._state, self._waits, self._unread
        values, base, gives, ready = self._values, self._base, self._gives, self._ready
        calls = self._calls
        self.open -= len(made)
        for slot in made:
            state[slot - base] = _MADE
        for slot in made:
            for reader in reversed(self._readers.get(slot - base, ())):
                waits[reader] -= 1
                if not waits[reader] and state[reader] == _FREE:
                    ready.append(reader)
            for need in calls[slot - base].needs:
                if need - base in unread:  # not those that were made in a row: they are small
                    unread[need - base] -= 1
                    if not unread[need - base] and need - base not in gives:
                        values[need] = None

    def free(self, slots: Iterable[int]) -> None:
        """Let others make calls that were claimed, but not made."""
        for slot in sorted(slots, reverse=True):
            k = slot - self._base
            assert self._state[k] == _GIVEN
            self._state[k] = _FREE
            if not self._waits[k]:
                self._ready.append(k)

    def given(self, gives: Iterable[int]) -> list[Any]:
        """What these calls gave, or have given so far."""
        values, base, state, made = self._values, self._base, self._state, self.ranges.made
        if self._walk is not None:
            values = self._walk.values
        return [
            values[base + k]
            if k < made or self._travels or (state and state[k] == _MADE)
            else UNREACHED
            for k in gives
        ]
