"""The task that combines partial results of a reduction."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from flowgraph.runtime.attempt import Site
from flowgraph.runtime.call import fill
from flowgraph.runtime.failure import Failure
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.scope import FAILED, OK
from flowgraph.runtime.sink import folder
from flowgraph.runtime.watch import entered
from flowgraph.runtime.work import Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowgraph.runtime.chain import LinkPlan
    from flowgraph.runtime.code import Parcel
    from flowgraph.runtime.scope import Scope

__all__ = ["Merge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge(Work):
    """Combines partial results of a reduction, in order."""

    light: ClassVar[bool] = False

    op: LinkPlan
    last: bool
    """True for the one that gives the reduction's value."""
    initial: Parcel[tuple[Any, ...]]
    """Template of the initial value in a tuple, which is empty if there is none."""
    partials: int
    """How many of the inputs are partial results; the others are values for the template."""

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        partials = inputs[: self.partials]
        failure = self._failure(partials)
        if failure is not None:
            if self.last:
                now = scope.now()
                scope.note(self.op.node, None, None, 1, 1, FAILED, now, now)
        elif (skip := self.blocked(inputs)) is not None:
            if self.last:
                scope.skip(self.op.node, None)
            return Outcome(None, skip, self.stage)
        made = failure or self._merge(scope, partials, inputs[self.partials : self.reads])
        if isinstance(made, Failure):
            if self.last:
                scope.fail(made)
            return Outcome(None, made, self.stage)
        return Outcome(made[0] if self.last else made, stage=self.stage)

    def _failure(self, partials: Sequence[Outcome]) -> Failure | None:
        """The first partial result that failed in this very reduction."""
        for outcome in partials:
            missing = outcome.missing
            if isinstance(missing, Failure) and missing.node == self.op.name:
                return missing
        return None

    def _merge(
        self, scope: Scope, partials: Sequence[Outcome], others: Sequence[Outcome]
    ) -> tuple[Any, ...] | Failure:
        op, now = self.op, scope.now()
        stage = scope.control.code.stages()[op.stage]
        site = Site(stage, op.node, op.name, count=int(self.last))
        first = fill(self.initial.open(), [outcome.value for outcome in others])
        values = [*first, *(value for outcome in partials for value in outcome.value)]
        if len(values) > 1:
            with ExitStack() as stack:
                made = folder(scope, site, entered(stack, stage, scope.clock))(values)
            return made if isinstance(made, Failure) else (made,)
        if not self.last:
            return tuple(values)
        if values:
            scope.note(op.node, None, None, site.count, 1, OK, now, now)
            return tuple(values)
        scope.note(op.node, None, None, site.count, 1, FAILED, now, now)
        error = ValueError("there is nothing to reduce, and no initial value was given")
        return site.failure(None, [error])
