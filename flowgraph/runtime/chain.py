"""The tasks that call stages: chains over a partition, single calls, merges of a reduction."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from flowgraph.runtime.attempt import Site, attempt
from flowgraph.runtime.call import fill
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.flow import Flow
from flowgraph.runtime.link import Link, bind
from flowgraph.runtime.outcome import Listing, Outcome, Partition
from flowgraph.runtime.scope import FAILED, OK
from flowgraph.runtime.sink import Counting, Folding, folder
from flowgraph.runtime.sink import Listing as Keeping
from flowgraph.runtime.watch import Watch
from flowgraph.runtime.work import Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowgraph.runtime.code import Parcel, Stage
    from flowgraph.runtime.cuts import Cuts
    from flowgraph.runtime.link import Operation
    from flowgraph.runtime.scope import Scope
    from flowgraph.runtime.sink import Sink

__all__ = ["Calls", "ChainPart", "LinkPlan", "Merge", "OneCall", "slice_of"]


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
        return Link(site, plan.operation, call, _watch(scope, stage, stack))

    def _sink(self, scope: Scope, stages: Sequence[Stage], stack: ExitStack) -> Sink:
        if self.end == "list":
            return Keeping()
        if self.end == "count":
            return Counting()
        stage = stages[self.end.stage]
        # Only the last merge of a reduction counts as its call.
        site = Site(stage, self.end.node, self.end.name, count=0)
        return Folding(folder(scope, site, _watch(scope, stage, stack)))

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


def _watch(scope: Scope, stage: Stage, stack: ExitStack) -> Watch | None:
    if stage.timeout is None:
        return None
    return stack.enter_context(Watch(stage.name, stage.timeout, scope.clock))


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
                made = folder(scope, site, _watch(scope, stage, stack))(values)
            return made if isinstance(made, Failure) else (made,)
        if not self.last:
            return tuple(values)
        if values:
            scope.note(op.node, None, None, site.count, 1, OK, now, now)
            return tuple(values)
        scope.note(op.node, None, None, site.count, 1, FAILED, now, now)
        error = ValueError("there is nothing to reduce, and no initial value was given")
        return site.failure(None, [error])
