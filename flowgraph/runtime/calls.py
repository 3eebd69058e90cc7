"""The task that makes single calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from flowgraph.runtime.abreast import SLOTS
from flowgraph.runtime.calling import Calling
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.onecall import UNREACHED, OneCall
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.pace import FREELY, Beat
from flowgraph.runtime.record import record
from flowgraph.runtime.results import Results
from flowgraph.runtime.scope import Halt
from flowgraph.runtime.work import Work, fail_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowgraph.runtime.code import Parcel
    from flowgraph.runtime.pace import Pace
    from flowgraph.runtime.place import Place
    from flowgraph.runtime.scope import Scope

__all__ = ["Calls"]


@record
class Calls(Work):
    """Makes single calls, coroutines side by side, and gives the value of the last."""

    light: ClassVar[bool] = False

    calls: Parcel[tuple[tuple[Any, ...], ...]]
    """The parts of each; see `OneCall`.  Plain tuples are pickled seven times as fast."""
    beat: Beat = FREELY
    """When attempts may start, and whether batches are apart."""
    slots: int = SLOTS
    """Attempts at once of a coroutine function."""
    gives: tuple[int, ...] = ()
    """Which calls' values others read; empty for the last one alone."""

    @property
    def label(self) -> str:
        """What it is called where its process dies: any of its calls may have done it."""
        if not self.gives:
            return self.name
        first, last = self.owes[0].name, self.owes[-1].name
        return f"one of {len(self.owes)} calls, from '{first}' to '{last}'"

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
        calls = list(map(OneCall._make, self.calls.open()))
        skip = self.waits(inputs)
        if skip is not None:
            for call in calls:
                scope.skip(call.node, None)
            values: list[Any] = [skip] * len(calls)
        else:
            values = self._made(scope, inputs[: self.reads], calls, pace)
        if self.gives:
            return Outcome(Results([values[k] for k in self.gives]))
        made = values[-1]
        lacks = isinstance(made, (Failure, Skip))
        outcome = Outcome(None, made, self.stage) if lacks else Outcome(made, stage=self.stage)
        outcome.paced = self.beat.last(pace, before, busy=skip is None)
        return outcome

    def _made(
        self,
        scope: Scope,
        inputs: Sequence[Outcome],
        calls: Sequence[OneCall],
        pace: Pace | None,
    ) -> list[Any]:
        """What each call gives, or a Failure or Skip in its place."""
        values = [outcome.value for outcome in inputs] + [UNREACHED] * len(calls)
        missing = {k: o.missing for k, o in enumerate(inputs) if o.missing is not None}
        begin = len(inputs)
        given = {begin + k for k in self.gives}
        inner = {k for k in range(begin, len(values)) if k not in given} if self.gives else ()
        try:
            Calling(scope, values, missing, pace, self.slots, inner).make(enumerate(calls, begin))
        except Halt:
            if not self.gives or (scope.control.line is not None and scope.is_over()):
                raise
        return values[len(inputs) :]

    def lost(
        self, scope: Scope, error: BaseException, worker: str, inputs: Sequence[Outcome]
    ) -> Outcome:
        """The outcome if it could not be done: of a group each call failed, none for another."""
        if not self.gives:
            return Work.lost(self, scope, error, worker, inputs)
        failures = fail_each(scope, self.owes, error, worker)
        return Outcome(Results([failures[k] for k in self.gives]))
