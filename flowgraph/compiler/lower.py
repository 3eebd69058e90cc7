"""From steps to Dask tasks.

Each step becomes one or more tasks: a task is a piece of
`flowgraph.runtime.work` and the tasks it waits for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flowgraph.compiler import shipping
from flowgraph.compiler.chains import lower_chain
from flowgraph.compiler.drafts import Drafts, Lowered
from flowgraph.compiler.steps import (
    Chain,
    Combine,
    Constant,
    Gathered,
    Group,
    Region,
    Series,
    Whole,
    sharers,
)
from flowgraph.compiler.tasks import Tasks, prefix_of
from flowgraph.declare.arguments import is_plain
from flowgraph.declare.steps import (
    MISSING,
    Batch,
    Call,
    Collect,
    Collection,
    Number,
    Pack,
    Source,
    Step,
    Zip,
)
from flowgraph.runtime import light, region
from flowgraph.runtime.arrange import Arrange
from flowgraph.runtime.calling import OneCall
from flowgraph.runtime.calls import Calls
from flowgraph.runtime.code import Parcel
from flowgraph.runtime.pace import FREELY
from flowgraph.runtime.place import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flowgraph.compiler.dag import Dag
    from flowgraph.compiler.layout import Layout
    from flowgraph.compiler.plan import NodeInfo

__all__ = ["lower"]

_ORDERS: Final[Mapping[type[Step], str]] = {Number: "enumerate", Zip: "zip", Batch: "batch"}


def lower(dag: Dag, nodes: tuple[NodeInfo, ...], known: Mapping[str, Layout]) -> Lowered:
    """The Dask tasks of a compiled graph.

    Parameters
    ----------
    dag : Dag
        A graph that went through all passes.
    nodes : tuple of NodeInfo
        Its nodes before fusing; a record names one by its place here.
    known : mapping of str to Layout
        How each collection is cut.
    """
    tasks = Tasks(dag, Drafts(nodes), known)
    for step in dag.steps:
        _lower(tasks, step)
    return tasks.drafts.finish([tasks.target(name) for name in dag.targets])


def _lower(tasks: Tasks, step: Step) -> None:
    """Add the tasks of a step."""
    match step:
        case Constant():
            value = tasks.drafts.parcel(step.value, (f"parameter '{step.name}'", step.value))
            tasks.value(step, "param", light.Give, (), value=value)
        case Source(items=None):
            _lower_source(tasks, step)
        case Whole():
            _lower_whole(tasks, step)
        case Gathered() | Collect():
            _lower_collect(tasks, step)
        case Pack():
            reads = [tasks.of(need) for need in step.needs]
            owned = (f"node '{step.name}'", step.template)
            template = tasks.drafts.parcel(step.template, owned)
            tasks.value(step, "pack", light.Pack, reads, template=template)
        case Series():
            _lower_series(tasks, step)
        case Group():
            _lower_group(tasks, step)
        case Region():
            _lower_region(tasks, step)
        case Chain():
            lower_chain(tasks, step)
        case _ if isinstance(step, Collection):
            tasks.parts.arrange(step, tasks.add)  # no tasks: it is made in those that read it
        case _:
            raise TypeError(f"{type(step).__name__} cannot be lowered; fuse comes first")


def _lower_source(tasks: Tasks, step: Source) -> None:
    """The slices of a list that is known only at run time."""
    (need,) = step.needs
    before = tasks.step(need)
    if isinstance(before, Whole) or (isinstance(before, Chain) and isinstance(before.end, Combine)):
        tasks.parts.sliced(step.name, tasks.of(need))
    else:
        tasks.parts.sliced(step.name, tasks.add(step, "list", light.List, (tasks.of(need),)))


def _lower_whole(tasks: Tasks, step: Whole) -> None:
    of = [tasks.partitions(need) for need in step.needs]
    tasks.value(
        step,
        "arrange",
        Arrange,
        [number for numbers in of for number in numbers],
        order=_ORDERS[type(step.of)],
        parts=tuple(map(len, of)),
        size=step.of.size if isinstance(step.of, Batch) else 0,
    )


def _lower_collect(tasks: Tasks, step: Gathered | Collect) -> None:
    as_dict = isinstance(step, Collect) and step.as_dict
    tasks.value(
        step,
        "collect",
        light.Gather,
        tasks.partitions(step.needs[0]),
        with_errors=isinstance(step, Collect) and not as_dict,
        as_dict=as_dict,
    )


def _lower_series(tasks: Tasks, step: Series) -> None:
    places = {need: place for place, need in enumerate(step.needs)}
    calls = []
    for call in step.calls:
        calls.append(_one_call(tasks, call, tuple(places[need] for need in call.needs)))
        places[call.name] = len(places)
    owes = [Place(tasks.drafts.number(c.name), c.name, c.stage.name) for c in step.calls]
    tasks.value(
        step,
        prefix_of(step),
        Calls,
        [tasks.of(need) for need in step.needs],
        calls=tasks.drafts.parcel(
            tuple(map(tuple, calls)), calls=step.calls, plain=all(map(_is_plain, step.calls))
        ),
        beat=FREELY if step.lanes is None else tasks.queues.beat(step.lanes),
        owes=tuple(owes) if len(owes) > 1 else (),
    )
    if step.lanes is not None:
        tasks.end_batch(step, step.lanes)


def _lower_group(tasks: Tasks, step: Group) -> None:
    places = {need: place for place, need in enumerate(step.needs)}
    calls, owes, gives = [], [], []
    for series in step.members:
        for call in series.calls:
            calls.append(_one_call(tasks, call, tuple([places[need] for need in call.needs])))
            owes.append(Place(tasks.drafts.number(call.name), call.name, call.stage.name))
            places[call.name] = len(step.needs) + len(calls) - 1
        gives.append(len(calls) - 1)
    contents = [call for series in step.members for call in series.calls]
    number = tasks.add(
        step,
        prefix_of(step),
        Calls,
        [tasks.of(need) for need in step.needs],
        calls=tasks.drafts.parcel(tuple(map(tuple, calls)), calls=contents),
        owes=tuple(owes),
        gives=tuple(gives),
    )
    tasks.share(step.members, number)


_new: Final = tuple.__new__
"""Makes a named tuple in half of the time."""


def _lower_region(tasks: Tasks, step: Region) -> None:
    names = (*step.needs, *sharers(step))
    places = dict(zip(names, range(len(names)), strict=True))
    at, number_of = places.__getitem__, tasks.drafts.number
    stages = {id(call.stage): call.stage for call in step.calls}
    numbers = {key: tasks.drafts.stage(stage) for key, stage in stages.items()}
    # As `_one_call`, written out: there may be a hundred thousand.
    calls = tuple(
        [
            _new(
                OneCall,
                (
                    numbers[id(call.stage)],
                    number_of(call.name),
                    call.name,
                    call.args,
                    call.kwargs,
                    tuple([at(need) for need in call.needs]),
                    True if call.condition is MISSING else call.condition,
                    None if call.otherwise is None else tasks.drafts.stage(call.otherwise),
                ),
            )
            for call in step.calls
        ]
    )
    gives = tasks.read_outside(step)
    # Each call is pickled in its stint: here only what may not travel at all is tried.
    doubtful = [call for call in step.calls if not is_plain(call)]
    if doubtful:
        tasks.drafts.parcel([(call.args, call.kwargs) for call in doubtful], calls=doubtful)
    number = tasks.add(
        step,
        prefix_of(step),
        region.Region,
        [tasks.of(need) for need in step.needs],
        calls=Parcel(calls, shipping.dumps),
        gives=tuple([places[call.name] - len(step.needs) for call in gives]),
        stages={numbers[key]: stage.name for key, stage in stages.items()},
    )
    tasks.share(gives, number)


def _is_plain(call: Call) -> bool:
    return call.condition is MISSING and is_plain(call)


def _one_call(tasks: Tasks, call: Call, needs: tuple[int, ...]) -> OneCall:
    return OneCall(
        tasks.drafts.stage(call.stage),
        tasks.drafts.number(call.name),
        call.name,
        call.args,
        call.kwargs,
        needs,
        True if call.condition is MISSING else call.condition,
        None if call.otherwise is None else tasks.drafts.stage(call.otherwise),
    )
