"""Single calls that need one another, made in stints.

The calls of a region are handed out as they become ready, in stints: as
many as take about so long.  Calls that turn out to be slow end a stint early,
and what it has not begun goes back.  So quick calls cost no task each, and
slow ones still keep all workers busy.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from itertools import repeat
from math import isinf
from typing import TYPE_CHECKING, Any, ClassVar, Final

from flowgraph.runtime import child, pickling
from flowgraph.runtime.call import PLAIN
from flowgraph.runtime.calling import Calling
from flowgraph.runtime.calm import no_collections
from flowgraph.runtime.captives import Captives
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.handover import Done, opened
from flowgraph.runtime.lookout import lookout
from flowgraph.runtime.onecall import UNREACHED, OneCall, Values
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.place import Place
from flowgraph.runtime.record import record
from flowgraph.runtime.report import Lost
from flowgraph.runtime.row import Row
from flowgraph.runtime.scope import Halt, here
from flowgraph.runtime.unbegun import Unbegun
from flowgraph.runtime.walk import GRACE, Walk
from flowgraph.runtime.work import Work, fail_each

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from flowgraph.runtime.code import Parcel
    from flowgraph.runtime.handover import Known
    from flowgraph.runtime.report import Bundle
    from flowgraph.runtime.scope import Scope

__all__ = ["Stint", "Tell"]

_SLOW: Final = 1e-3
"""Seconds of a call, from which on its value is packed by itself: it may be large."""
_MANY: Final = 1000
"""Calls that are made of bytes without a look of the collector's: it was half of the time."""
_SLOWER: Final = 8
"""How many times longer than expected a call lasts, when those behind it are given back."""
_NONE: Final[frozenset[type]] = frozenset()
_BARE: Final = frozenset({*PLAIN, Skip})
"""Types of values that can always be packed: plain ones, and what stands for none."""
_SAFE: Final = _BARE | {Outcome}
"""The same, and values that are packed already."""
_new: Final = tuple.__new__
"""Makes a named tuple in half of the time."""

Tell = Callable[["Stint", frozenset[int], "Bundle | None"], object]
"""Told of a stint at a slow call, what it gives back, and its records so far."""


@record
class Stint(Work):
    """Makes some calls of a region that are ready, until its time is up."""

    light: ClassVar[bool] = False

    slots: Sequence[int]
    """The places of its calls."""
    calls: Parcel[Sequence[Any]]
    """Its calls; in another process a sequence for each field of them; see `OneCall`."""
    bound: frozenset[int]
    """Places of the calls that are made in the stint of the one before, alone in reading it."""
    inner: frozenset[int]
    """Places of the values that only those read."""
    seconds: float
    """After so long no other call is begun."""
    stages: Mapping[int, str]
    given_back: frozenset[int] = frozenset()
    """Places of the calls that it gave back before it was lost."""
    travels: bool
    """True if its values leave its process."""
    row: bytes | None = None
    """For each call 1 if others than those of this stint read its value; the calls are made in a
    row, as they stand, in another process.  None if they are not."""
    tell: Tell | None = None
    """Told, in its process, while it is at a slow call, of calls that it will not make, by their
    places, and of the records so far.

    Where it is lacking, the worker's line to the driver is taken, if there is one.
    """

    @property
    def label(self) -> str:
        """What it is called where its process dies: any of its calls may have done it."""
        calls = self._calls()
        if len(calls) == 1:
            return calls[0].name
        return f"one of {len(calls)} calls, from '{calls[0].name}' to '{calls[-1].name}'"

    @property
    def first(self) -> str:
        """The stage of its first call."""
        return self.stages[self._calls()[0].stage]

    @property
    def maker(self) -> tuple[Place, ...]:
        """The nodes that made the values, if they leave the process."""
        if not self.travels:
            return ()
        pairs = zip(self.slots, self._calls(), strict=True)
        return tuple([_place(call, self.stages) for k, call in pairs if k not in self.inner])

    def maker_of(self, outcome: Outcome) -> Place | tuple[Place, ...]:
        """None if all values can be packed for sure: they are plain, or each packed by itself."""
        made: Done = outcome.value
        return () if _SAFE.issuperset(map(type, made.values)) else self.maker

    def _calls(self) -> Sequence[OneCall]:
        with no_collections() if len(self.slots) > _MANY else nullcontext():
            calls = self.calls.open()
            if type(calls[0]) is OneCall:
                return calls
            return list(map(_new, repeat(OneCall), zip(*calls, strict=True)))

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        known: Known = inputs[0].value
        if known.walk is not None:
            return self._walked(scope, known, known.walk)
        calls = self._calls()  # which may take longer than to make them
        values, missing = known.values, known.missing
        unreadable: dict[int, BaseException] = {}
        if self.travels:
            read, missing, unreadable = opened(known, inputs[1:])
            if self.row is not None and not missing and not unreadable:
                return self._in_a_row(scope, calls, read, self.row)
            values = read
        calling = Calling(scope, values, missing)
        begun = scope.now()
        left: set[int] = calling.left
        todo: Iterable[tuple[int, OneCall]] = zip(self.slots, calls, strict=True)
        if unreadable:
            todo = self._without_readers(scope, todo, values, missing, unreadable)
        try:
            self._make(scope, calling, todo, self.seconds, self.bound)
        except Halt:
            if scope.control.line is not None and scope.is_over():
                raise
            left = {k for k in self.slots if k not in values} if self.travels else left
        busy = scope.now() - begun - calling.slept
        if not self.travels:  # they are where they belong
            return Outcome(Done([], frozenset(left), busy))
        outs = [
            values[k] if k not in left else UNREACHED for k in self.slots if k not in self.inner
        ]
        return self._sent(scope, outs, frozenset(left), busy)

    def _sent(
        self, scope: Scope, outs: list[Any], left: frozenset[int] | range, busy: float
    ) -> Outcome:
        """What leaves its process."""
        # Plain values that were made quickly are packed together: to unpack them runs no code.
        slow = busy > _SLOW * (len(self.slots) - len(left))
        if slow or not _BARE.issuperset(map(type, outs)):
            outs = self._packed(scope, outs, _NONE if slow else PLAIN)
        return Outcome(Done(outs, left, busy))

    def _in_a_row(
        self, scope: Scope, calls: Sequence[OneCall], read: Mapping[int, Any], are_read: bytes
    ) -> Outcome:
        """Make calls that came from another process in a row."""
        begin = self.slots[0]
        inputs: list[Any] = [UNREACHED] * begin
        for place, value in read.items():
            inputs[place] = value
        stages = scope.control.code.stages()
        functions = {number: stages[number].function for number in self.stages}
        captives = Captives(calls, begin, are_read)
        walk = Walk(Row(calls, [call.node for call in calls], functions), inputs, captives.chain)
        assert isinstance(self.slots, range)
        begun, slept, stop, apart = scope.now(), 0.0, self.slots.stop, False
        try:
            raised = walk.make(scope, self.slots, begun + self.seconds, self._teller(scope))
            end = begin + walk.made
            alone: Sequence[int] = ()
            if raised is None and end > begin and type(walk.values[-1]) not in PLAIN:
                alone = [k for k in captives.chain(end - 1) if k not in walk.given_back]
            if raised is not None or alone:
                apart = True  # the driver tells apart all others, and may have them at once
                bound = frozenset(alone)
                calling = Calling(scope, walk.number(), {})
                calling.left.update(range(end + (raised is not None), stop))
                calling.left -= bound
                if raised is not None:
                    calling.failed(end, calls[end - begin], *raised)
                self._make(scope, calling, [(k, calls[k - begin]) for k in alone], 0.0, bound)
                slept = calling.slept
        except Halt:
            if scope.control.line is not None and scope.is_over():
                raise
            apart = True
        values = walk.number()
        left: frozenset[int] | range = range(begin + walk.made, stop)
        if apart:
            left = frozenset([k for k in self.slots if values[k] is UNREACHED])
        busy = scope.now() - begun - slept
        return self._sent(scope, captives.leaving(values, left), left, busy)

    def _walked(self, scope: Scope, known: Known, walk: Walk) -> Outcome:
        """Make calls in a row; those behind one that fails as any others."""
        assert isinstance(self.slots, range)
        left: Collection[int] = ()
        begun, slept, before = scope.now(), 0.0, walk.made
        try:
            try:
                raised = walk.make(scope, self.slots, begun + self.seconds, self._teller(scope))
            finally:
                made = walk.made - before
                left = self.slots[made:]
            if raised is not None:
                calling = Calling(scope, walk.number(), known.missing)
                todo = [*zip(self.slots, self._calls(), strict=True)][made:]
                todo = [each for each in todo if each[0] not in walk.given_back]
                left = calling.left
                calling.left.update(walk.given_back)
                calling.failed(*todo[0], *raised)
                seconds = begun + self.seconds - scope.now()
                self._make(scope, calling, todo[1:], seconds, self.bound)
                slept = calling.slept
        except Halt:
            if not isinstance(left, range):
                left = {*left, *(k for k in self.slots if walk.number()[k] is UNREACHED)}
        if not isinstance(left, range):
            left = frozenset(left)
        return Outcome(Done([], left, scope.now() - begun - slept))

    def _without_readers(
        self,
        scope: Scope,
        todo: Iterable[tuple[int, OneCall]],
        values: Values,
        missing: dict[int, Failure | Skip],
        unreadable: Mapping[int, BaseException],
    ) -> list[tuple[int, OneCall]]:
        """Fail the calls that read what cannot be unpacked; gives the others."""
        others = []
        for slot, call in todo:
            errors = [unreadable[need] for need in call.needs if need in unreadable]
            if not errors:
                others.append((slot, call))
                continue
            (failure,) = fail_each(scope, [_place(call, self.stages)], errors[0], here())
            values[slot] = missing[slot] = failure
        return others

    def _teller(self, scope: Scope) -> Callable[[frozenset[int]], object] | None:
        """What tells the driver which calls are given back; None if nobody listens."""
        if isinf(self.seconds):
            return None
        if self.tell is not None:
            tell, worker = self.tell, here()  # it is another thread that tells
            return lambda left: tell(self, left, scope.ahead(worker))
        if scope.control.line is None:
            return self._to_parent() if scope.control.seals else None
        say = scope.control.line.ahead(scope.control.run)
        return lambda left: left and say(pickling.dumps((self.task, self.part, left)))

    def _to_parent(self) -> Callable[[frozenset[int]], object] | None:
        """What tells the parent of this process; None if it is the driver itself."""
        tell = child.teller()
        return tell and (lambda left: left and tell(pickling.dumps(left)))

    def _make(
        self,
        scope: Scope,
        calling: Calling,
        calls: Iterable[tuple[int, OneCall]],
        seconds: float,
        bound: frozenset[int],
    ) -> None:
        """Make calls; those that would wait for a slow one are given back, and left."""
        tell = self._teller(scope)
        if tell is None:
            calling.make(calls, seconds, bound)
            return
        until = scope.now() + seconds + GRACE
        patience = _SLOWER * seconds / len(self.slots)
        unbegun = Unbegun(calls, until, bound, tell, calling.left, patience=patience)
        lookout.watch(unbegun)
        try:
            calling.make(unbegun, seconds, bound)
        finally:
            lookout.leave(unbegun)
            unbegun.close()
            calling.left.update(unbegun.given_back)

    def _packed(self, scope: Scope, values: list[Any], bare: frozenset[type]) -> list[Any]:
        """Values each packed by itself, so that nobody unpacks those that he only hands on."""
        packed: list[Any] = []
        makers = [c for k, c in zip(self.slots, self._calls(), strict=True) if k not in self.inner]
        for value, call in zip(values, makers, strict=True):
            if type(value) in bare or type(value) is Failure or type(value) is Skip:
                packed.append(value)
                continue
            place = _place(call, self.stages)
            outcome = Outcome(value, stage=place.stage)
            outcome.maker = place
            failures = outcome.seal()
            scope.lost.extend([Lost(place.node, None, each, partial=False) for each in failures])
            packed.append(failures[0] if failures else outcome)
        return packed

    def receipt(self, outcome: Outcome) -> bytes:
        """What it made, but for the heavy values."""
        return pickling.dumps((self.task, self.part, outcome.value.receipt()))

    def lost(
        self, scope: Scope, error: BaseException, worker: str, inputs: Sequence[Outcome]
    ) -> Outcome:
        """The outcome if it could not be done: each call failed, none for another."""
        calls = dict(zip(self.slots, self._calls(), strict=True))
        slots = [slot for slot in self.slots if slot not in self.given_back]
        places = [_place(calls[slot], self.stages) for slot in slots]
        failed = dict(zip(slots, fail_each(scope, places, error, worker), strict=True))
        outs = [slot for slot in self.slots if slot not in self.inner]
        return Outcome(Done([failed.get(slot, UNREACHED) for slot in outs], self.given_back, 0.0))


def _place(call: OneCall, stages: Mapping[int, str]) -> Place:
    return Place(call.node, call.name, stages[call.stage])
