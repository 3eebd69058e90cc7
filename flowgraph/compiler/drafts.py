"""The tasks of a plan while it is made, and what they take along.

A draft is a piece of `flowgraph.runtime.work` and the numbers of the drafts it
waits for.  Keys are given at the end, when it is known how many there are.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cloudpickle
from dask.task_spec import Task, TaskRef

from flowgraph.compiler import shipping
from flowgraph.compiler.keys import first_readers, keys_of
from flowgraph.compiler.plan import Job, Target
from flowgraph.compiler.shipping import Cargo
from flowgraph.runtime import work
from flowgraph.runtime.code import Code, Control, Parcel
from flowgraph.runtime.code import Stage as StageEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowgraph.compiler.plan import Key, NodeInfo
    from flowgraph.declare.stage import Stage

__all__ = ["Drafts", "Found", "Lowered"]


@dataclass(frozen=True, slots=True)
class Found:
    """Where a target's value is, before the keys are given."""

    node: str
    numbers: tuple[int, ...]
    are_parts: bool
    """True for the partitions of a collection."""


@dataclass(frozen=True, slots=True)
class Lowered:
    """What `lower` makes of a graph."""

    token: str
    tasks: dict[Key, Task]
    jobs: tuple[Job, ...]
    targets: tuple[Target, ...]
    control: Control
    cargo: tuple[Cargo, ...]


@dataclass(slots=True)
class _Draft:
    prefix: str
    work: work.Work
    inputs: tuple[int, ...]


class Drafts:
    """Collects tasks, the stages that they call, and the data they take along.

    Parameters
    ----------
    nodes : tuple of NodeInfo
        The nodes of the graph before it was fused.
    """

    def __init__(self, nodes: tuple[NodeInfo, ...]) -> None:
        self._nodes = nodes
        self._numbers = {node.name: number for number, node in enumerate(nodes)}
        self._drafts: list[_Draft] = []
        self._stages: dict[int, int] = {}
        self._table: list[StageEntry] = []
        self._cargo: list[Cargo] = []

    def add(  # noqa: PLR0913  the parts of a task
        self,
        node: str,
        name: str,
        prefix: str,
        kind: type[work.Work],
        reads: Sequence[int],
        *,
        after: Sequence[int] = (),
        before: Sequence[int] = (),
        **fields: Any,
    ) -> int:
        """Add a task; gives its number.

        Parameters
        ----------
        node : str
            The node that it reports for.
        name : str
            The step whose value it makes.
        prefix : str
            What Dask's dashboard shows.
        kind : type
            The class of its work.
        reads, after, before : sequence of int
            Tasks whose values it reads, that must have ended well, and that
            must have ended.
        **fields
            What else the class takes.
        """
        number = len(self._drafts)
        place = self._numbers[node]
        made = kind(
            task=number,
            node=place,
            name=name,
            stage=self._nodes[place].stage or name,
            reads=len(reads),
            after=len(after),
            **fields,
        )
        self._drafts.append(_Draft(prefix, made, (*reads, *after, *before)))
        return number

    def number(self, node: str) -> int:
        """The number of a node, as records name it."""
        return self._numbers[node]

    def stage(self, stage: Stage[..., Any]) -> int:
        """Number of a stage in the table that every worker gets."""
        number = self._stages.get(id(stage))
        if number is None:
            number = self._stages[id(stage)] = len(self._table)
            entry = StageEntry(
                stage.name, stage.function, stage.retry, stage.timeout, stage.sequential
            )
            self._table.append(entry)
        return number

    def parcel(self, value: Any, what: str, *contents: Any) -> Parcel[Any]:
        """A value of the user's on its way to a worker; ``what`` names it if it cannot travel."""
        parcel = Parcel(value, shipping.dumps)
        self._cargo.append(Cargo(parcel, what, contents or (value,)))
        return parcel

    def finish(self, targets: Sequence[Found]) -> Lowered:
        """Give keys, and make the tasks."""
        token = f"{secrets.randbelow(10)}{secrets.token_hex(4)}"
        keys = keys_of([draft.prefix for draft in self._drafts], token)
        control = Control(Code(tuple(self._table), shipping.dumps, cloudpickle.dumps))
        sent = {number for found in targets for number in found.numbers}
        readers = first_readers([draft.inputs for draft in self._drafts])
        tasks, jobs = {}, []
        for number, (key, draft) in enumerate(zip(keys, self._drafts, strict=True)):
            carry = tuple(k for k, n in enumerate(draft.inputs) if readers[n] == number)
            made = replace(draft.work, carry=carry, seals=number in sent)
            refs = [TaskRef(keys[n]) for n in draft.inputs]
            tasks[key] = Task(key, work.perform, control, made, *refs)
            jobs.append(Job(key, draft.work.node, draft.inputs))
        found = tuple(
            Target(
                target.node,
                tuple(keys[n] for n in target.numbers),
                "items" if target.are_parts else "value",
            )
            for target in targets
        )
        return Lowered(token, tasks, tuple(jobs), found, control, tuple(self._cargo))
