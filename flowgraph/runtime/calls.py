"""The task that makes single calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from flowgraph.runtime.attempt import Site, attempt
from flowgraph.runtime.call import fill
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.watch import Watch
from flowgraph.runtime.work import Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowgraph.runtime.code import Parcel, Stage
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls(Work):
    """Makes single calls one after the other, and gives the value of the last."""

    light: ClassVar[bool] = False

    calls: Parcel[tuple[OneCall, ...]]

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        stages = scope.control.code.stages()
        skip = self.blocked(inputs[self.reads :])
        missing = {
            k: o.missing for k, o in enumerate(inputs[: self.reads]) if o.missing is not None
        }
        values = [o.value for o in inputs[: self.reads]]
        made: Any | Failure | Skip = None
        for call in self.calls.open():
            made = skip or self._blocked_call(call, missing)
            if made is None:
                scope.check()
                made = _make(scope, stages[call.stage], call, values)
                if isinstance(made, Failure):
                    scope.fail(made)
            else:
                scope.skip(call.node, None)
            if isinstance(made, (Failure, Skip)):
                missing[len(values)] = made
            values.append(made)
        if isinstance(made, (Failure, Skip)):
            return Outcome(None, made, self.stage)
        return Outcome(made, stage=self.stage)

    def _blocked_call(self, call: OneCall, missing: dict[int, Failure | Skip]) -> Skip | None:
        if missing:
            for k in call.needs:
                if (why := missing.get(k)) is not None:
                    return Skip(why.node if isinstance(why, Failure) else why.because)
        return None


def _make(scope: Scope, stage: Stage, call: OneCall, values: Sequence[Any]) -> Any | Failure:
    args = [fill(arg, values) for arg in call.args]
    kwargs = {name: fill(arg, values) for name, arg in call.kwargs}
    function = stage.function

    def thunk() -> Any:
        value = function(*args, **kwargs)
        return list(value) if hasattr(type(value), "__next__") else value

    site = Site(stage, call.node, call.name)
    if stage.timeout is None:
        return attempt(scope, site, thunk)
    with Watch(stage.name, stage.timeout, scope.clock) as watch:
        return attempt(scope, site, thunk, watch)
