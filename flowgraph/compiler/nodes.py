"""The nodes of a graph as the driver and the report know them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple, overload

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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flowgraph.compiler.dag import Dag
    from flowgraph.declare.steps import Step

__all__ = ["CallNodes", "NodeInfo", "names_of", "node_table", "stage_names_of"]


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


Columns = tuple[Sequence[str], Sequence[tuple[str, ...]], Mapping[int, str]]
"""Of each node its name, what it reads, and, by its number, its kind if it is no task."""

_new: Final = tuple.__new__
"""Makes a named tuple in half of the time."""
_name: Final = attrgetter("name")
_needs: Final = attrgetter("needs")


class CallNodes(Sequence[NodeInfo]):
    """The nodes of single calls, column by column: there may be a hundred thousand.

    Most runs are over before anybody asks for one.

    Parameters
    ----------
    stages : sequence of str
        The names of their stages.
    tell : callable
        Gives their names, what they read, and the kinds of those that are no tasks, by number;
        called when somebody asks.

    Examples
    --------
    >>> nodes = CallNodes(["abs"], lambda: (["a"], [()], {}))
    >>> len(nodes), nodes[0]
    (1, NodeInfo(name='a', stage='abs', owed=1, kind='task', needs=()))
    """

    __slots__ = ("_stages", "_tell", "_told")

    def __init__(self, stages: Sequence[str], tell: Callable[[], Columns]) -> None:
        self._stages = stages
        self._tell: Callable[[], Columns] | None = tell
        self._told: Columns | None = None

    @property
    def _columns(self) -> Columns:
        tell = self._tell
        if tell is not None:  # whoever else asks in this moment is told the same
            self._told = tell()
            self._tell = None  # it may keep more than it tells
        assert self._told is not None
        return self._told

    @property
    def names(self) -> Sequence[str]:
        """Their names, in order."""
        return self._columns[0]

    @property
    def stages(self) -> Sequence[str]:
        """The names of their stages, in order."""
        return self._stages

    def __len__(self) -> int:
        return len(self._stages)

    @overload
    def __getitem__(self, number: int) -> NodeInfo: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[NodeInfo]: ...
    def __getitem__(self, number: int | slice) -> NodeInfo | Sequence[NodeInfo]:
        if isinstance(number, slice):
            return tuple(self)[number]
        names, needs, kinds = self._columns
        kind = kinds.get(number % len(names), "task") if kinds else "task"
        return NodeInfo(names[number], self._stages[number], 1, kind, needs[number])

    def __iter__(self) -> Iterator[NodeInfo]:
        names, needs, others = self._columns
        kinds = (others.get(k, "task") for k in range(len(self)))
        columns = zip(names, self._stages, repeat(1), kinds, needs, strict=False)
        return map(_new, repeat(NodeInfo), columns)


def _table_of(calls: Sequence[Call]) -> CallNodes:
    """The nodes of steps that are single calls; keeps none of them, with its arguments."""
    conditional = [k for k, call in enumerate(calls) if call.condition is not MISSING]
    columns: Columns = (
        list(map(_name, calls)),
        list(map(_needs, calls)),
        dict.fromkeys(conditional, "when"),
    )
    return CallNodes([call.stage.name for call in calls], lambda: columns)


def names_of(nodes: Sequence[NodeInfo]) -> Sequence[str]:
    """Their names, in order."""
    return nodes.names if isinstance(nodes, CallNodes) else [node.name for node in nodes]


def stage_names_of(nodes: Sequence[NodeInfo]) -> Sequence[str | None]:
    """The names of their stages, in order."""
    return nodes.stages if isinstance(nodes, CallNodes) else [node.stage for node in nodes]


def node_table(dag: Dag) -> Sequence[NodeInfo]:
    """The nodes of a graph that is not fused yet, with the calls they owe."""
    if dag.has_only_calls:
        return _table_of(dag.steps)  # type: ignore[arg-type]  # it has no others
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
