"""The task that takes a partition through a chain of stages."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from flowgraph.runtime.attempt import Site
from flowgraph.runtime.call import fill
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.flow import Flow
from flowgraph.runtime.link import Link, bind
from flowgraph.runtime.outcome import Listing, Outcome, Partition
from flowgraph.runtime.sink import Counting, Folding, folder
from flowgraph.runtime.sink import Listing as Keeping
from flowgraph.runtime.watch import entered
from flowgraph.runtime.work import Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowgraph.runtime.code import Parcel, Stage
    from flowgraph.runtime.cuts import Cuts
    from flowgraph.runtime.link import Operation
    from flowgraph.runtime.scope import Scope
    from flowgraph.runtime.sink import Sink

__all__ = ["ChainPart", "LinkPlan", "slice_of"]


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """One stage of a chain, as the plan says it."""

    stage: int
    """Its number in the table of stages."""
    node: int
    """Number of its node."""
    name: str
    """Name of its node."""
    operation: Operation
    args: tuple[Any, ...] = ()
    """Templates of the further arguments."""
    kwargs: tuple[tuple[str, Any], ...] = ()
    """Templates of the keyword arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainPart(Work):
    """Takes one partition through a chain of stages."""

    light: ClassVar[bool] = False

    links: Parcel[tuple[LinkPlan, ...]]
    end: Literal["list", "count"] | LinkPlan
    """What comes of the items: they are kept, counted, or combined by a stage."""
    part: int
    cuts: Cuts
    in_order: bool = False
    source: Parcel[Partition] | None = None
    """The partition, if it was known before the run; else input 0 has it."""
    whole: bool = False
    """True if input 0 is the whole collection, of which this task takes its slice."""

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        stages = scope.control.code.stages()
        links = self.links.open()
        if (skip := self.blocked(inputs)) is not None:
            return self._skipped(scope, links, skip, inputs)
        partition = self._partition(inputs)
        first = 1 if self.source is None else 0
        values = [outcome.value for outcome in inputs[first : self.reads]]
        with ExitStack() as stack:
            ready = [self._link(scope, stages, plan, values, stack) for plan in links]
            sink = self._sink(scope, stages, stack)
            if ready or not isinstance(sink, Keeping):
                Flow(scope, ready, sink, in_order=self.in_order).run(partition)
            else:
                return Outcome(partition, stage=self.stage)
        result = sink.result()
        if isinstance(result, Failure):
            return Outcome(None, result, self.stage)
        return Outcome(result, stage=self.stage)

    def _partition(self, inputs: Sequence[Outcome]) -> Partition:
        if self.source is not None:
            return self.source.open()
        return slice_of(inputs[0].value, self.part, self.cuts)

    def _link(
        self,
        scope: Scope,
        stages: Sequence[Stage],
        plan: LinkPlan,
        values: Sequence[Any],
        stack: ExitStack,
    ) -> Link:
        stage = stages[plan.stage]
        args = [fill(arg, values) for arg in plan.args]
        kwargs = {name: fill(arg, values) for name, arg in plan.kwargs}
        call = bind(plan.operation, stage.function, args, kwargs)
        site = Site(stage, plan.node, plan.name)
        return Link(site, plan.operation, call, entered(stack, stage, scope.clock))

    def _sink(self, scope: Scope, stages: Sequence[Stage], stack: ExitStack) -> Sink:
        if self.end == "list":
            return Keeping()
        if self.end == "count":
            return Counting()
        stage = stages[self.end.stage]
        # Only the last merge of a reduction counts as its call.
        site = Site(stage, self.end.node, self.end.name, count=0)
        return Folding(folder(scope, site, entered(stack, stage, scope.clock)))

    def _skipped(
        self, scope: Scope, links: Sequence[LinkPlan], skip: Skip, inputs: Sequence[Outcome]
    ) -> Outcome:
        length = self._length(inputs)
        for plan in links:
            scope.skip(plan.node, None, length)
        return Outcome(None, Skip(skip.because, length), self.stage)

    def _length(self, inputs: Sequence[Outcome]) -> int:
        """Items that are skipped; of a collection of unknown length, one in all."""
        if self.source is not None:
            return len(self.source.open().values)
        missing = inputs[0].missing
        if missing is None:
            return len(slice_of(inputs[0].value, self.part, self.cuts).values)
        if self.whole:
            return int(self.part == 0)
        return missing.length if isinstance(missing, Skip) else 1


def slice_of(value: Partition | Listing, part: int, cuts: Cuts) -> Partition:
    """The partition itself, or its slice of the whole list."""
    if isinstance(value, Partition):
        return value
    begin, end = cuts.bounds(part, len(value.values))
    return Partition(value.values[begin:end], range(begin, end))
