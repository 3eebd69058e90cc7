"""The task that makes single calls."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, ClassVar, Final

from flowgraph.runtime.attempt import LATER, Attempts, Site
from flowgraph.runtime.call import fill
from flowgraph.runtime.failure import Failure, Skip, twin
from flowgraph.runtime.loop import call_on_loop
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.pace import FREELY, Beat
from flowgraph.runtime.report import FAILED
from flowgraph.runtime.results import Results
from flowgraph.runtime.scope import Halt
from flowgraph.runtime.watch import watch_of
from flowgraph.runtime.work import Work

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flowgraph.runtime.code import Parcel
    from flowgraph.runtime.pace import Pace
    from flowgraph.runtime.place import Place
    from flowgraph.runtime.scope import Scope

__all__ = ["Calls", "OneCall"]


@dataclass(frozen=True, slots=True)
class OneCall:
    """A single call, as the plan says it; slots count the inputs, then earlier calls."""

    stage: int
    node: int
    name: str
    args: tuple[Any, ...]
    kwargs: tuple[tuple[str, Any], ...]
    needs: tuple[int, ...]
    """Slots that must hold a value."""
    condition: Any = True
    """Template of what must be true for the call to be made."""
    otherwise: int | None = None
    """The stage that is called if the condition is false; None for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls(Work):
    """Makes single calls one after the other, and gives the value of the last."""

    light: ClassVar[bool] = False

    calls: Parcel[tuple[OneCall, ...]]
    beat: Beat = FREELY
    """When attempts may start, and whether batches are apart."""
    gives: tuple[int, ...] = ()
    """Which calls' values others read; empty for the last one alone."""

    @property
    def maker(self) -> Place | tuple[Place, ...]:
        """The nodes that made the values."""
        if not self.gives:
            return self.last_maker()
        return tuple(self.owes[k] for k in self.gives)

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        before = inputs[self.reads + self.after :]
        pace = self.beat.pace(before)
        calls = self.calls.open()
        skip = self.waits(inputs)
        if skip is not None:
            for call in calls:
                scope.skip(call.node, None)
            values: list[Any] = [skip] * len(calls)
        else:
            calling = _Calling(scope, inputs[: self.reads], pace)
            try:
                values = calling.values_of(calls)
            except Halt:
                if not self.gives or (scope.control.line is not None and scope.is_over()):
                    raise
                values = calling.so_far()
        if self.gives:
            return Outcome(Results([values[k] for k in self.gives]))
        made = values[-1]
        lacks = isinstance(made, (Failure, Skip))
        outcome = Outcome(None, made, self.stage) if lacks else Outcome(made, stage=self.stage)
        outcome.paced = self.beat.last(pace, before, busy=skip is None)
        return outcome

    def lost(
        self, scope: Scope, error: BaseException, worker: str, inputs: Sequence[Outcome]
    ) -> Outcome:
        """The outcome if it could not be done: of a group each call failed, none for another."""
        if not self.gives:
            return Work.lost(self, scope, error, worker, inputs)
        now = scope.now()
        failures = []
        for place in self.owes:
            scope.note(place.node, None, None, 1, 1, FAILED, now, now)
            failures.append(Failure(place.stage, place.name, None, 1, worker, (twin(error),)))
        scope.failures.extend(failures)
        return Outcome(Results([failures[k] for k in self.gives]))


_UNREACHED: Final = Skip(None)


class _Calling:
    """Calls while they are made: one that is to be tried again holds up no other."""

    def __init__(self, scope: Scope, inputs: Sequence[Outcome], pace: Pace | None) -> None:
        self._scope = scope
        self._pace = pace
        self._given = len(inputs)
        self._missing = {k: o.missing for k, o in enumerate(inputs) if o.missing is not None}
        self._values = [o.value for o in inputs]
        self._late: list[tuple[float, int, Attempts]] = []
        self._unsettled: set[int] = set()

    def values_of(self, calls: Sequence[OneCall]) -> list[Any]:
        """What each call gives, or a Failure or Skip in its place."""
        self._values += [_UNREACHED] * len(calls)
        todo = list(enumerate(calls, self._given))
        try:
            while todo or self._late:
                todo = self._begin_all(todo)
                if self._late:
                    self._go_on()
        finally:
            for _, _, attempts in self._late:  # the run is over
                attempts.close()
        return self.so_far()

    def so_far(self) -> list[Any]:
        """What the calls gave that have been made; a Skip in the place of the others."""
        return self._values[self._given :]

    def _begin_all(self, todo: Sequence[tuple[int, OneCall]]) -> list[tuple[int, OneCall]]:
        """Make calls, but those that need one that is late."""
        deferred = []
        for slot, call in todo:
            if self._unsettled and not self._unsettled.isdisjoint(call.needs):
                self._unsettled.add(slot)
                deferred.append((slot, call))
            else:
                self._unsettled.discard(slot)
                self._begin(slot, call)
        return deferred

    def _begin(self, slot: int, call: OneCall) -> None:
        why = _blocked(call, self._missing)
        if why is not None:
            self._settle(slot, call.node, why)
            return
        self._scope.check()
        begun = _begin(self._scope, call, self._values, self._pace)
        if isinstance(begun, Attempts):
            self._make(slot, begun, call.node)
        else:
            self._settle(slot, call.node, begun)

    def _go_on(self) -> None:
        """Make the attempt that is due first."""
        due, slot, attempts = heappop(self._late)
        self._scope.sleep(due - self._scope.now())
        self._unsettled.discard(slot)
        self._make(slot, attempts, -1)

    def _make(self, slot: int, attempts: Attempts, node: int) -> None:
        try:
            made = attempts.make()
        except BaseException:
            attempts.close()
            raise
        if made is LATER:
            self._unsettled.add(slot)
            heappush(self._late, (attempts.due, slot, attempts))
            return
        attempts.close()
        self._settle(slot, node, made)

    def _settle(self, slot: int, node: int, made: Any | Failure | Skip) -> None:
        self._values[slot] = made
        if type(made) is Skip:
            self._scope.skip(node, None)
            self._missing[slot] = made
        elif type(made) is Failure:
            self._missing[slot] = made
            self._scope.fail(made)


def _blocked(call: OneCall, missing: Mapping[int, Failure | Skip]) -> Skip | None:
    """Why a call cannot be made; a failure before a false condition."""
    found: Skip | None = None
    if missing:
        for k in call.needs:
            if (why := missing.get(k)) is not None and (found is None or not found.failed):
                found = Skip.after(why)
    return found


def _begin(
    scope: Scope, call: OneCall, values: Sequence[Any], pace: Pace | None
) -> Attempts | Failure | Skip:
    """The call, ready to be made; or why it is not."""
    stages = scope.control.code.stages()
    stage = stages[call.stage]
    if call.condition is not True:
        holds = _truth(scope, Site(stage, call.node, call.name), fill(call.condition, values))
        if isinstance(holds, Failure):
            return holds
        if not holds and call.otherwise is None:
            return Skip(call.name, failed=False)
        if not holds and call.otherwise is not None:
            stage = stages[call.otherwise]
    args = [fill(arg, values) for arg in call.args]
    kwargs = {name: fill(arg, values) for name, arg in call.kwargs}
    function = stage.function

    def thunk() -> Any:
        if stage.is_coroutine:
            return call_on_loop(scope, stage, lambda: function(*args, **kwargs))
        value = function(*args, **kwargs)
        return list(value) if hasattr(type(value), "__next__") else value

    site = Site(stage, call.node, call.name, pace=pace)
    return Attempts(scope, site, thunk, watch_of(stage, scope))


def _truth(scope: Scope, site: Site, value: Any) -> bool | Failure:
    """The truth of a condition's value, or the failure of asking for it."""
    try:
        return bool(value)
    except Exception as error:
        now = scope.now()
        scope.note(site.node, None, None, 1, 1, FAILED, now, now)
        return site.failure(None, [error])
