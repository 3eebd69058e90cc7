"""The record of what was declared on a graph: names, steps, and their handles."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from flowgraph.declare.items import Items
from flowgraph.declare.log import Log
from flowgraph.declare.names import Names
from flowgraph.declare.node import Node
from flowgraph.declare.stages import Stages
from flowgraph.errors import GraphError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flowgraph.declare.node import Handle
    from flowgraph.declare.steps import Step

__all__ = ["Register"]


class Register(Stages):
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
        super().__init__()
        if not isinstance(name, str) or not name:
            raise GraphError.bad_option("Graph name", name, "a text that is not empty")
        self.name = name
        self._nodes: dict[str, Handle] = {}
        self._steps: dict[str, Step] = {}
        self._names = Names(self._nodes)
        self._replaced = False
        self.log = Log(self._nodes, self._steps, self._names)

    @property
    def nodes(self) -> Mapping[str, Handle]:
        """The nodes declared so far under their names, in the order of their declaration."""
        self.log.settle()
        return MappingProxyType(self._nodes)

    @property
    def steps(self) -> Mapping[str, Step]:
        """What was declared so far, under the nodes' names."""
        self.log.make_steps()
        return MappingProxyType(self._steps)

    @property
    def calls(self) -> Sequence[Node[Any]] | None:
        """All nodes, if each is a call that is kept as it was declared; else None."""
        only_calls = len(self._nodes) == self.log.settled and not self._replaced
        return self.log.calls if only_calls else None

    def __getitem__(self, name: str) -> Handle:
        nodes = self.nodes
        try:
            return nodes[name]
        except (KeyError, TypeError):
            raise GraphError.no_such_node(name, self.name, tuple(nodes)) from None

    def __contains__(self, name: object) -> bool:
        return name in self.nodes

    def __iter__(self) -> Iterator[str]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __bool__(self) -> bool:
        return True  # also without nodes

    def __repr__(self) -> str:
        nodes = "1 node" if len(self) == 1 else f"{len(self)} nodes"
        return f"<{type(self).__name__} '{self.name}' of {nodes}>"

    # For the other modules of this package

    def new_name(self, name: str | None, default: str) -> str:
        """A name for a new node: the given one, or a default made unique.

        Raises
        ------
        GraphError
            If the given name is taken, or not a name.
        """
        self.log.settle()
        return self._names.unique(default) if name is None else self._given_name(name)

    def _given_name(self, name: str) -> str:
        if not isinstance(name, str) or not name:
            raise GraphError.bad_option("name", name, "a text that is not empty")
        if name in self._nodes:
            raise GraphError.name_taken(name, self.name)
        return name

    def add_node(self, step: Step) -> Node[Any]:
        """Add a step with one value."""
        node: Node[Any] = Node(self, step.name)  # type: ignore[arg-type]  # it is a graph
        self._enter(step, node)
        return node

    def add_items(self, step: Step) -> Items[Any]:
        """Add a step with items."""
        items: Items[Any] = Items(self, step.name)  # type: ignore[arg-type]  # as above
        self._enter(step, items)
        return items

    def _enter(self, step: Step, handle: Handle) -> None:
        self.log.make_steps()  # they come first
        self._steps[step.name] = step
        self._nodes[step.name] = handle

    def replace_step(self, step: Step) -> None:
        """Put another step in the place of the one with its name."""
        self.log.make_steps()
        self._replaced = True
        self._steps[step.name] = step
