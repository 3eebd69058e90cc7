"""The nodes of a graph as the driver and the report know them."""

from __future__ import annotations

from collections.abc import Sequence
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
    from collections.abc import Iterator

    from flowgraph.compiler.dag import Dag
    from flowgraph.declare.steps import Step

__all__ = ["CallNodes", "NodeInfo", "names_of", "node_table"]


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


_new: Final = tuple.__new__
"""Makes a named tuple in half of the time."""
_name: Final = attrgetter("name")
_needs: Final = attrgetter("needs")


class CallNodes(Sequence[NodeInfo]):
    """The nodes of single calls, column by column: there may be a hundred thousand.

    Most runs are over before anybody asks for one, and it keeps no step with its arguments.

    Parameters
    ----------
    calls : sequence of Call
        A node each.

    Examples
    --------
    >>> from flowgraph.declare.stage import Stage
    >>> from flowgraph.declare.steps import plain_call
    >>> nodes = CallNodes([plain_call("a", (), Stage(abs), (3,))])
    >>> len(nodes), nodes[0]
    (1, NodeInfo(name='a', stage='abs', owed=1, kind='task', needs=()))
    """

    __slots__ = ("_kinds", "_stages", "names", "needs")

    def __init__(self, calls: Sequence[Call]) -> None:
        self.names: Sequence[str] = list(map(_name, calls))
        self.needs: Sequence[tuple[str, ...]] = list(map(_needs, calls))
        self._stages = [call.stage.name for call in calls]
        conditional = [k for k, call in enumerate(calls) if call.condition is not MISSING]
        self._kinds = dict.fromkeys(conditional, "when")

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, number: int) -> NodeInfo: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[NodeInfo]: ...
    def __getitem__(self, number: int | slice) -> NodeInfo | Sequence[NodeInfo]:
        if isinstance(number, slice):
            return tuple(self)[number]
        kind = self._kinds.get(number % len(self.names), "task") if self._kinds else "task"
        return NodeInfo(self.names[number], self._stages[number], 1, kind, self.needs[number])

    def __iter__(self) -> Iterator[NodeInfo]:
        kinds = (self._kinds.get(k, "task") for k in range(len(self)))
        columns = zip(self.names, self._stages, repeat(1), kinds, self.needs, strict=False)
        return map(_new, repeat(NodeInfo), columns)


def names_of(nodes: Sequence[NodeInfo]) -> Sequence[str]:
    """Their names, in order."""
    return nodes.names if isinstance(nodes, CallNodes) else [node.name for node in nodes]


def node_table(dag: Dag) -> Sequence[NodeInfo]:
    """The nodes of a graph that is not fused yet, with the calls they owe."""
    if dag.has_only_calls:
        return CallNodes(dag.steps)  # type: ignore[arg-type]  # it has no others
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
