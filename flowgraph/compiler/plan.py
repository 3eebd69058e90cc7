"""What would run: the Dask graph, and what the driver must know to read its results."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from dask.task_spec import Task, TaskRef

from flowgraph.compiler.steps import Constant, stages_of
from flowgraph.declare.steps import (
    MISSING,
    Call,
    Collection,
    Concat,
    Each,
    Fold,
    Keyed,
    Number,
    Source,
    Take,
    Zip,
    kind_of,
)
from flowgraph.runtime.calm import no_collections
from flowgraph.runtime.code import Control
from flowgraph.runtime.results import pick
from flowgraph.runtime.work import perform, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dask.task_spec import GraphNode

    from flowgraph.compiler.dag import Dag
    from flowgraph.compiler.shipping import Cargo
    from flowgraph.declare.steps import Step
    from flowgraph.runtime.code import Code
    from flowgraph.runtime.outcome import Outcome
    from flowgraph.runtime.work import Work

__all__ = ["Job", "Key", "NodeInfo", "Plan", "Target", "node_table"]

Key = tuple[str, str]
"""Names a Dask task: stage and run, then a running number."""


class NodeInfo(NamedTuple):
    """A node of the graph, as the report shows it."""

    name: str
    stage: str | None
    """Name of its stage; None for a node that owes no calls, such as a collect."""
    owed: int | None
    """Calls owed; None if that is only known at run time."""
    kind: str = "task"
    """Mostly the name of the method that declared it."""
    needs: tuple[str, ...] = ()
    """The nodes that it reads."""


_FEW: Final = 500
"""Tasks for which nobody holds the collector."""

_new: Final = tuple.__new__
"""Makes a named tuple in half of the time."""
_CALLS: Final = frozenset({Call})
_name: Final = attrgetter("name")
_needs: Final = attrgetter("needs")


def node_table(dag: Dag) -> tuple[NodeInfo, ...]:
    """The nodes of a graph that is not fused yet, with the calls they owe."""
    if dag.kinds == _CALLS:
        return _calls(dag.steps)  # type: ignore[arg-type]  # it has no others
    lengths: dict[str, int | None] = {}
    table = []
    for step in dag.steps:
        owed: int | None = 0
        if isinstance(step, Call):
            owed = 1
        elif isinstance(step, Each):
            owed = lengths[step.needs[0]]
        elif isinstance(step, (Fold, Keyed)):
            owed = 1
        if isinstance(step, Collection):
            lengths[step.name] = _length(step, [lengths.get(need) for need in step.needs])
        stages = stages_of(step)
        kind = "param" if isinstance(step, Constant) else kind_of(step)
        stage = stages[0].name if stages else None
        table.append(NodeInfo(step.name, stage, owed, kind, step.needs))
    return tuple(table)


def _calls(calls: Sequence[Call]) -> tuple[NodeInfo, ...]:
    """The nodes of single calls, column by column: there may be a hundred thousand."""
    kinds = ["task" if call.condition is MISSING else "when" for call in calls]
    stages = [call.stage.name for call in calls]
    columns = zip(map(_name, calls), stages, repeat(1), kinds, map(_needs, calls), strict=False)
    return tuple(map(_new, repeat(NodeInfo), columns))


def _length(step: Step, of: Sequence[int | None]) -> int | None:
    """The number of a collection's items, if it is known; ``of`` are those of what it reads."""
    match step:
        case Source(items=items):
            return None if items is None else len(items)
        case Each(op="map" | "starmap" | "values") | Number() | Zip():
            return of[0]
        case Take(count=count):
            return None if of[0] is None else min(count, of[0])
        case Concat():
            return None if None in of else sum(length or 0 for length in of)
    # Batches have as many as there are, but of successes, which nobody knows.
    return None


class Job(NamedTuple):
    """A task of the plan."""

    key: Key
    work: Work
    """What it does, and for which node."""
    needs: tuple[int, ...]
    """Numbers of the tasks it waits for."""
    annotations: Mapping[str, Any]
    """What Dask's scheduler is told of it."""
    held: bool
    """True if a cluster is to keep its value to the end of the run."""


class Target(NamedTuple):
    """Where the value of a target is found."""

    node: str
    keys: tuple[Key, ...]
    kind: Literal["value", "items"]
    """One value, or partitions to put together."""
    place: int | None = None
    """Which of several values the task has; None if it has one."""

    def of(self, outcome: Outcome) -> Outcome:
        """The target's own outcome in that of its task."""
        return outcome if self.place is None else pick(outcome, self.place)


@dataclass(frozen=True)
class Plan:
    """A compiled graph; `flowgraph.Graph.compile` makes it.

    Attributes
    ----------
    name : str
        Name of the graph.
    jobs : tuple of Job
        Its tasks; `tasks` makes Dask tasks of them.
    targets : tuple of Target
        Where the wanted values are found.
    """

    name: str
    token: str
    """What the keys of this plan end in: no two plans share a key."""
    workers: int
    jobs: tuple[Job, ...]
    """In the order in which they could run; their number is their place."""
    nodes: tuple[NodeInfo, ...]
    targets: tuple[Target, ...]
    code: Code
    """The stages' functions, which every worker gets."""
    cargo: tuple[Cargo, ...]
    """Everything of the user's that the tasks take along."""
    story: Callable[[], Sequence[tuple[str, Callable[[], str]]]]
    """Gives what each pass did: its name, and what gives a few words when they are asked for."""

    def tasks(self, control: Control) -> dict[Key, Task]:
        """The Dask tasks of a run, each giving an outcome.

        Parameters
        ----------
        control : Control
            What they share, with the plan's `code`.
        """
        with no_collections() if len(self.jobs) > _FEW else nullcontext():
            refs = [TaskRef(job.key) for job in self.jobs]
            return {
                job.key: Task(job.key, perform, control, job.work, *[refs[n] for n in job.needs])
                for job in self.jobs
            }

    @cached_property
    def dask(self) -> dict[Key, GraphNode]:
        """The Dask graph, a mapping that any Dask scheduler's ``get`` takes with `keys`.

        It gives the targets' plain values and raises the error of one that
        failed, as Dask users expect.
        """
        graph: dict[Key, GraphNode] = dict(self.tasks(Control(self.code, run=self.token)))
        for key, target in zip(self.keys, self.targets, strict=True):
            refs = [TaskRef(part) for part in target.keys]
            graph[key] = Task(
                key, value_of, target.node, target.kind == "items", target.place, *refs
            )
        return graph

    @cached_property
    def keys(self) -> list[Key]:
        """Keys of the targets' values in `dask`, in order."""
        return [(f"value-{self.token}", str(k)) for k in range(len(self.targets))]

    def explain(self) -> str:
        """What the compiler did, pass by pass, and why."""
        story = self.story()
        width = max(len(name) for name, _ in story)
        lines = [f"plan of graph '{self.name}' for {self.workers} workers"]
        for name, say in story:
            first, *rest = say().splitlines() or [""]
            lines.append(f"  {name:<{width}}  {first}")
            lines.extend(f"  {'':<{width}}  {line}" for line in rest)
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Plan of '{self.name}': {len(self.jobs)} tasks, {len(self.targets)} targets>"
