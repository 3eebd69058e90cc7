"""The declaring half of a graph: nodes, names, defaults."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from flowgraph.declare.arguments import Freezer
from flowgraph.declare.items import Items
from flowgraph.declare.node import Handle, Node, names_of
from flowgraph.declare.stage import Stage
from flowgraph.declare.steps import MISSING, Call, Missing, Pack, Parameter, Source, Step
from flowgraph.errors import GraphError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Declarations"]

T = TypeVar("T")
R = TypeVar("R")


class Declarations:
    """What can be declared on a graph; `flowgraph.Graph` adds running it.

    Parameters
    ----------
    name : str
        Name of the graph.
    """

    def __init__(self, name: str = "graph") -> None:
        if not isinstance(name, str) or not name:
            raise GraphError.bad_option("Graph name", name, "a text that is not empty")
        self.name = name
        self._nodes: dict[str, Handle] = {}
        self._steps: dict[str, Step] = {}
        self._counts: dict[str, int] = {}
        self._outputs: tuple[str, ...] = ()

    @property
    def nodes(self) -> Mapping[str, Handle]:
        """The nodes under their names, in the order of their declaration."""
        return MappingProxyType(self._nodes)

    @property
    def steps(self) -> Mapping[str, Step]:
        """What was declared, under the nodes' names."""
        return MappingProxyType(self._steps)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the default targets; empty for all nodes that no other reads."""
        return self._outputs

    def __len__(self) -> int:
        return len(self._nodes)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<{type(self).__name__} '{self.name}' of {len(self)} nodes>"

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
            If the name is taken.
        """
        if type is not None and not callable(type):
            raise GraphError.bad_option(f"type of parameter {name!r}", type, "a callable")
        step = Parameter(name=self.new_name(name, "param"), default=default, type=type)
        return self.add_node(step)

    def task(
        self,
        fn: Callable[..., R],
        /,
        *args: Any,
        name: str | None = None,
        after: Handle | Iterable[Handle] = (),
        **kwargs: Any,
    ) -> Node[R]:
        """One call of a function, as a node.

        Parameters
        ----------
        fn : callable
            A stage or any function.
        *args, **kwargs
            Nodes, collections (which arrive as lists), containers of these, or
            constants as they are now.
        name : str, optional
            Name of the node; default the stage's, made unique.
        after : node or nodes
            What must have ended before; their values are not passed.

        Raises
        ------
        GraphError
            If the arguments do not fit the function, a node is of another
            graph, or the name is taken.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("sum")
        >>> a = g.task(int, "20")
        >>> g.run(g.task(max, a, 22)).value
        22
        """
        stage = Stage.of(fn)
        stage.check(args, kwargs)
        freezer = Freezer(self)
        frozen_args = freezer.args(args)
        frozen_kwargs = freezer.kwargs(kwargs) if kwargs else ()
        step = Call(
            name=self.new_name(name, stage.name),
            needs=freezer.needs,
            after=names_of(self, after) if after != () else (),
            stage=stage,
            args=frozen_args,
            kwargs=frozen_kwargs,
        )
        return self.add_node(step)

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
            If it cannot be iterated.
        """
        if isinstance(source, Items):
            names_of(self, source)
            return source
        if not isinstance(source, Node):
            values = _listed(source)
            if values is None:
                raise GraphError.not_iterable(source)
            if not any(issubclass(kind, Handle) for kind in _kinds(values)):
                return self.add_items(Source(name=self.new_name(name, "items"), items=values))
            source = self.pack(list(values), "pack")
        needs = names_of(self, source)
        return self.add_items(Source(name=self.new_name(name, "items"), needs=needs, items=None))

    def fork_join(
        self,
        branches: Mapping[Any, Any] | Sequence[Any],
        join: Callable[..., R] | None = None,
    ) -> Node[Any]:
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
            If there is no branch.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("two")
        >>> g.run(g.fork_join({"a": list, "b": (len, "abc")})).value
        {'a': [], 'b': 3}
        """
        if isinstance(branches, Mapping):
            if not branches:
                raise GraphError.no_branches()
            if join is not None and not all(isinstance(key, str) for key in branches):
                raise GraphError.keys_not_text(branches)
            named = {key: self._branch(str(key), branch) for key, branch in branches.items()}
            if join is None:
                return self.pack(named, "fork_join")
            return self._join(join, (), named)
        listed = [self._branch(None, branch) for branch in branches]
        if not listed:
            raise GraphError.no_branches()
        if join is None:
            return self.pack(listed, "fork_join")
        return self._join(join, tuple(listed), {})

    def _join(
        self, join: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Node[R]:
        # Not by `task`: a branch may be called "name" or "after".
        stage = Stage.of(join)
        stage.check(args, kwargs)
        freezer = Freezer(self)
        step = Call(
            name=self.new_name(None, stage.name),
            args=freezer.args(args),
            kwargs=freezer.kwargs(kwargs),
            needs=freezer.needs,
            stage=stage,
        )
        return self.add_node(step)

    def _branch(self, key: str | None, branch: Any) -> Any:
        """The node of a branch; a plain value is itself."""
        if isinstance(branch, Handle):
            names_of(self, branch)
            return branch
        if isinstance(branch, tuple) and branch and callable(branch[0]):
            fn, *args = branch
        elif callable(branch):
            fn, args = branch, []
        else:
            return branch
        return self.task(fn, *args, name=None if key is None else self.new_name(None, key))

    def output(self, *nodes: Handle) -> None:
        """Set what is computed when a run names no target.

        Raises
        ------
        GraphError
            If there is no node, or one is of another graph.
        """
        if not nodes:
            raise GraphError.no_output()
        self._outputs = names_of(self, nodes)

    # For the other modules of this package

    def new_name(self, name: str | None, default: str) -> str:
        """A name for a new node: the given one, or a default made unique.

        Raises
        ------
        GraphError
            If the given name is taken, or not a name.
        """
        if name is not None:
            if not isinstance(name, str) or not name:
                raise GraphError.bad_option("name", name, "a text that is not empty")
            if name in self._steps:
                raise GraphError.name_taken(name, self.name)
            return name
        made = default
        count = self._counts.get(default, 1)
        while made in self._steps:
            count += 1
            made = f"{default}-{count}"
        self._counts[default] = count
        return made

    def add_node(self, step: Step) -> Node[Any]:
        """Add a step with one value."""
        node: Node[Any] = Node(self, step.name)
        self._steps[step.name] = step
        self._nodes[step.name] = node
        return node

    def add_items(self, step: Step) -> Items[Any]:
        """Add a step with items."""
        items: Items[Any] = Items(self, step.name)
        self._steps[step.name] = step
        self._nodes[step.name] = items
        return items

    def pack(self, container: Any, default: str) -> Node[Any]:
        """Add a step that puts values into a container."""
        freezer = Freezer(self)
        template = freezer.template(container)
        step = Pack(name=self.new_name(None, default), needs=freezer.needs, template=template)
        return self.add_node(step)


def _listed(source: Any) -> Sequence[Any] | None:
    """The items of a concrete source as they are now; None if it has none."""
    if isinstance(source, (range, tuple)):
        return source
    if isinstance(source, (Handle, Missing)):
        return None
    try:
        return list(source)
    except TypeError:
        if isinstance(source, (Iterable, Iterator)):
            raise
        return None


def _kinds(values: Sequence[Any]) -> set[type]:
    return set() if isinstance(values, range) else set(map(type, values))
