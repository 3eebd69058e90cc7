"""The tasks of a plan while it is made, and what they take along.

A draft is a piece of `flowgraph.runtime.work` and the numbers of the drafts it
waits for.  Keys are given at the end, when it is known how many there are.
"""

from __future__ import annotations

import os
import pickle
from functools import cached_property
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import cloudpickle

from flowgraph.compiler import shipping
from flowgraph.compiler.keys import keys_of
from flowgraph.compiler.nodes import names_of, stage_names_of
from flowgraph.compiler.plan import Job, Target
from flowgraph.compiler.shipping import Cargo
from flowgraph.runtime.code import Code, Parcel
from flowgraph.runtime.code import Stage as StageEntry
from flowgraph.runtime.place import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from flowgraph.compiler.nodes import NodeInfo
    from flowgraph.declare.stage import Stage
    from flowgraph.declare.steps import Call, Each
    from flowgraph.runtime.work import Work

__all__ = ["Drafts", "Found", "Lowered", "Read", "code_of", "new_token", "parcel_of"]

T = TypeVar("T")


Read = int | tuple[int, int]
"""The number of a task; with a place, if it is the value of one of several calls in it."""


class Found(NamedTuple):
    """Where a target's value is, before the keys are given."""

    node: str
    reads: tuple[Read, ...]
    are_parts: bool
    """True for the partitions of a collection."""


class Lowered(NamedTuple):
    """What `lower` makes of a graph."""

    token: str
    jobs: tuple[Job, ...]
    targets: tuple[Target, ...]
    code: Code
    cargo: tuple[Cargo, ...]


class _Draft(NamedTuple):
    prefix: str
    work: Work
    inputs: tuple[int, ...]
    annotations: Mapping[str, Any]
    held: bool


class Drafts:
    """Collects tasks, the stages that they call, and the data they take along.

    Parameters
    ----------
    nodes : sequence of NodeInfo
        The nodes of the graph before it was fused.
    """

    def __init__(self, nodes: Sequence[NodeInfo]) -> None:
        self._nodes = nodes
        self._first = nodes[0].name if nodes else ""
        self._drafts: list[_Draft] = []
        self._stages: dict[int, int] = {}
        self._table: list[Stage[..., Any]] = []
        self._cargo: list[Cargo] = []

    def add(  # noqa: PLR0913  the parts of a task
        self,
        node: str,
        prefix: str,
        kind: type[Work],
        reads: Sequence[Read],
        *,
        after: Sequence[Read] = (),
        before: Sequence[Read] = (),
        annotations: Mapping[str, Any] = MappingProxyType({}),
        held: bool = False,
        **fields: Any,
    ) -> int:
        """Add a task; gives its number.

        Parameters
        ----------
        node : str
            The node that it works and reports for.
        prefix : str
            What Dask's dashboard shows.
        kind : type
            The class of its work.
        reads, after, before : sequence of int
            Tasks whose values it reads, that must have ended well, and that
            must have ended.
        annotations : mapping
            What Dask's scheduler is told of it.
        held : bool
            True if a cluster is to keep its value to the end of the run.
        **fields
            What else the class takes.
        """
        number = len(self._drafts)
        place = self.number(node)
        given = (*reads, *after, *before)
        inputs: tuple[int, ...] = given  # type: ignore[assignment]  # if all are
        if tuple in set(map(type, given)):
            inputs = tuple(dict.fromkeys(map(_number, given)))
            order = {number: k for k, number in enumerate(inputs)}
            fields["picks"] = tuple([(order[_number(read)], _place(read)) for read in given])
        work = kind(
            task=number,
            node=place,
            name=node,
            stage=self._stage_names[place] or node,
            reads=len(reads),
            after=len(after),
            **fields,
        )
        self._drafts.append(_Draft(prefix, work, inputs, annotations, held))
        return number

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        return {name: k for k, name in enumerate(names_of(self._nodes))}

    @cached_property
    def _stage_names(self) -> Sequence[str | None]:
        return stage_names_of(self._nodes)

    def number(self, node: str) -> int:
        """The number of a node, as records name it."""
        # Mostly the first one is asked for: that of a graph that is all one task.
        return 0 if node == self._first else self._numbers[node]

    def numbers(self, nodes: Sequence[str]) -> Sequence[int]:
        """The numbers of nodes in the order of the graph."""
        if len(nodes) == len(self._nodes):
            return range(len(nodes))
        return [self._numbers[node] for node in nodes]

    def places(self, calls: Iterable[Call]) -> Iterator[Place]:
        """Where single calls are noted."""
        return (Place(self.number(call.name), call.name, call.stage.name) for call in calls)

    def stage(self, stage: Stage[..., Any]) -> int:
        """Number of a stage in the table that every worker gets."""
        number = self._stages.get(id(stage))
        if number is None:
            number = self._stages[id(stage)] = len(self._table)
            self._table.append(stage)
        return number

    def parcel(
        self,
        value: T,
        *told: tuple[str, Any],
        calls: Sequence[Call | Each] = (),
        plain: bool = False,
    ) -> Parcel[T]:
        """A value on its way to a worker.

        Parameters
        ----------
        value : object
            What the worker gets.
        *told : (str, object)
            The user's objects in it, each after its owner, who is named if it
            cannot travel.
        calls : sequence of Call or Each
            Whose arguments are in it, too.
        plain : bool
            True if there is nothing in it that only we know how to pickle.
        """
        parcel = parcel_of(value, plain=plain)
        self.carry(Cargo(parcel, told, calls))
        return parcel

    def carry(self, cargo: Cargo) -> None:
        """Note something of the user's that tasks take along."""
        self._cargo.append(cargo)

    def finish(self, targets: Sequence[Found]) -> Lowered:
        """Give keys, and the table of stages."""
        token = new_token()
        keys = keys_of([draft.prefix for draft in self._drafts], token)
        code = code_of(self._table)
        for read in chain.from_iterable([found.reads for found in targets]):
            work = self._drafts[_number(read)].work
            work.seals = True  # type: ignore[misc]  # nobody else has it yet
        jobs = [Job(key, *draft[1:]) for key, draft in zip(keys, self._drafts, strict=True)]
        found = tuple(
            [
                Target(
                    target.node,
                    tuple([keys[_number(read)] for read in target.reads]),
                    "items" if target.are_parts else "value",
                    _place(target.reads[0]),
                )
                for target in targets
            ]
        )
        return Lowered(token, tuple(jobs), found, code, tuple(self._cargo))


def code_of(stages: Sequence[Stage[..., Any]]) -> Code:
    """What every worker gets of the stages, in the order in which calls number them."""
    table = [
        StageEntry(
            stage.name,
            stage.function,
            stage.retry,
            stage.timeout,
            stage.sequential,
            stage.deadline,
            stage.is_coroutine,
        )
        for stage in stages
    ]
    return Code(tuple(table), shipping.dumps, cloudpickle.dumps)


def parcel_of(value: T, *, plain: bool) -> Parcel[T]:
    """A value on its way; ``plain`` says that there is nothing in it that only we can pickle."""
    return Parcel(value, pickle.dumps if plain else shipping.dumps)


def new_token() -> str:
    """What tells the keys of a plan from others: no word to Dask, which cuts it off in displays."""
    number = int.from_bytes(os.urandom(5), "little")
    return f"{number % 10}{number // 10 & 0xFFFFFFFF:08x}"


def _number(read: Read) -> int:
    return read if isinstance(read, int) else read[0]


def _place(read: Read) -> int | None:
    return None if isinstance(read, int) else read[1]
