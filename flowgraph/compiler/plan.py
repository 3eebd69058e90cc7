"""What would run: the Dask graph, and what the driver must know to read its results."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from dask.task_spec import Task, TaskRef

from flowgraph.runtime.calm import no_collections
from flowgraph.runtime.code import Control
from flowgraph.runtime.results import pick
from flowgraph.runtime.work import perform, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dask.task_spec import GraphNode

    from flowgraph.compiler.nodes import NodeInfo
    from flowgraph.compiler.shipping import Cargo
    from flowgraph.runtime.code import Code
    from flowgraph.runtime.outcome import Outcome
    from flowgraph.runtime.work import Work

__all__ = ["Job", "Key", "Plan", "Target"]

Key = tuple[str, str]
"""Names a Dask task: stage and run, then a running number."""


_FEW: Final = 500
"""Tasks for which nobody holds the collector."""


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
    nodes: Sequence[NodeInfo]
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
        with no_collections() if len(self.jobs) > _FEW else nullcontext():
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
