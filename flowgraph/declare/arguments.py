"""Freezing the arguments of a call: constants are copied, nodes become slots."""

from __future__ import annotations

from dataclasses import is_dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from flowgraph.declare.inside import CONTAINERS, hiding, holds_node, worth_a_look
from flowgraph.declare.node import Handle, Node
from flowgraph.errors import GraphError
from flowgraph.runtime.call import PLAIN, InOrder, Nest, Slot, in_order, slots
from flowgraph.runtime.call import slot as slot_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flowgraph.declare.register import Register
    from flowgraph.declare.steps import Call, Each

__all__ = ["Freezer", "are_light", "frozen", "is_plain", "numbers_of"]

Templates = tuple[Any, ...]

_PLAIN_OR_SLOT: Final = PLAIN | {Slot}

_NODES: Final = frozenset({Node})
_OPEN: Final = object()
_ONE: Final = in_order(1)
_FEW: Final = 8
"""Arguments that it is quicker to look at one by one than together."""


class Freezer:
    """Makes templates of arguments, and lists the nodes in them.

    Lists, tuples and dicts are copied, however deep in one another; what is
    the same object twice stays so.  All other objects are shared.

    Parameters
    ----------
    graph : Register
        The graph that all nodes must be of.
    needs : sequence of Handle
        What is needed anyway; no slot is looked up among them.

    Examples
    --------
    >>> from flowgraph.declare.graph import Declarations
    >>> graph = Declarations("photos")
    >>> freezer = Freezer(graph)
    >>> freezer.template([graph.task(len, "abc"), 8]).items
    (Slot(position=0), 8)
    >>> freezer.needs
    ('len',)
    """

    __slots__ = ("_graph", "_needs", "_seen", "_slots")

    def __init__(self, graph: Register, needs: Sequence[Handle] = ()) -> None:
        self._graph = graph
        self._needs = list(needs)
        self._slots: dict[Handle, Slot] = {}
        # With the values themselves: else an id could come again for another one.
        self._seen: dict[int, tuple[Any, Any]] = {}

    @property
    def handles(self) -> tuple[Handle, ...]:
        """The nodes that slots stand for, in their order."""
        return tuple(self._needs)

    @property
    def needs(self) -> tuple[str, ...]:
        """Their names."""
        return tuple([handle.name for handle in self._needs])

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
            list, tuple or dict; if a container has itself inside.
        """
        if type(value) in PLAIN:
            return value
        if isinstance(value, Handle):
            return self._slot(value)
        if not isinstance(value, CONTAINERS):
            if is_dataclass(value) and holds_node(value):
                raise GraphError.hidden_node(type(value).__name__)
            return value
        seen = self._seen.get(id(value))
        if seen is None:
            self._seen[id(value)] = (value, _OPEN)
            try:
                seen = (value, self._container(value))
            except RecursionError:
                raise GraphError.deep_argument() from None
            self._seen[id(value)] = seen
        made = seen[1]
        if made is _OPEN:
            raise GraphError.endless_argument(type(value).__name__)
        return made

    def _slot(self, handle: Handle) -> Slot:
        if handle.graph is not self._graph:
            raise GraphError.foreign_node(handle.name, handle.graph.name, self._graph.name)
        slot = self._slots.get(handle)
        if slot is None:
            slot = self._slots[handle] = slot_at(len(self._needs))
            self._needs.append(handle)
        return slot

    def _container(self, value: Any) -> Any:
        kind = type(value)
        if kind is list or kind is tuple:
            return self._sequence(value, kind)
        if kind is dict:
            return self._dict(value)
        if issubclass(kind, tuple) and hasattr(kind, "_make"):
            return self._sequence(value, kind._make)
        if holds_node(value):
            raise GraphError.hidden_node(kind.__name__)
        return value

    def _sequence(self, value: Sequence[Any], build: Any) -> Any:
        if not worth_a_look(value):
            self._refuse_hidden(value)
            return value if isinstance(value, tuple) else list(value)
        if (nodes := self._new_slots(value)) is not None:
            return Nest(build, tuple(nodes))
        items = [self.template(item) for item in value]
        if _has_slots(items):
            return Nest(build, tuple(items))
        if isinstance(value, tuple) and all(map(_same, items, value)):
            return value
        return items if build is list else build(items)

    def _refuse_hidden(self, values: Iterable[Any]) -> None:
        """Refuse objects in which a node would not be found."""
        if (hidden := hiding(values)) is not None:
            raise GraphError.hidden_node(hidden)

    def _new_slots(self, value: Sequence[Any]) -> list[Slot] | None:
        """The slots of nodes, no two of them alike, that have none yet; None of anything else."""
        graph, known = self._graph, self._slots
        if not _NODES.issuperset(map(type, value)) or [n for n in value if n.graph is not graph]:
            return None
        if len(set(value)) < len(value) or not known.keys().isdisjoint(value):
            return None
        made = slots(len(self._needs), len(self._needs) + len(value))
        known.update(zip(value, made, strict=True))
        self._needs += value
        return made

    def _dict(self, value: dict[Any, Any]) -> Any:
        if worth_a_look(value) and any(map(holds_node, value)):
            raise GraphError.hidden_node("dict's keys")
        self._refuse_hidden(value)
        if not worth_a_look(value.values()):
            self._refuse_hidden(value.values())
            return value.copy()
        items = [self.template(item) for item in value.values()]
        if _has_slots(items):
            return Nest(dict, tuple(items), tuple(value))
        return dict(zip(value, items, strict=True))


def frozen(graph: Register, args: Templates) -> tuple[Templates, tuple[int, ...]] | None:
    """Templates of plain values and nodes of calls, and the numbers of these nodes; quickly.

    None for other arguments, for the same node twice, and for what a `Freezer` refuses.

    Examples
    --------
    >>> from flowgraph.declare.graph import Declarations
    >>> graph = Declarations("photos")
    >>> frozen(graph, (graph.task(len, "abc"), 8))
    ((Slot(position=0), 8), (0,))
    """
    count = len(args)
    if count == 1:
        (only,) = args
        if type(only) is Node and only.graph is graph and only.number >= 0:
            return _ONE, (only.number,)
        return (args, ()) if type(only) in PLAIN else None
    if count > _FEW:
        return _many(graph, args)
    needs: list[int] = []
    for arg in args:
        if type(arg) is Node and arg.graph is graph and -1 < arg.number not in needs:
            needs.append(arg.number)
        elif type(arg) not in PLAIN:
            return None
    if not needs:
        return args, ()
    nodes = len(needs)
    if nodes == count:
        return in_order(count), tuple(needs)
    places = iter(slots(0, nodes))
    return tuple([next(places) if type(arg) is Node else arg for arg in args]), tuple(needs)


def _many(graph: Register, args: Templates) -> tuple[Templates, tuple[int, ...]] | None:
    """As `frozen`, of so many that it is worth to look at them together."""
    kinds = set(map(type, args))
    if kinds <= PLAIN:
        return args, ()
    if kinds != _NODES or [arg for arg in args if arg.graph is not graph]:
        return None
    needs = numbers_of(args)
    if needs is None or len(set(needs)) < len(args):
        return None
    return in_order(len(args)), needs


def numbers_of(nodes: Sequence[Any]) -> tuple[int, ...] | None:
    """The numbers of nodes; None if one of them is no call of which nothing else is kept."""
    if not _NODES.issuperset(map(type, nodes)):
        return None
    numbers = tuple([node.number for node in nodes])
    return None if -1 in numbers else numbers


def are_light(*templates: Iterable[Any]) -> bool:
    """True if nodes, lists of nodes, and constants of the commonest types are all there is."""
    for template in chain.from_iterable(templates):
        kind = type(template)
        if kind is Nest and template.keys is None:
            if set(map(type, template.items)) != {Slot}:
                return False
        elif kind not in _PLAIN_OR_SLOT:
            return False
    return True


def is_plain(call: Call | Each | Node[Any]) -> bool:
    """True if all arguments of a call are nodes, or constants of the commonest types."""
    args = call.args
    if call.kwargs:
        return False
    if type(args) is InOrder or (len(args) == 1 and type(args[0]) in _PLAIN_OR_SLOT):
        return True
    return _PLAIN_OR_SLOT.issuperset(map(type, args))


def _has_slots(templates: list[Any]) -> bool:
    return not {Slot, Nest}.isdisjoint(map(type, templates))


def _same(one: object, other: object) -> bool:
    return one is other
