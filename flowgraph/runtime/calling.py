"""Single calls while they are made: one that is to be tried again holds up no other."""

from __future__ import annotations

from functools import partial
from heapq import heappop, heappush
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flowgraph.runtime.attempt import LATER, Attempts, Site
from flowgraph.runtime.call import PLAIN, InOrder, Slot, fill
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.loop import call_on_loop
from flowgraph.runtime.report import FAILED
from flowgraph.runtime.watch import watch_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from flowgraph.runtime.pace import Pace
    from flowgraph.runtime.scope import Scope

__all__ = ["UNREACHED", "Calling", "OneCall", "Values"]


class OneCall(NamedTuple):
    """A single call, as the plan says it.

    A tuple: a frozen dataclass takes three times as long to make.
    """

    stage: int
    node: int
    name: str
    args: tuple[Any, ...]
    """Templates; their slots count in ``needs``."""
    kwargs: tuple[tuple[str, Any], ...]
    needs: tuple[int, ...]
    """Where the values that it needs are, among the inputs and the calls of its task."""
    condition: Any = True
    """Template of what must be true for the call to be made."""
    otherwise: int | None = None
    """The stage that is called if the condition is false; None for nothing."""


UNREACHED: Final = Skip(None)
"""Stands for the value of a call that was not made, as its run ended before."""

_LOOK: Final = 1e-3
"""Seconds of quick calls between two looks at whether the run is over."""

Values = list[Any] | dict[int, Any]
"""Values by their places."""


class Calling:
    """Makes the calls of a task.

    Parameters
    ----------
    scope : Scope
        The task's notebook.
    values : list or dict
        What the calls read, by place; what they give is put in.
    missing : dict
        Why there is no value, by place; added to.
    pace : Pace, optional
        When attempts may start.

    Attributes
    ----------
    left : set of int
        Places of the calls that were not begun, since time was up.
    slept : float
        Seconds spent waiting for the next attempt of a call.
    """

    def __init__(
        self,
        scope: Scope,
        values: Values,
        missing: dict[int, Failure | Skip],
        pace: Pace | None = None,
    ) -> None:
        self.left: set[int] = set()
        self.slept = 0.0
        self._scope = scope
        self._pace = pace
        self._stages = scope.control.code.stages()
        free = pace is None and not scope.control.abandons
        self._quick = [
            s.function if free and s.timeout is None and not s.is_coroutine else None
            for s in self._stages
        ]
        """Of each stage the function, if it can be called without further ado."""
        self._values = values
        self._missing = missing
        self._ended = scope.now()
        self._late: list[tuple[float, int, Attempts]] = []
        self._unsettled: set[int] = set()

    def make(
        self,
        calls: Iterable[tuple[int, OneCall]],
        seconds: float = inf,
        bound: Container[int] = (),
    ) -> None:
        """Make calls, each put at its place among the values.

        Parameters
        ----------
        calls : iterable of (int, OneCall)
            Each with its place, behind those that it needs.
        seconds : float
            After so long no other is begun.
        bound : container of int
            Those that are begun all the same.
        """
        until, todo = self._ended + seconds, calls
        try:
            while True:
                todo = self._begin_all(todo, until, bound)
                if not todo and not self._late:
                    return
                if self._late:
                    self._go_on()
        finally:
            for _, _, attempts in self._late:  # the run is over
                attempts.close()

    def _begin_all(
        self, todo: Iterable[tuple[int, OneCall]], until: float, bound: Container[int]
    ) -> list[tuple[int, OneCall]]:
        """Make calls; gives those that need one that is late.

        The hot loop of single calls: a function that nothing is to be kept for but
        its time, unless it fails, is called right here.
        """
        deferred: list[tuple[int, OneCall]] = []
        left, unsettled, missing = self.left, self._unsettled, self._missing
        values, quick, now, note = (
            self._values,
            self._quick,
            self._scope.now,
            self._scope.quick.extend,
        )
        kinds, ended, look_at = set(PLAIN), self._ended, -inf
        for slot, call in todo:
            if (ended > until or left or unsettled or missing) and self._is_put_off(
                slot, call, until, bound, deferred
            ):
                continue
            if ended >= look_at:
                look_at = ended + _LOOK
                self._scope.check()
            number, node, _, args, named, needs, condition, _ = call
            function = quick[number]
            if function is None or condition is not True:
                self._begin(slot, call)
                ended = self._ended
                continue
            begun = now()
            try:
                given: Sequence[Any] = args
                kwargs = None
                if needs:
                    read = given = [values[need] for need in needs]
                    if type(args) is not InOrder:
                        given = [
                            read[a.position] if type(a) is Slot else fill(a, read) for a in args
                        ]
                    if named:
                        kwargs = {key: fill(arg, read) for key, arg in named}
                elif named:
                    kwargs = dict(named)
                made = function(*given, **kwargs) if kwargs else function(*given)
                if type(made) not in kinds:
                    if hasattr(type(made), "__next__"):
                        made = list(made)
                    kinds.add(type(made))
            except BaseException as raised:
                self.failed(slot, call, raised, begun)
                ended = self._ended
                continue
            self._ended = ended = now()
            note((node, begun, ended))  # a tuple less that the collector looks at
            values[slot] = made
        return deferred

    def failed(self, slot: int, call: OneCall, raised: BaseException, begun: float) -> None:
        """Go on after the first attempt of a call, which was made elsewhere.

        Raises
        ------
        BaseException
            What was raised, if it is to leave the task.
        Halt
            If it was the last one, and ends the run.
        """
        stage = self._stages[call.stage]
        again = partial(_called_again, stage.function, call, self._values)
        attempts = Attempts(self._scope, Site(stage, call.node, call.name), again)
        self._take(slot, attempts, attempts.failed(raised, begun), call.node)
        self._ended = self._scope.now()

    def _is_put_off(
        self,
        slot: int,
        call: OneCall,
        until: float,
        bound: Container[int],
        deferred: list[tuple[int, OneCall]],
    ) -> bool:
        """True if a call is not made now: time is up, or what it needs is late or missing."""
        left, unsettled = self.left, self._unsettled
        time_is_up = self._ended > until and slot not in bound and not self._is_waiting()
        if time_is_up or (left and not left.isdisjoint(call.needs)):
            left.add(slot)
        elif unsettled and not unsettled.isdisjoint(call.needs):
            unsettled.add(slot)
            deferred.append((slot, call))
        else:
            if unsettled:
                unsettled.discard(slot)
            why = _blocked(call, self._missing) if self._missing else None
            if why is None:
                return False
            self._settle(slot, call.node, why)
        return True

    def _is_waiting(self) -> bool:
        """True if nothing could be done but to wait for the next attempt of a call."""
        return bool(self._late) and self._late[0][0] > self._ended

    def _begin(self, slot: int, call: OneCall) -> None:
        values = self._values
        begun = _begin(self._scope, call, [values[need] for need in call.needs], self._pace)
        if isinstance(begun, Attempts):
            self._make(slot, begun, call.node)
        else:
            self._settle(slot, call.node, begun)

    def _go_on(self) -> None:
        """Make the attempt that is due first."""
        due, slot, attempts = heappop(self._late)
        now = self._scope.now()
        self._scope.sleep(due - now)
        self.slept += max(0.0, due - now)
        self._unsettled.discard(slot)
        self._make(slot, attempts, -1)

    def _make(self, slot: int, attempts: Attempts, node: int) -> None:
        try:
            made = attempts.make()
        except BaseException:
            attempts.close()
            raise
        self._take(slot, attempts, made, node)
        self._ended = self._scope.now()

    def _take(self, slot: int, attempts: Attempts, made: Any, node: int) -> None:
        """Go on after an attempt."""
        if made is LATER:
            self._unsettled.add(slot)
            heappush(self._late, (attempts.due, slot, attempts))
            return
        attempts.close()
        self._settle(slot, node, made)

    def _settle(self, slot: int, node: int, made: Any | Failure | Skip) -> None:
        # Last of all the value: another thread may see by it that the call is made.
        if type(made) is Skip:
            self._scope.skip(node, None)
            self._missing[slot] = made
        elif type(made) is Failure:
            self._missing[slot] = made
        self._values[slot] = made
        if type(made) is Failure:
            self._scope.fail(made)


def _blocked(call: OneCall, missing: Mapping[int, Failure | Skip]) -> Skip | None:
    """Why a call cannot be made."""
    return Skip.for_first(missing[k] for k in call.needs if k in missing)


def _begin(
    scope: Scope, call: OneCall, values: Sequence[Any], pace: Pace | None
) -> Attempts | Failure | Skip:
    """The call with what it needs, ready to be made; or why it is not."""
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
        return _called(function, args, kwargs)

    site = Site(stage, call.node, call.name, pace=pace)
    return Attempts(scope, site, thunk, watch_of(stage, scope))


def _called(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What a function gives; a list if that is an iterator, which could be read only once."""
    value = function(*args, **kwargs)
    return list(value) if hasattr(type(value), "__next__") else value


def _called_again(function: Callable[..., Any], call: OneCall, values: Values) -> Any:
    """What a function gives for a call's arguments, which are put together again."""
    read = [values[need] for need in call.needs]
    args = [fill(arg, read) for arg in call.args]
    return _called(function, args, {name: fill(arg, read) for name, arg in call.kwargs})


def _truth(scope: Scope, site: Site, value: Any) -> bool | Failure:
    """The truth of a condition's value, or the failure of asking for it."""
    try:
        return bool(value)
    except Exception as error:
        now = scope.now()
        scope.note(site.node, None, None, 1, 1, FAILED, now, now)
        return site.failure(None, [error])
