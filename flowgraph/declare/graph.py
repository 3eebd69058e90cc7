"""The declaring half of a graph: parameters, tasks, collections, forks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from flowgraph.declare import fork
from flowgraph.declare.arguments import Freezer
from flowgraph.declare.include import include
from flowgraph.declare.items import Items
from flowgraph.declare.node import Handle, Node, handles_of, names_of
from flowgraph.declare.steps import MISSING, Pack, Parameter, Source
from flowgraph.declare.tasks import Tasks
from flowgraph.errors import GraphError
from flowgraph.runtime.call import Nest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Branches = Mapping[Any, Any] | Sequence[Any]

__all__ = ["Declarations"]

T = TypeVar("T")
R = TypeVar("R")


class Declarations(Tasks):
    """What can be declared on a graph; `flowgraph.Graph` adds running it.

    Parameters
    ----------
    name : str
        Name of the graph.
    """

    def __init__(self, name: str = "graph") -> None:
        super().__init__(name)
        self._outputs: tuple[Handle, ...] = ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the default targets; empty for all nodes that no other reads."""
        return tuple([handle.name for handle in self._outputs])

    def param(
        self,
        name: str,
        default: Any = MISSING,
        type: Callable[[str], Any] | None = None,  # noqa: A002  the contract's name
    ) -> Node[Any]:
        """A value that is bound at run time, or by the command line.

        Parameters
        ----------
        name : str
            Name to bind it by.
        default : object, optional
            Its value when none is given; without it the parameter is required.
        type : callable, optional
            Makes a value of the command line's text.

        Raises
        ------
        GraphError
            If the name is taken, or the default is a node.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("greeting")
        >>> text = g.task("hello {}".format, g.param("whom", default="world"))
        >>> g.run(text).value
        'hello world'
        >>> g.run(text, params={"whom": "you"}).value
        'hello you'
        """
        if type is not None and not callable(type):
            raise GraphError.bad_option(f"type of parameter {name!r}", type, "a callable")
        freezer = Freezer(self)
        template = freezer.template(default)
        if freezer.needs:
            raise GraphError.default_is_node(str(name), freezer.needs[0])
        if name is None:  # elsewhere it asks for a name to be made
            raise GraphError.bad_option("name", name, "a text that is not empty")
        step = Parameter(name=self.new_name(name, ""), default=template, type=type)
        return self.add_node(step)

    @overload
    def items(self, source: Items[T], name: str | None = None) -> Items[T]: ...
    @overload
    def items(self, source: Node[Iterable[T]], name: str | None = None) -> Items[T]: ...
    @overload
    def items(self, source: Node[Any], name: str | None = None) -> Items[Any]: ...
    @overload
    def items(self, source: Iterable[T], name: str | None = None) -> Items[T]: ...
    def items(self, source: Any, name: str | None = None) -> Items[Any]:
        """A collection to work on item by item, in parallel.

        Parameters
        ----------
        source : iterable or node
            An iterable, which is copied or drawn now; or a node whose value is
            iterable at run time.
        name : str, optional
            Name of the node.

        Raises
        ------
        GraphError
            If it cannot be iterated, or the name is taken.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("lengths")
        >>> words = g.items(g.task(str.split, "to be or not"))
        >>> g.run(words.map(len)).value
        [2, 2, 2, 3]
        """
        if isinstance(source, Items):
            names_of(self, source)
            return source
        if isinstance(source, Node):
            needs = names_of(self, source)
            name = self.new_name(name, "items")
            return self.add_items(Source(name=name, needs=needs, items=None))
        freezer = Freezer(self)
        listed = _listed(source)
        values = freezer.template(listed)
        name = self.new_name(name, "items")
        if not isinstance(values, Nest):
            return self.add_items(Source(name=name, items=values))
        whole = self.new_name(None, f"{name}-list")
        pack = self.add_node(Pack(name=whole, needs=freezer.needs, template=values))
        return self.add_items(Source(name=name, needs=(pack.name,), items=None))

    def include(self, graph: Declarations, /, **params: Any) -> Node[Any]:
        """Another graph's output as a part of this one.

        Its nodes are named ``name/inner``.  What needs no node of this graph
        is a copy of that graph as it is now.

        Parameters
        ----------
        graph : Graph
            The other graph; its outputs, or else all nodes that no other reads.
        **params
            Values of its parameters: nodes of this graph, or plain values.
            Those left out take their defaults.

        Returns
        -------
        Node
            The value of its output, a collection as a list; of several outputs
            a tuple.

        Raises
        ------
        GraphError
            If a parameter is unknown, or a required one is left out.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> inner = Graph("twice")
        >>> inner.output(inner.task(lambda x: 2 * x, inner.param("x")))
        >>> g = Graph("outer")
        >>> g.run(g.task(abs, g.include(inner, x=g.task(int, "-4")))).value
        8
        """
        return include(self, graph, params)

    @overload
    def fork_join(self, branches: Branches, join: Callable[..., R]) -> Node[R]: ...
    @overload
    def fork_join(self, branches: Mapping[T, Any], join: None = None) -> Node[dict[T, Any]]: ...
    @overload
    def fork_join(self, branches: Sequence[Any], join: None = None) -> Node[list[Any]]: ...
    def fork_join(self, branches: Branches, join: Callable[..., Any] | None = None) -> Node[Any]:
        """Branches that run side by side, and a node that has all their results.

        Parameters
        ----------
        branches : dict or sequence
            A branch is a callable without arguments, a ``(fn, *args)`` tuple,
            a node, or a plain value.  In a dict, its key names its node.
        join : callable, optional
            Gets the results: ``join(**results)`` for a dict, else
            ``join(*results)``.  Without it the node's value is the dict or
            list of results.

        Raises
        ------
        GraphError
            If there is no branch, the results do not fit ``join``, or arguments
            do not fit a branch.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("two")
        >>> g.run(g.fork_join({"a": list, "b": (len, "abc")})).value
        {'a': [], 'b': 3}
        """
        return fork.fork_join(self, branches, join)

    def output(self, *nodes: Handle) -> None:
        """Set what is computed when a run names no target.

        Raises
        ------
        GraphError
            If there is no node, or one is of another graph.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("sums")
        >>> g.output(g.task(sum, [1, 2]), g.task(sum, [3, 4]))
        >>> g.task(sum, [5, 6])
        <Node 'sum-3' of graph 'sums'>
        >>> g.run().value
        (3, 7)
        """
        if not nodes:
            raise GraphError.no_output()
        self._outputs = handles_of(self, nodes)


def _listed(source: Any) -> Sequence[Any]:
    """The items of a concrete source as they are now."""
    if isinstance(source, range) or type(source) in {list, tuple}:
        return source  # type: ignore[no-any-return]
    if not isinstance(source, Iterable) and not hasattr(type(source), "__getitem__"):
        raise GraphError.not_iterable(source)
    try:
        iterator = iter(source)
    except TypeError:  # a class of its own that refuses, such as an array without dimensions
        raise GraphError.not_iterable(source) from None
    return list(iterator)
