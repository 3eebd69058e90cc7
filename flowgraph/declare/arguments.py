"""Freezing the arguments of a call: constants are copied, nodes become slots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowgraph.declare.node import Handle
from flowgraph.errors import GraphError
from flowgraph.runtime.call import Nest, Slot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Freezer"]

_PLAIN = frozenset({str, int, float, bool, bytes, type(None), complex})


class Freezer:
    """Makes templates of arguments, and lists the nodes in them.

    Parameters
    ----------
    graph : object
        The graph that all nodes must be of.
    needs : sequence of str
        Steps that are needed anyway; no slot is looked up among them.
    """

    def __init__(self, graph: Any, needs: Sequence[str] = ()) -> None:
        self._graph = graph
        self._needs = list(needs)
        self._slots: dict[str, Slot] = {}

    @property
    def needs(self) -> tuple[str, ...]:
        """The steps that slots stand for, in their order."""
        return tuple(self._needs)

    def args(self, args: Sequence[Any]) -> tuple[Any, ...]:
        """Templates of positional arguments."""
        return tuple([self.template(arg) for arg in args])

    def kwargs(self, kwargs: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
        """Templates of keyword arguments."""
        return tuple([(name, self.template(arg)) for name, arg in kwargs.items()])

    def template(self, value: Any) -> Any:
        """The template of one argument.

        Raises
        ------
        GraphError
            If a node is of another graph, or inside something that is not a
            list, tuple or dict.
        """
        if isinstance(value, Handle):
            return self._slot(value)
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is list or kind is tuple:
            return self._sequence(kind, value)
        if kind is dict:
            return self._dict(value)
        if isinstance(value, tuple) and hasattr(value, "_make"):
            template = self._sequence(tuple, value)
            if isinstance(template, Nest):
                return Nest(kind._make, template.items)
            return value
        if isinstance(value, (list, tuple, dict, set, frozenset)):
            inside = (*value, *value.values()) if isinstance(value, dict) else value
            if any(isinstance(item, Handle) for item in inside):
                raise GraphError.hidden_node(kind.__name__)
        return value

    def _slot(self, handle: Handle) -> Slot:
        if handle.graph is not self._graph:
            raise GraphError.foreign_node(handle.name, handle.graph.name, self._graph.name)
        slot = self._slots.get(handle.name)
        if slot is None:
            slot = self._slots[handle.name] = Slot(len(self._needs))
            self._needs.append(handle.name)
        return slot

    def _sequence(self, kind: type, value: Sequence[Any]) -> Any:
        if set(map(type, value)) <= _PLAIN:
            return kind(value)
        items = [self.template(item) for item in value]
        if any(type(item) is Slot or type(item) is Nest for item in items):
            return Nest(kind, tuple(items))
        return items if kind is list else kind(items)

    def _dict(self, value: dict[Any, Any]) -> Any:
        if any(isinstance(key, Handle) for key in value):
            raise GraphError.hidden_node("dict's keys")
        items = [self.template(item) for item in value.values()]
        if any(type(item) is Slot or type(item) is Nest for item in items):
            return Nest(dict, tuple(items), tuple(value))
        return dict(zip(value, items, strict=True))
