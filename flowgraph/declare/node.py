"""Handles on the steps of a graph: what users pass around while they declare."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar

from flowgraph.errors import GraphError

if TYPE_CHECKING:
    from flowgraph.declare.graph import Declarations
    from flowgraph.declare.register import Register
    from flowgraph.declare.stage import Stage
    from flowgraph.declare.steps import Step

__all__ = ["Collection", "Handle", "Node", "handles_of", "names_of"]

T_co = TypeVar("T_co", covariant=True)


class Handle:
    """A step of a graph: a promise of a value, not the value.

    Attributes
    ----------
    graph : Graph
        The graph it belongs to.
    """

    __slots__ = ("_name", "graph")

    graph: Declarations

    def __init__(self, graph: Declarations, name: str) -> None:
        self.graph = graph
        self._name = name

    @property
    def name(self) -> str:
        """Its name there."""
        return self._name

    @property
    def step(self) -> Step:
        """What was declared."""
        return self.graph.steps[self.name]

    def annotate(self, **annotations: Any) -> Self:
        """Tell Dask's scheduler something of the tasks of this node; gives the node back.

        Local schedulers ignore annotations.

        Parameters
        ----------
        **annotations
            As for `dask.annotate`: ``priority``, ``resources``, ``workers``,
            ``allow_other_workers`` and names of your own.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("train")
        >>> g.task(len, "abc").annotate(priority=10)
        <Node 'len' of graph 'train'>
        """
        known = {**dict(self.step.annotations), **annotations}
        self.graph.replace_step(replace(self.step, annotations=tuple(known.items())))
        return self

    # The methods below are there to say what to use instead of what seems natural.

    def __bool__(self) -> NoReturn:  # noqa: PLE0304
        self._no_value("be asked whether it is true", "run the graph and look at run.value")

    def __iter__(self) -> NoReturn:
        self._no_value("be iterated", self._instead_of_iter())

    def __len__(self) -> NoReturn:  # noqa: PLE0303
        self._no_value("have a length", self._instead_of_len())

    def __contains__(self, item: object) -> NoReturn:
        self._no_value("be searched", "search in a stage: g.task(operator.contains, node, item)")

    def __getitem__(self, key: object) -> NoReturn:
        self._no_value("be indexed", "index in a stage: g.task(operator.getitem, node, key)")

    def _no_value(self, what: str, instead: str) -> NoReturn:
        known = f"{type(self).__name__} '{self.name}' has no value before the graph runs"
        raise TypeError(f"{known}, so it cannot {what}; {instead}.")

    def _instead_of_iter(self) -> str:
        return "g.items(node) makes a collection of what it gives"

    def _instead_of_len(self) -> str:
        return "use g.task(len, node)"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} '{self.name}' of graph '{self.graph.name}'>"


class Node(Handle, Generic[T_co]):
    """A node with one value: what a task, a reduction or a parameter gives.

    Of most calls nothing else is kept: the node is what was declared.  A graph may have a
    hundred thousand of these.  So its name is made when somebody asks for it, and its step
    when it is needed; see `flowgraph.declare.log.Log`.

    Attributes
    ----------
    number : int
        Its place among the calls that are kept so; -1 for other nodes, which have nothing of
        what follows.
    stage : Stage
        What is called.
    args, kwargs : tuple
        Templates of the arguments, as in a `flowgraph.declare.steps.Call`.
    needs : tuple of int
        The numbers of the calls that slots stand for.  Numbers, as Python's collector
        need not look at a tuple of those, again and again.
    """

    __slots__ = ("args", "kwargs", "needs", "number", "stage")

    number: int
    stage: Stage[..., Any]
    args: tuple[Any, ...]
    kwargs: tuple[tuple[str, Any], ...]
    needs: tuple[int, ...]

    def __init__(self, graph: Declarations, name: str) -> None:
        super().__init__(graph, name)
        self.number = -1

    @property
    def name(self) -> str:
        """Its name in its graph."""
        return self._name or self.graph.log.name_of(self)


class Collection(Handle):
    """A step with items."""

    __slots__ = ()

    def _instead_of_iter(self) -> str:
        return "use .collect() for a list, .map(fn) to work on each item"

    def _instead_of_len(self) -> str:
        return "use .count()"


def handles_of(graph: Register, handles: Any) -> tuple[Handle, ...]:
    """One or several handles of a graph, checked; repeats stay.

    Raises
    ------
    GraphError
        If something else is among them, or a handle of another graph.
    """
    single = isinstance(handles, Handle | str | bytes) or not isinstance(handles, Iterable)
    listed = (handles,) if single else tuple(handles)
    for handle in listed:
        if not isinstance(handle, Handle):
            raise GraphError.not_a_node(handle)
        if handle.graph is not graph:
            raise GraphError.foreign_node(handle.name, handle.graph.name, graph.name)
    return listed


def names_of(graph: Register, handles: Any) -> tuple[str, ...]:
    """Names of one or several handles of a graph; see `handles_of`."""
    return tuple([handle.name for handle in handles_of(graph, handles)])
