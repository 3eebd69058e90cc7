"""The task that takes a partition through a chain of stages."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from flowgraph.runtime.abreast import SLOTS
from flowgraph.runtime.attempt import Site
from flowgraph.runtime.bind import bind, bind_one
from flowgraph.runtime.call import fill
from flowgraph.runtime.coroutines import AsyncLink, Waiting
from flowgraph.runtime.failure import Failure, Skip, twin
from flowgraph.runtime.flow import Flow
from flowgraph.runtime.free import Numbers, Pairs
from flowgraph.runtime.gait import gait_of, keep_gait
from flowgraph.runtime.keyed import Combiner, Keying
from flowgraph.runtime.link import Link
from flowgraph.runtime.lookout import Stretch
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.pace import FREELY, Beat, Pace
from flowgraph.runtime.partition import Partition
from flowgraph.runtime.positions import at
from flowgraph.runtime.record import record
from flowgraph.runtime.report import FAILED
from flowgraph.runtime.scope import SystemClock
from flowgraph.runtime.sink import Counting, Folding, Keeping, folder
from flowgraph.runtime.watch import entered
from flowgraph.runtime.work import Work

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flowgraph.runtime.bind import Operation
    from flowgraph.runtime.code import Parcel, Stage
    from flowgraph.runtime.free import Free
    from flowgraph.runtime.heads import Head
    from flowgraph.runtime.keyed import KeyedPlan
    from flowgraph.runtime.scope import Scope
    from flowgraph.runtime.sink import Sink

__all__ = ["FREE", "ChainPart", "LinkPlan"]

FREE: int = -1
"""Number of the stage of a link that calls none."""


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """One stage of a chain, as the plan says it."""

    stage: int
    """Its number in the table of stages; FREE if it calls none."""
    node: int
    """Number of its node."""
    name: str
    """Name of its node."""
    operation: Operation | Literal["enumerate", "product"]
    args: tuple[Any, ...] = ()
    """Templates of the further arguments."""
    kwargs: tuple[tuple[str, Any], ...] = ()
    """Templates of the keyword arguments."""


@record
class ChainPart(Work):
    """Takes one partition through a chain of stages."""

    light: ClassVar[bool] = False

    links: Parcel[tuple[LinkPlan, ...]]
    end: Literal["list", "count"] | LinkPlan | KeyedPlan
    """What comes of the items: they are kept, counted, or combined by a stage."""
    head: Head
    """Makes the partition of the first inputs."""
    in_order: bool = False
    slots: int = SLOTS
    """Attempts at once of a coroutine stage."""
    beat: Beat = FREELY
    """When attempts may start, and whether batches are apart."""

    @property
    def partial(self) -> bool:
        """True if the items are combined: more will be done with the result."""
        return not isinstance(self.end, str)

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        links = self.links.open()
        before = inputs[self.reads + self.after :]
        if (skip := self.blocked(inputs)) is not None:
            outcome = self._skipped(scope, links, skip, inputs)
            outcome.paced = self.beat.last(None, before, busy=False)
            return outcome
        partition = self.head.partition(inputs[: self.head.reads])
        if not links and self.end == "list":
            return Outcome(partition.whole(), stage=self.stage)
        values = [outcome.value for outcome in inputs[self.head.reads : self.reads]]
        pace = self.beat.pace(before)
        with ExitStack() as stack:
            ready = _Ready(scope, stack, values, self.slots, pace)
            sink = self._sink(ready)
            result = self._through(ready, [ready.link(plan) for plan in links], partition, sink)
        outcome = Outcome(None, result) if isinstance(result, Failure) else Outcome(result)
        outcome.stage = self.stage
        outcome.paced = self.beat.last(pace, before, busy=bool(partition.values))
        return outcome

    def _through(
        self,
        ready: _Ready,
        links: Sequence[Link | AsyncLink | Free],
        partition: Partition,
        sink: Sink,
    ) -> Any | Failure:
        """What comes of a partition's items at the end of all segments."""
        *first, last = list(_segments(links)) or [[]]
        for number, segment in enumerate(first):
            kept = Keeping()
            self._segment(ready, number, segment, partition, kept)
            partition = kept.result()
        self._segment(ready, len(first), last, partition, sink)
        return sink.result()

    def _segment(
        self,
        ready: _Ready,
        number: int,
        links: Sequence[Any],
        partition: Partition,
        sink: Sink,
    ) -> None:
        if links and isinstance(links[0], AsyncLink):
            Waiting(ready.scope, links, sink).run(partition)
            return
        flow = Flow(ready.scope, links, sink, in_order=self.in_order)
        segment = ready.scope.control.run, self.node, number
        if (gait := gait_of(segment)) is not None:
            flow.begin_with(gait)
        flow.run(partition)
        keep_gait(segment, flow.gait)

    def lost(
        self, scope: Scope, error: BaseException, worker: str, inputs: Sequence[Outcome]
    ) -> Outcome:
        """The outcome if it could not be done: each item failed at the first stage."""
        partition = self._arrived(inputs)
        failures = [] if partition is None else self._failures(partition, error, worker)
        if partition is None or not failures:
            return Work.lost(self, scope, error, worker, inputs)
        first, *later = self.owes
        total, now = len(partition.values), scope.now()
        begin, end = failures[0].index, failures[-1].index
        scope.note(first.node, begin, end, len(failures), 1, FAILED, now, now)
        scope.failures.extend(failures)
        scope.skip(first.node, None, total - len(failures))
        for place in later:
            scope.skip(place.node, None, total)
        return Outcome(self._without(partition, failures), stage=self.stage)

    def _arrived(self, inputs: Sequence[Outcome]) -> Partition | None:
        """The partition, if it is here and can be read."""
        given = inputs[: self.head.reads]
        if len(given) < self.head.reads or any(o.missing is not None for o in given):
            return None
        try:
            return self.head.partition(given)
        except Exception:
            return None

    def _failures(self, partition: Partition, error: BaseException, worker: str) -> list[Failure]:
        """One for each item that had not failed before; none if no stage is to blame."""
        if not self.owes:
            return []
        stage, node = self.owes[0].stage, self.owes[0].name
        return [
            Failure(stage, node, at(partition.where, k), 1, worker, (twin(error),))
            for k, value in enumerate(partition.values)
            if type(value) is not Failure
        ]

    def _without(self, partition: Partition, failures: Sequence[Failure]) -> Any:
        """The value when all items have failed, these besides those that had before."""
        if self.end == "count":
            return 0
        if self.end != "list":
            return ()
        left = iter(failures)
        values = [v if type(v) is Failure else next(left) for v in partition.values]
        return Partition(values, partition.where, failed=True)

    def _sink(self, ready: _Ready) -> Sink:
        if self.end == "list":
            return Keeping()
        if self.end == "count":
            return Counting()
        # Only the last merge of a reduction counts as its call.
        if isinstance(self.end, LinkPlan):
            return Folding(ready.folder(self.end))
        return Keying(Combiner(ready.scope, ready.stack, self.end, count=0))

    def _skipped(
        self, scope: Scope, links: Sequence[LinkPlan], skip: Skip, inputs: Sequence[Outcome]
    ) -> Outcome:
        length = self.head.length(inputs[: self.head.reads])
        for plan in links:
            if plan.stage != FREE:
                scope.skip(plan.node, None, length)
        for given in inputs[: self.head.reads]:
            # A slice of what its own node failed to make: told where it happened.
            if isinstance(given.missing, Failure) and given.missing.node == self.name:
                return Outcome(None, given.missing, self.stage)
        return Outcome(None, Skip.after(skip, length), self.stage)


@dataclass(frozen=True, slots=True)
class _Ready:
    """What makes links of their plans, in the task that calls them."""

    scope: Scope
    stack: ExitStack
    values: Sequence[Any]
    """What the slots of further arguments stand for."""
    slots: int
    pace: Pace | None

    def link(self, plan: LinkPlan) -> Link | AsyncLink | Free:
        """One stage of the chain."""
        args = [fill(arg, self.values) for arg in plan.args]
        if plan.operation == "enumerate":
            return Numbers()
        if plan.operation == "product":
            return Pairs(args[0])
        kwargs = {name: fill(arg, self.values) for name, arg in plan.kwargs}
        stage = self._stage(plan)
        site = Site(stage, plan.node, plan.name, pace=self.pace)
        if stage.is_coroutine:
            call = bind_one(plan.operation, stage.function, args, kwargs)
            return AsyncLink(site, plan.operation, call, self.slots)
        filler = bind(plan.operation, stage.function, args, kwargs)
        scope = self.scope
        watch = entered(self.stack, stage, scope)
        stretch = Stretch() if scope.clock is SystemClock else None
        return Link(site, plan.operation, filler, scope.now, watch, stretch)

    def folder(self, plan: LinkPlan) -> Any:
        """What combines values by a stage."""
        stage = self._stage(plan)
        site = Site(stage, plan.node, plan.name, count=0, pace=self.pace)
        return folder(self.scope, site, entered(self.stack, stage, self.scope))

    def _stage(self, plan: LinkPlan) -> Stage:
        return self.scope.control.code.stages()[plan.stage]


def _segments(links: Sequence[Link | AsyncLink | Free]) -> Iterator[list[Any]]:
    """Links in a row that go together: coroutine stages up to a flat_map, or all others."""
    for _, run in groupby(links, lambda link: isinstance(link, AsyncLink)):
        segment: list[Any] = []
        for link in run:
            segment.append(link)
            if isinstance(link, AsyncLink) and link.operation == "flat_map":
                yield segment
                segment = []
        if segment:
            yield segment
