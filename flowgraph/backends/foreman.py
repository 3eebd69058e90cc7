"""Hands out the calls of a region in stints, as they become ready."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from flowgraph.runtime import pickling
from flowgraph.runtime.calling import UNREACHED
from flowgraph.runtime.code import Parcel
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.region import Done, Known, Stint
from flowgraph.runtime.results import Results

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flowgraph.runtime.calling import OneCall
    from flowgraph.runtime.code import Control
    from flowgraph.runtime.region import Region

__all__ = ["Foreman"]

_FIRST: Final = 4
"""What part of its share of the ready calls a worker gets while nobody knows how long they take."""
_MOST: Final = 4096
"""Calls of a stint at most."""
_WORTH: Final = 10
"""What part of a stint a worker must get of the calls that are ready, for them to be shared."""
_FREE, _GIVEN, _MADE = range(3)


class Foreman:
    """Knows which calls of a region are ready, and how many make up a stint.

    Not for several threads at once: whoever has it takes a lock.

    A stint gets as many calls as should take `seconds`, going by the last one.
    If those that are ready give all workers something to do for a good part of
    that, each gets its share; else one worker gets them all, and what becomes
    ready by them: to hand calls out would take longer than to make them.

    Parameters
    ----------
    control : Control
        What the tasks of the run share.
    region : Region
        Whose calls.
    inputs : sequence of Outcome
        What it reads.
    workers : int
        Stints at once.
    seconds : float
        Length of a stint.

    Examples
    --------
    The calls of ``b`` and ``c``, which both read ``a``:

    >>> import pickle
    >>> from flowgraph.runtime.calling import OneCall
    >>> from flowgraph.runtime.code import Code, Control, Stage
    >>> from flowgraph.runtime.call import Slot
    >>> from flowgraph.runtime.region import Region
    >>> from flowgraph.runtime.work import perform
    >>> code = Code((Stage("abs", abs, None, None, False),), pickle.dumps, pickle.dumps)
    >>> calls = (OneCall(0, 0, "a", (-3,), (), ()), OneCall(0, 1, "b", (Slot(0),), (), (0,)))
    >>> calls = (*calls, OneCall(0, 2, "c", (Slot(0),), (), (0,)))
    >>> region = Region(task=0, node=0, name="a", stage="abs", gives=(1, 2), stages={0: "abs"},
    ...                 calls=Parcel(calls, pickle.dumps))
    >>> foreman = Foreman(Control(code), region, [], workers=2, seconds=1)
    >>> stint, known = foreman.next()
    >>> stint.slots
    (0,)
    >>> foreman.take(stint, perform(Control(code), stint, known))
    >>> stint, known = foreman.next()
    >>> foreman.take(stint, perform(Control(code), stint, known))
    >>> foreman.over, foreman.outcome().value.values
    (True, [3, 3])
    """

    def __init__(
        self,
        control: Control,
        region: Region,
        inputs: Sequence[Outcome],
        workers: int,
        seconds: float,
    ) -> None:
        self.region = region
        self.over = False
        self._control = control
        self._calls = region.calls.open()
        self._workers = workers
        self._seconds = seconds
        self._travels = control.seals
        self._base = len(inputs)
        self._missing = {k: o.missing for k, o in enumerate(inputs) if o.missing is not None}
        given: list[Any] = list(inputs) if control.seals else [outcome.value for outcome in inputs]
        self._values = given + [UNREACHED] * len(self._calls)
        self._readers: dict[int, list[int]] = defaultdict(list)
        self._waits = [0] * len(self._calls)
        for k, call in enumerate(self._calls):
            for need in call.needs:
                if need >= self._base:
                    self._readers[need - self._base].append(k)
                    self._waits[k] += 1
        self._gives = frozenset(region.gives)
        self._unread = {k: len(readers) for k, readers in self._readers.items()}
        self._state = bytearray(len(self._calls))
        self._open = len(self._calls)
        self._parts = 0
        self._pace: float | None = None
        # The last one is next.
        self._ready = [k for k in reversed(range(len(self._calls))) if not self._waits[k]]

    def next(self) -> tuple[Stint, Outcome] | None:
        """A stint and what it reads; None if nothing is ready."""
        if self.over or not self._ready:
            return None
        ready, pace = len(self._ready), self._pace
        many, with_readers = -(-ready // (_FIRST * self._workers)), False
        if pace is not None:
            share = -(-ready // self._workers)
            many = min(_MOST, int(self._seconds / pace) + 1)
            with_readers = (
                max(ready, self._workers) * pace <= self._workers * self._seconds / _WORTH
            )
            many = many if with_readers else min(many, share)
        return self._stint(*self._claim(many, with_readers=with_readers))

    def _claim(self, many: int, *, with_readers: bool) -> tuple[list[int], set[int], set[int]]:
        """Take ready calls, and those that go with them.

        Returns
        -------
        claimed : list of int
            Each behind those that it needs.
        bound, inner : set of int
            See `Stint`.
        """
        claimed: list[int] = []
        bound: set[int] = set()
        inner: set[int] = set()
        waits: dict[int, int] = {}
        state = self._state
        while self._ready and len(claimed) < many:
            rest = [self._ready.pop()]
            while rest and (len(claimed) < many or rest[-1] in bound):
                k = rest.pop()
                claimed.append(k)
                state[k] = _GIVEN
                readers = self._readers.get(k, ())
                if len(readers) == 1 and self._waits[readers[0]] == 1 and k not in self._gives:
                    inner.add(k)
                    bound.add(readers[0])
                    rest.append(readers[0])
                elif with_readers:
                    for reader in reversed(readers):
                        waits[reader] = left = waits.get(reader, self._waits[reader]) - 1
                        if not left:
                            rest.append(reader)
        return claimed, bound, inner

    def _stint(self, claimed: list[int], bound: set[int], inner: set[int]) -> tuple[Stint, Outcome]:
        base, region = self._base, self.region
        calls = tuple([self._calls[k] for k in claimed])
        part, self._parts = self._parts, self._parts + 1
        stint = Stint(
            task=region.task,
            node=region.node,
            name=region.name,
            stage=region.stage,
            reads=1,
            part=part,
            slots=tuple([base + k for k in claimed]),
            calls=Parcel(calls, _packed),
            bound=frozenset([base + k for k in bound]),
            inner=frozenset([base + k for k in inner]),
            seconds=self._seconds,
            stages=region.stages,
            travels=self._travels,
        )
        return stint, Outcome(self._known(claimed))

    def _known(self, claimed: Iterable[int]) -> Known:
        if not self._travels:
            return Known(self._values, self._missing)
        calls, values, base = self._calls, self._values, self._base
        needs = {need for k in claimed for need in calls[k].needs}
        needs.difference_update([base + k for k in claimed])
        missing = {need: self._missing[need] for need in needs if need in self._missing}
        return Known({need: values[need] for need in needs if need not in missing}, missing)

    def take(self, stint: Stint, outcome: Outcome) -> None:
        """Note what a stint made.

        Raises
        ------
        Exception
            Whatever hinders unpacking it here.
        """
        done = outcome.value
        if done.values:
            outs = [slot for slot in stint.slots if slot not in stint.inner]
            self._put(outs, done)
        values, base = self._values, self._base
        if self._travels:
            made = [k - base for k in stint.slots if k not in done.left]
        else:
            made = [k - base for k in stint.slots if values[k] is not UNREACHED]
        self._settle(made)
        self._give_back([k - base for k in stint.slots if self._state[k - base] == _GIVEN])
        if made and done.busy:  # else it was lost, which tells nothing
            self._pace = done.busy / len(made)
        self._open -= len(made)
        bundle = outcome.bundle
        failed = bundle is not None and bool(bundle.failures or bundle.lost)
        self.over = self.over or not self._open or (failed and self._control.halts)

    def outcome(self) -> Outcome:
        """What the region gave, or has given so far."""
        values, base, state = self._values, self._base, self._state
        gives = self.region.gives
        given = [values[base + k] if state[k] == _MADE else UNREACHED for k in gives]
        outcome = Outcome(Results(given), stage=self.region.stage)
        outcome.maker = self.region.maker
        return outcome

    def _put(self, slots: Sequence[int], done: Done) -> None:
        for slot, value in zip(slots, done.values, strict=True):
            if slot not in done.left:
                self._values[slot] = value
                if type(value) is Failure or type(value) is Skip:
                    self._missing[slot] = value

    def _settle(self, made: Iterable[int]) -> None:
        """Let go on what waits for these calls, and drop the values that nobody reads any more."""
        state, waits, unread = self._state, self._waits, self._unread
        values, base, gives, ready = self._values, self._base, self._gives, self._ready
        for k in made:
            state[k] = _MADE
        for k in made:
            for reader in reversed(self._readers.get(k, ())):
                waits[reader] -= 1
                if not waits[reader] and state[reader] == _FREE:
                    ready.append(reader)
            for need in self._calls[k].needs:
                if need >= base:
                    unread[need - base] -= 1
                    if not unread[need - base] and need - base not in gives:
                        values[need] = None

    def _give_back(self, left: Sequence[int]) -> None:
        """Calls that were handed out, but not made."""
        for k in reversed(left):
            self._state[k] = _FREE
            if not self._waits[k]:
                self._ready.append(k)


def _packed(calls: tuple[OneCall, ...]) -> bytes:
    """Calls for another process, as plain tuples: those are pickled seven times as fast."""
    return pickling.dumps(tuple(map(tuple, calls)))
