"""What would run: the Dask graph, and what the driver must know to read its results."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from dask.task_spec import Task, TaskRef

from flowgraph.compiler.dag import stages_of
from flowgraph.declare.steps import Call, Each, Fold, Source
from flowgraph.runtime.work import value_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dask.task_spec import GraphNode

    from flowgraph.compiler.dag import Dag
    from flowgraph.compiler.shipping import Cargo
    from flowgraph.runtime.code import Control

__all__ = ["Job", "Key", "NodeInfo", "Plan", "Target", "node_table"]

Key = tuple[str, str]
"""Names a Dask task: stage and run, then a running number."""


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """A node of the graph, as the report shows it."""

    name: str
    stage: str | None
    """Name of its stage; None for a node that owes no calls, such as a collect."""
    owed: int | None
    """Calls owed; None if that is only known at run time."""


def node_table(dag: Dag) -> tuple[NodeInfo, ...]:
    """The nodes of a graph that is not fused yet, with the calls they owe."""
    lengths: dict[str, int | None] = {}
    table = []
    for step in dag.steps:
        owed: int | None = 0
        if isinstance(step, Source):
            lengths[step.name] = None if step.items is None else len(step.items)
        elif isinstance(step, Each):
            owed = lengths[step.needs[0]]
            lengths[step.name] = owed if step.op in ("map", "starmap") else None
        elif isinstance(step, (Call, Fold)):
            owed = 1
        stages = stages_of(step)
        table.append(NodeInfo(step.name, stages[0].name if stages else None, owed))
    return tuple(table)


@dataclass(frozen=True, slots=True)
class Job:
    """A task of the plan, as the report shows it."""

    key: Key
    node: int
    """Number of the node whose value it makes."""
    needs: tuple[int, ...]
    """Numbers of the tasks it waits for."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the value of a target is found."""

    node: str
    keys: tuple[Key, ...]
    kind: Literal["value", "items"]
    """One value, or partitions to put together."""


@dataclass(frozen=True)
class Plan:
    """A compiled graph; `flowgraph.Graph.compile` makes it.

    Attributes
    ----------
    name : str
        Name of the graph.
    tasks : dict
        The Dask tasks, each giving an outcome.
    targets : tuple of Target
        Where the wanted values are found.
    """

    name: str
    token: str
    """What the keys of this plan end in: no two plans share a key."""
    workers: int
    tasks: Mapping[Key, Task]
    jobs: tuple[Job, ...]
    """In the order in which they could run; their number is their place."""
    nodes: tuple[NodeInfo, ...]
    targets: tuple[Target, ...]
    control: Control
    cargo: tuple[Cargo, ...]
    """Everything of the user's that the tasks take along."""
    story: tuple[tuple[str, str], ...]
    """What each pass did: its name, and a few words."""

    @cached_property
    def dask(self) -> dict[Key, GraphNode]:
        """The Dask graph, a mapping that any Dask scheduler's ``get`` takes with `keys`.

        It gives the targets' plain values and raises the error of one that
        failed, as Dask users expect.
        """
        graph = dict(self.tasks)
        for key, target in zip(self.keys, self.targets, strict=True):
            refs = [TaskRef(part) for part in target.keys]
            graph[key] = Task(key, value_of, target.node, target.kind == "items", *refs)
        return graph

    @cached_property
    def keys(self) -> list[Key]:
        """Keys of the targets' values in `dask`, in order."""
        return [(f"value-{self.token}", str(k)) for k in range(len(self.targets))]

    @cached_property
    def last(self) -> frozenset[Key]:
        """Keys of the tasks that no other task reads."""
        read = {need for job in self.jobs for need in job.needs}
        return frozenset(job.key for number, job in enumerate(self.jobs) if number not in read)

    def explain(self) -> str:
        """What the compiler did, pass by pass, and why."""
        width = max(len(name) for name, _ in self.story)
        lines = [f"plan of graph '{self.name}' for {self.workers} workers"]
        for name, said in self.story:
            first, *rest = said.splitlines() or [""]
            lines.append(f"  {name:<{width}}  {first}")
            lines.extend(f"  {'':<{width}}  {line}" for line in rest)
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Plan of '{self.name}': {len(self.tasks)} tasks, {len(self.targets)} targets>"
