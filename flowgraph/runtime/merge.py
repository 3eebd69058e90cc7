"""The tasks that combine partial results of a reduction."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar

from flowgraph.errors.stage import nothing_to_reduce
from flowgraph.runtime.attempt import Site
from flowgraph.runtime.call import fill
from flowgraph.runtime.calm import no_collections
from flowgraph.runtime.failure import Failure
from flowgraph.runtime.keyed import Combiner
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.partition import Listing
from flowgraph.runtime.record import record
from flowgraph.runtime.report import FAILED, OK
from flowgraph.runtime.sink import folder
from flowgraph.runtime.watch import entered
from flowgraph.runtime.work import Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowgraph.runtime.chain import LinkPlan
    from flowgraph.runtime.code import Parcel
    from flowgraph.runtime.keyed import KeyedPlan
    from flowgraph.runtime.scope import Scope

__all__ = ["Merge", "MergeKeys"]


@record
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

    @property
    def partial(self) -> bool:
        """True if its value is not the reduction's yet."""
        return not self.last

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        partials = inputs[: self.partials]
        for outcome in partials:
            if isinstance(outcome.missing, Failure):
                # One of this reduction, told where it happened: a partial result
                # that is missing for any other reason is a Skip.
                return Outcome(None, outcome.missing, self.stage)
        if (skip := self.blocked(inputs)) is not None:
            if self.last:
                scope.skip(self.op.node, None)
            return Outcome(None, skip, self.stage)
        first = fill(self.initial.open(), [o.value for o in inputs[self.partials : self.reads]])
        values = [*first, *(value for outcome in partials for value in outcome.value)]
        made = self._combined(scope, values)
        if isinstance(made, Failure):
            return Outcome(None, made, self.stage)
        return Outcome(made[0] if self.last else made, stage=self.stage)

    def _combined(self, scope: Scope, values: Sequence[Any]) -> tuple[Any, ...] | Failure:
        op, now = self.op, scope.now()
        stage = scope.control.code.stages()[op.stage]
        site = Site(stage, op.node, op.name, count=int(self.last))
        if len(values) > 1:
            with ExitStack() as stack:
                made = folder(scope, site, entered(stack, stage, scope))(values)
            return made if isinstance(made, Failure) else (made,)
        if not self.last:
            return tuple(values)
        if values:
            scope.note(op.node, None, None, site.count, 1, OK, now, now)
            return tuple(values)
        scope.note(op.node, None, None, site.count, 1, FAILED, now, now)
        failure = site.failure(None, [nothing_to_reduce(op.name)])
        scope.fail(failure)
        return failure


@record
class MergeKeys(Work):
    """Combines the tables of a keyed operation, in order."""

    light: ClassVar[bool] = False

    keyed: KeyedPlan
    last: bool
    """True for the one that gives the pairs of the whole table."""

    @property
    def partial(self) -> bool:
        """True if its value is not the whole table yet."""
        return not self.last

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        tables = inputs[: self.reads]
        for outcome in tables:
            if isinstance(outcome.missing, Failure):  # told where it happened, as in a Merge
                return Outcome(None, outcome.missing, self.stage)
        if (skip := self.blocked(inputs)) is not None:
            if self.last:
                scope.skip(self.keyed.node, None)
            return Outcome(None, skip, self.stage)
        now = scope.now()
        with ExitStack() as stack:
            combiner = Combiner(scope, stack, self.keyed, count=0)
            # A table of its own: what another task gave may be read again.
            made = combiner.joined({}, (outcome.glance() for outcome in tables))
        if isinstance(made, Failure):
            return Outcome(None, made, self.stage)
        if not self.last:
            return Outcome(made, stage=self.stage)
        scope.note(self.keyed.node, None, None, 1, 1, OK, now, scope.now())
        with no_collections():
            pairs = list(made.items())
        return Outcome(Listing(pairs), stage=self.stage)
