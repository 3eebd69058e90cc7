"""The record of what was declared on a graph: names, steps, and their handles."""

from __future__ import annotations

import functools
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from flowgraph.declare.arguments import holds_node
from flowgraph.declare.items import Items
from flowgraph.declare.node import Node
from flowgraph.declare.stage import Stage
from flowgraph.errors import GraphError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flowgraph.declare.graph import Declarations
    from flowgraph.declare.node import Handle
    from flowgraph.declare.steps import Step

__all__ = ["Register"]

P = ParamSpec("P")
R = TypeVar("R")


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
        self._stages: dict[int, tuple[object, Stage[..., Any]]] = {}

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

    def stage_of(self, function: Callable[P, R]) -> Stage[P, R]:
        """The stage that a callable is; the same one whenever this graph meets it.

        Raises
        ------
        GraphError
            If it cannot be a stage.
        """
        if isinstance(function, Stage):
            return function
        known = self._stages.get(id(function))
        # What has this id may be another object by now, if the graph was pickled.
        if known is None or known[0] is not function:
            if isinstance(function, functools.partial) and holds_node(
                (function.args, function.keywords)
            ):
                raise GraphError.hidden_node("functools.partial")
            known = self._stages[id(function)] = (function, Stage.of(function))
        return cast("Stage[P, R]", known[1])

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
        if default not in self._steps:
            return default
        count = self._counts.get(default, 1) + 1
        while (made := f"{default}-{count}") in self._steps:
            count += 1
        self._counts[default] = count
        return made

    def add_node(self, step: Step) -> Node[Any]:
        """Add a step with one value."""
        node: Node[Any] = Node(cast("Declarations", self), step.name)
        self._steps[step.name] = step
        self._nodes[step.name] = node
        return node

    def add_items(self, step: Step) -> Items[Any]:
        """Add a step with items."""
        items: Items[Any] = Items(cast("Declarations", self), step.name)
        self._steps[step.name] = step
        self._nodes[step.name] = items
        return items
