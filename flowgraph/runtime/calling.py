"""Single calls while they are made: one that is to be tried again holds up no other."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flowgraph.runtime.attempt import LATER, Attempts, Site
from flowgraph.runtime.call import fill
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.loop import call_on_loop
from flowgraph.runtime.report import FAILED, OK
from flowgraph.runtime.watch import watch_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flowgraph.runtime.code import Stage
    from flowgraph.runtime.outcome import Outcome
    from flowgraph.runtime.pace import Pace
    from flowgraph.runtime.scope import Scope

__all__ = ["Calling", "OneCall"]


class OneCall(NamedTuple):
    """A single call, as the plan says it; slots count the inputs, then earlier calls.

    A tuple: a frozen dataclass takes three times as long to make.
    """

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


_UNREACHED: Final = Skip(None)


class Calling:
    """Makes the calls of a task.

    Parameters
    ----------
    scope : Scope
        The task's notebook.
    inputs : sequence of Outcome
        What the calls read.
    pace : Pace, optional
        When attempts may start.
    """

    def __init__(self, scope: Scope, inputs: Sequence[Outcome], pace: Pace | None) -> None:
        self._scope = scope
        self._pace = pace
        self._free = pace is None and not scope.control.abandons
        self._stages = scope.control.code.stages()
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
        stage = self._stages[call.stage]
        plain = stage.timeout is None and not stage.is_coroutine and call.condition is True
        if plain and self._free:
            self._call(slot, call, stage)
            return
        begun = _begin(self._scope, call, self._values, self._pace)
        if isinstance(begun, Attempts):
            self._make(slot, begun, call.node)
        else:
            self._settle(slot, call.node, begun)

    def _call(self, slot: int, call: OneCall, stage: Stage) -> None:
        """Call a function that nothing is to be kept for but its time, unless it fails."""
        scope, values, function = self._scope, self._values, stage.function
        args = [fill(arg, values) for arg in call.args]
        kwargs = {name: fill(arg, values) for name, arg in call.kwargs}
        begun = scope.now()
        try:
            made = _listed(function(*args, **kwargs))
        except BaseException as raised:
            site = Site(stage, call.node, call.name)
            attempts = Attempts(scope, site, lambda: _listed(function(*args, **kwargs)))
            self._take(slot, attempts, attempts.failed(raised, begun), call.node)
            return
        scope.note(call.node, None, None, 1, 1, OK, begun, scope.now())
        values[slot] = made

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
        self._take(slot, attempts, made, node)

    def _take(self, slot: int, attempts: Attempts, made: Any, node: int) -> None:
        """Go on after an attempt."""
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
    """Why a call cannot be made."""
    if not missing:
        return None
    return Skip.for_first(missing[k] for k in call.needs if k in missing)


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
        return _listed(function(*args, **kwargs))

    site = Site(stage, call.node, call.name, pace=pace)
    return Attempts(scope, site, thunk, watch_of(stage, scope))


def _listed(value: Any) -> Any:
    """The value; a list if it is an iterator, which could be read only once."""
    return list(value) if hasattr(type(value), "__next__") else value


def _truth(scope: Scope, site: Site, value: Any) -> bool | Failure:
    """The truth of a condition's value, or the failure of asking for it."""
    try:
        return bool(value)
    except Exception as error:
        now = scope.now()
        scope.note(site.node, None, None, 1, 1, FAILED, now, now)
        return site.failure(None, [error])
