"""From steps to Dask tasks.

Each step becomes one or more tasks: a task is a piece of
`flowgraph.runtime.work` and the tasks it waits for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flowgraph.compiler.calls import lower_group, lower_region, lower_series
from flowgraph.compiler.chains import lower_chain
from flowgraph.compiler.constants import own
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
)
from flowgraph.compiler.tasks import Tasks
from flowgraph.declare.steps import (
    Batch,
    Collect,
    Collection,
    Number,
    Pack,
    Source,
    Step,
    Zip,
)
from flowgraph.runtime import light
from flowgraph.runtime.arrange import Arrange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flowgraph.compiler.dag import Dag
    from flowgraph.compiler.layout import Layout
    from flowgraph.compiler.nodes import NodeInfo

__all__ = ["lower"]

_ORDERS: Final[Mapping[type[Step], str]] = {Number: "enumerate", Zip: "zip", Batch: "batch"}


def lower(dag: Dag, nodes: Sequence[NodeInfo], known: Mapping[str, Layout]) -> Lowered:
    """The Dask tasks of a compiled graph.

    Parameters
    ----------
    dag : Dag
        A graph that went through all passes.
    nodes : sequence of NodeInfo
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
        case Series():
            lower_series(tasks, step)
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
            template = tasks.drafts.parcel(own(step.template)[0], owned)
            tasks.value(step, "pack", light.Pack, reads, template=template)
        case Group():
            lower_group(tasks, step)
        case Region():
            lower_region(tasks, step)
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
        tasks.sliced(step.name, tasks.of(need))
    else:
        tasks.sliced(step.name, tasks.add(step, "list", light.List, (tasks.of(need),)))


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
