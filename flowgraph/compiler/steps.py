"""The steps that passes put into the place of declared ones, and what all steps have in common."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from flowgraph.declare.steps import (
    Batch,
    Call,
    Concat,
    Count,
    Each,
    Fold,
    Keyed,
    Number,
    Pack,
    Product,
    Source,
    Step,
    Zip,
)
from flowgraph.runtime.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flowgraph.declare.stage import Stage
    from flowgraph.runtime.cuts import Batches, Cuts

__all__ = [
    "NO_ANNOTATIONS",
    "Chain",
    "Combine",
    "Constant",
    "Gathered",
    "Group",
    "Lanes",
    "Series",
    "Whole",
    "annotations_of",
    "callees",
    "members",
    "needs_of",
    "node_of",
    "reads_items",
    "stages_of",
]


@record
class Constant(Step):
    """A parameter with its value."""

    value: object


@record
class Gathered(Step):
    """A collection as one list without its failed items; ``needs[0]`` is the collection."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """Where the tasks of a limited stage run: in each lane one after the other."""

    name: str
    """Steps with the same name share their lanes."""
    count: int
    slots: int | None = None
    """Calls at once in all lanes together; None for one in each."""
    interval: float = 0.0
    """Seconds from the start of one attempt in a lane to that of the next."""
    pause: float | None = None
    """Seconds between the end of a batch and the start of the next."""

    def __str__(self) -> str:
        return self.name if self.count == 1 else f"{self.name} × {self.count}"


@record
class Combine(Step):
    """The table of a keyed operation on the collection ``needs[0]``, as a list of pairs."""

    of: Keyed


@record
class Whole(Step):
    """The items of a step that must see whole collections to put them in their places."""

    of: Number | Zip | Batch


@record
class Chain(Step):
    """Item-wise stages that run as one task per partition, and what comes of the items.

    ``needs[0]`` is the collection, the others are values that links read.
    """

    links: tuple[Each | Number | Product, ...]
    end: Fold | Count | Combine | None = None
    cuts: Cuts | Batches | None = None
    levels: tuple[int, ...] = ()
    """Partial results on each level of a reduction's tree, the partitions first."""
    lanes: Lanes | None = None


@record
class Series(Step):
    """Single calls that run as one task, one after the other; the last gives the value."""

    calls: tuple[Call, ...]
    lanes: Lanes | None = None


@record
class Group(Step):
    """Single calls, in series, that share one task; each has a value of its own."""

    members: tuple[Series, ...]
    lanes: Lanes | None = None


@record
class Region(Step):
    """Single calls that are one task to Dask, and are handed out as they become ready."""

    calls: tuple[Call, ...]


def needs_of(step: Step) -> tuple[str, ...]:
    """The steps whose values are read, also by a chain's reduction for its initial value."""
    if isinstance(step, Chain) and isinstance(step.end, Fold):
        return (*step.needs, *step.end.needs[1:])
    return step.needs


def reads_items(step: Step) -> tuple[str, ...]:
    """Those of its needs that a step reads as collections, not as values."""
    if isinstance(step, (Zip, Concat, Whole)):
        return step.needs
    if isinstance(step, (Call, Pack, Source, Series, Group, Region)):
        return ()
    return step.needs[:1]


def sharers(step: Step) -> tuple[str, ...]:
    """The names of several steps whose values one task has; empty if it has one value."""
    if isinstance(step, Group):
        return tuple([member.name for member in step.members])
    if isinstance(step, Region):
        return tuple([call.name for call in step.calls])
    return ()


def node_of(step: Step) -> str:
    """The declared node that a step of the compiler's works for."""
    if isinstance(step, Series):
        return step.name
    if isinstance(step, Chain) and step.end is not None:
        return node_of(step.end)
    if isinstance(step, (Combine, Whole)):
        return step.of.name
    if isinstance(step, Group):
        return step.members[0].name
    if isinstance(step, Region):
        return step.calls[0].name
    return step.needs[0] if isinstance(step, Gathered) else step.name


def stages_of(step: Step) -> tuple[Stage[..., Any], ...]:
    """The stages that a step calls, in order; the first one counts the calls it owes."""
    if type(step) is Call:  # most steps of a large graph are
        return (step.stage,)
    match step:
        case Series() | Region():
            return tuple([call.stage for call in step.calls])
        case Each() | Fold():
            return (step.stage,)
        case Keyed():
            named = (step.op, step.key) if step.op is not None else (step.key,)
            return named if step.value is None else (*named, step.value)
        case Combine():
            return stages_of(step.of)
        case Group():
            return tuple(stage for series in step.members for stage in stages_of(series))
        case Chain():
            return tuple(stage for member in members(step) for stage in stages_of(member))
    return ()


def callees(step: Step) -> tuple[Stage[..., Any], ...]:
    """The stages that a step may call, also those for a false condition."""
    calls = [call for call in members(step) if isinstance(call, Call)]
    others = [call.otherwise for call in calls if call.otherwise is not None]
    return (*stages_of(step), *others)


def members(step: Step) -> tuple[Step, ...]:
    """The steps that a fused step stands for."""
    if isinstance(step, (Series, Region)):
        return step.calls
    if isinstance(step, Group):
        return tuple(call for series in step.members for call in series.calls)
    if isinstance(step, Chain):
        return (*step.links, *(() if step.end is None else (step.end,)))
    return (step,)


NO_ANNOTATIONS: Final[Mapping[str, Any]] = MappingProxyType({})


def annotations_of(step: Step) -> Mapping[str, Any]:
    """What Dask's scheduler is told of a step's tasks: by its stage, then by its node."""
    first = members(step)[0]
    stages = stages_of(first)
    said = stages[0].placement if stages else NO_ANNOTATIONS
    if not (said or first.annotations or step.annotations):
        return NO_ANNOTATIONS
    return {**said, **dict(first.annotations), **dict(step.annotations)}
