"""The record of what was declared on a graph: names, steps, and their handles."""

from __future__ import annotations

import functools
from types import MappingProxyType, MethodType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast

from flowgraph.declare.arguments import holds_node
from flowgraph.declare.function import is_lambda
from flowgraph.declare.items import Items
from flowgraph.declare.node import Node
from flowgraph.declare.stage import Stage
from flowgraph.declare.steps import plain_call
from flowgraph.errors import GraphError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flowgraph.declare.node import Handle
    from flowgraph.declare.steps import Step

__all__ = ["Register"]

P = ParamSpec("P")
R = TypeVar("R")

Names = tuple[str, ...]
Known = tuple[object, Stage[..., Any], int, float]
"""A function, the stage that it always is, and how many positional arguments surely fit.

Plain tuples: a graph of very many calls takes these apart as often.
"""

_new: Final = object.__new__


class Register:
    """The nodes of a graph under their names, in the order of their declaration.

    Parameters
    ----------
    name : str
        Name of the graph.

    Raises
    ------
    GraphError
        If the name is empty, or not text.
    """

    def __init__(self, name: str = "graph") -> None:
        if not isinstance(name, str) or not name:
            raise GraphError.bad_option("Graph name", name, "a text that is not empty")
        self.name = name
        self._nodes: dict[str, Handle] = {}
        self._steps: dict[str, Step] = {}
        self._counts: dict[str, int] = {}
        self._stages: dict[tuple[int, str], tuple[object, Stage[..., Any]]] = {}
        self._known: dict[int, Known] = {}
        self._methods: dict[tuple[int, int], Stage[..., Any]] = {}

    @property
    def nodes(self) -> Mapping[str, Handle]:
        """The nodes under their names, in the order of their declaration."""
        return MappingProxyType(self._nodes)

    @property
    def steps(self) -> Mapping[str, Step]:
        """What was declared, under the nodes' names."""
        return MappingProxyType(self._steps)

    def __getitem__(self, name: str) -> Handle:
        try:
            return self._nodes[name]
        except (KeyError, TypeError):
            raise GraphError.no_such_node(name, self.name, tuple(self._nodes)) from None

    def __contains__(self, name: object) -> bool:
        return name in self._nodes

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def __bool__(self) -> bool:
        return True  # also without nodes

    def __repr__(self) -> str:
        nodes = "1 node" if len(self) == 1 else f"{len(self)} nodes"
        return f"<{type(self).__name__} '{self.name}' of {nodes}>"

    # For the other modules of this package

    def stage_of(self, function: Callable[P, R], name: str | None = None) -> Stage[P, R]:
        """The stage that a callable is; the same one whenever this graph meets it.

        Parameters
        ----------
        function : callable
            A stage or any function.
        name : str, optional
            The name that its node was given.  A lambda's stage takes it, having
            none of its own: else all lambdas would share a row of the table.

        Raises
        ------
        GraphError
            If it cannot be a stage.
        """
        quick = self._known.get(id(function))
        # What has this id may be another object by now, if the graph was pickled.
        if quick is not None and quick[0] is function:
            return quick[1]  # type: ignore[return-value]  # it was made of this function
        if isinstance(function, Stage):
            stage: Stage[P, R] = self._method(function)
            if stage is function and not isinstance(stage.function, MethodType):
                self._known[id(function)] = function, stage, *stage.positional
            return stage
        given = name if isinstance(name, str) and is_lambda(function) else ""
        known = self._stages.get((id(function), given))
        if known is None or known[0] is not function:
            if isinstance(function, functools.partial) and holds_node(
                (function.args, function.keywords)
            ):
                raise GraphError.hidden_node("functools.partial")
            stage = Stage.of(function)
            known = (function, stage.options(name=given) if given else stage)
            self._stages[id(function), given] = known
            if not is_lambda(function):
                self._known[id(function)] = *known, *known[1].positional
        return cast("Stage[P, R]", known[1])

    def plain_stage_of(
        self, function: Callable[P, R], role: str, name: str | None = None
    ) -> Stage[P, R]:
        """As `stage_of`, for a function that is called within a block of calls.

        Raises
        ------
        GraphError
            If it cannot be a stage, or is a coroutine function.
        """
        stage = self.stage_of(function, name)
        if stage.is_coroutine:
            raise GraphError.coroutine_as(stage.name, role)
        return stage

    def _method(self, stage: Stage[P, R]) -> Stage[P, R]:
        """The stage itself; of one method of one object, of which each look makes a new stage, one.

        A limit, such as one call at a time, belongs to the stage object.
        """
        method = stage.function
        if not isinstance(method, MethodType):
            return stage
        known: Stage[Any, Any] = self._methods.setdefault(
            (id(method.__self__), id(method.__func__)), stage
        )
        same = known.function == method and known.has_options_of(stage)
        return known if same else stage

    def callable_of(self, stage: Stage[..., Any]) -> Callable[..., Any]:
        """What a stage was given as: itself, or the plain function that became it here."""
        found = (function for function, made in self._stages.values() if made is stage)
        return cast("Callable[..., Any]", next(found, stage))

    def new_name(self, name: str | None, default: str) -> str:
        """A name for a new node: the given one, or a default made unique.

        Raises
        ------
        GraphError
            If the given name is taken, or not a name.
        """
        if name is not None:
            return self._given_name(name)
        steps, counts = self._steps, self._counts
        count = counts.get(default)
        if count is None:
            if default not in steps:
                return default
            count = 1
        count += 1
        while (made := f"{default}-{count}") in steps:
            count += 1
        counts[default] = count
        return made

    def _given_name(self, name: str) -> str:
        if not isinstance(name, str) or not name:
            raise GraphError.bad_option("name", name, "a text that is not empty")
        if name in self._steps:
            raise GraphError.name_taken(name, self.name)
        return name

    def add_node(self, step: Step) -> Node[Any]:
        """Add a step with one value."""
        name = step.name
        node: Node[Any] = Node(self, name)  # type: ignore[arg-type]  # it is a graph
        self._steps[name] = step
        self._nodes[name] = node
        return node

    def add_call(
        self, name: str | None, stage: Stage[..., Any], args: tuple[Any, ...], needs: Names
    ) -> Node[Any]:
        """Add a call of nothing but a stage; as `new_name` and `add_node`, at half their price."""
        default, steps, counts = stage.name, self._steps, self._counts
        count = counts.get(default) if name is None else None
        if count is None or (made := f"{default}-{count + 1}") in steps:
            made = self.new_name(name, default)
        else:
            counts[default] = count + 1
        node: Node[Any] = _new(Node)
        node.graph, node.name = self, made  # type: ignore[assignment]  # it is a graph
        steps[made] = plain_call(made, needs, stage, args)
        self._nodes[made] = node
        return node

    def add_items(self, step: Step) -> Items[Any]:
        """Add a step with items."""
        items: Items[Any] = Items(self, step.name)  # type: ignore[arg-type]  # as above
        self._steps[step.name] = step
        self._nodes[step.name] = items
        return items

    def replace_step(self, step: Step) -> None:
        """Put another step in the place of the one with its name."""
        self._steps[step.name] = step
