"""Single calls while they are made: one that is to be tried again holds up no other."""

from __future__ import annotations

from functools import partial
from heapq import heappop, heappush
from math import inf
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from flowgraph.runtime.abreast import SLOTS, Abreast
from flowgraph.runtime.attempt import LATER, Attempts, Site
from flowgraph.runtime.call import PLAIN, InOrder, Slot, fill, listed
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.onecall import blocked, called_again, ready

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from flowgraph.runtime.onecall import OneCall, Values
    from flowgraph.runtime.pace import Pace
    from flowgraph.runtime.scope import Scope

__all__ = ["Calling"]


_LOOK: Final = 1e-3
"""Seconds of quick calls between two looks at whether the run is over."""
_WAIT: Final = 0.1
"""The same while coroutines are waited for."""
_place: Final = itemgetter(0)


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
    slots : int
        Attempts of a coroutine function at once.
    inner : container of int
        Places of calls that only one other call reads.

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
        slots: int = SLOTS,
        inner: Container[int] = (),
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
        self._slots = slots
        self._inner = inner
        self._abreast: Abreast | None = None
        self._unsettled: set[int] = set()
        self._settled: list[int] = []
        """Places of calls of which an attempt has ended, since it was last looked who waits."""
        self._roots: dict[int, int] = {}
        """Of a call that waits for another one that is under way, or is to be tried again: that."""
        self._held: dict[int, list[tuple[int, OneCall]]] = {}
        """The calls that wait for one, each behind those that it needs."""

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
            self._begin_all(todo, until, bound)
            while self._late or self._abreast or self._settled:
                released = self._go_on()
                self._begin_all(released, until, bound)
                self._drop(released)
        finally:
            for _, _, attempts in self._late:  # the run is over
                attempts.close()
            if self._abreast is not None:
                self._abreast.close()

    def _begin_all(
        self, todo: Iterable[tuple[int, OneCall]], until: float, bound: Container[int]
    ) -> None:
        """Make calls, but for those that need one that is late.

        The hot loop of single calls: a function that nothing is to be kept for but
        its time, unless it fails, is called right here.
        """
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
                slot, call, until, bound
            ):
                continue
            if ended >= look_at:
                look_at = ended + _LOOK
                self._look()
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
                    made = listed(made)
                    kinds.add(type(made))
            except BaseException as raised:
                self.failed(slot, call, raised, begun)
                ended = self._ended
                continue
            self._ended = ended = now()
            note((node, begun, ended))  # a tuple less that the collector looks at
            values[slot] = made

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
        again = partial(called_again, stage.function, call, self._values)
        attempts = Attempts(self._scope, Site(stage, call.node, call.name), again)
        self._take(slot, attempts, attempts.failed(raised, begun))
        self._ended = self._scope.now()

    def _is_put_off(
        self,
        slot: int,
        call: OneCall,
        until: float,
        bound: Container[int],
    ) -> bool:
        """True if a call is not made now: time is up, or what it needs is late or missing."""
        left, unsettled = self.left, self._unsettled
        time_is_up = self._ended > until and slot not in bound and not self._is_waiting()
        if time_is_up or (left and not left.isdisjoint(call.needs)):
            left.add(slot)
        elif unsettled and not unsettled.isdisjoint(call.needs):
            need = next(need for need in call.needs if need in unsettled)
            root = self._roots[slot] = self._roots.get(need, need)
            self._held.setdefault(root, []).append((slot, call))
            unsettled.add(slot)
        else:
            if unsettled:
                unsettled.discard(slot)
                self._roots.pop(slot, None)
            why = blocked(call, self._missing) if self._missing else None
            if why is None:
                return False
            self._skip(slot, call, why)
        return True

    def _is_waiting(self) -> bool:
        """True if nothing could be done but to wait for the next attempt of a call."""
        return bool(self._late) and self._late[0][0] > self._ended

    def _begin(self, slot: int, call: OneCall) -> None:
        values = self._values
        begun = ready(self._scope, call, [values[need] for need in call.needs], self._pace)
        if isinstance(begun, Attempts):
            self._make(slot, begun)
        elif isinstance(begun, Skip):
            self._skip(slot, call, begun)
        else:
            self._settle(slot, begun)

    def _look(self) -> None:
        """Leave the task if its run is over, and note what has ended meanwhile."""
        self._scope.check()
        if self._abreast:
            self._note_ended(0.0)

    def _note_ended(self, seconds: float) -> None:
        """Note which attempts of coroutines have ended; waits so long for the first."""
        assert self._abreast is not None
        for slot, attempts, made in self._abreast.take(seconds):
            self._take(slot, attempts, made)
            self._settled.append(slot)

    def _go_on(self) -> list[tuple[int, OneCall]]:
        """Go on with what is due first; gives the calls that waited for no more than that."""
        due, now = self._late[0][0] if self._late else inf, self._scope.now()
        if self._abreast:
            self._scope.check()
            self._note_ended(0.0 if self._settled else max(0.0, min(due - now, _WAIT)))
            self._ended = now = self._scope.now()
        elif not self._settled:
            self._scope.sleep(due - now)
            self.slept += max(0.0, due - now)
            now = max(due, now)
        if due <= now:
            _, slot, attempts = heappop(self._late)
            self._make(slot, attempts)
            self._settled.append(slot)
        unsettled, held = self._unsettled, self._held
        settled, self._settled = self._settled, []
        released = [each for k in settled if k not in unsettled for each in held.pop(k, ())]
        # One that waited for two may stand before the other one, that waited for a third.
        return sorted(released, key=_place)

    def _drop(self, made: Iterable[tuple[int, OneCall]]) -> None:
        """Let go of values that no other call reads than these."""
        for slot, call in made:
            if slot not in self._unsettled:
                for need in call.needs:
                    if need in self._inner:
                        self._values[need] = None

    def _make(self, slot: int, attempts: Attempts) -> None:
        """Make an attempt, or let it be made."""
        if attempts.stage.is_coroutine:
            if self._abreast is None:
                self._abreast = Abreast(self._scope, self._slots)
            made = self._abreast.begin(slot, attempts)
            if made is None:
                self._unsettled.add(slot)
                return
        else:
            try:
                made = attempts.make()
            except BaseException:
                attempts.close()
                raise
        self._take(slot, attempts, made)
        self._ended = self._scope.now()

    def _take(self, slot: int, attempts: Attempts, made: Any) -> None:
        """Go on after an attempt."""
        if made is LATER:
            self._unsettled.add(slot)
            heappush(self._late, (attempts.due, slot, attempts))
            return
        self._unsettled.discard(slot)
        attempts.close()
        self._settle(slot, made)

    def _skip(self, slot: int, call: OneCall, why: Skip) -> None:
        self._scope.skip(call.node, None)
        self._missing[slot] = self._values[slot] = why

    def _settle(self, slot: int, made: Any | Failure) -> None:
        # Last of all the value: another thread may see by it that the call is made.
        if type(made) is Failure:
            self._missing[slot] = made
        self._values[slot] = made
        if type(made) is Failure:
            self._scope.fail(made)
