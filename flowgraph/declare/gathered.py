"""What comes of a whole collection: one value, or a value for each key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from flowgraph.declare.arguments import Freezer
from flowgraph.declare.node import Collection
from flowgraph.declare.steps import MISSING, Collect, Count, Each, Fold, Keyed, Missing

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowgraph.declare.items import Items
    from flowgraph.declare.node import Node

__all__ = ["Gathered"]

T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S")
K = TypeVar("K")


class Gathered(Collection, Generic[T]):
    """Reductions of a collection, whole or by keys."""

    __slots__ = ()

    def reduce(
        self,
        op: Callable[[T, T], T],
        initial: T | Node[T] | Missing = MISSING,
        *,
        name: str | None = None,
    ) -> Node[T]:
        """All items combined by an associative binary operation, in a tree.

        Parameters
        ----------
        op : callable
            ``op(a, b)``; need not commute, as order is kept.
        initial : object, optional
            Comes first, once.  Without it an empty collection is a
            `StageError` at run time.
        name : str, optional
            Name of the node; default that of ``op``, made unique.

        Raises
        ------
        GraphError
            If ``op`` does not take two arguments, or the name is taken.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> import operator
        >>> g = Graph("sum")
        >>> g.run(g.items(range(5)).reduce(operator.add)).value
        10
        """
        stage = self.graph.stage_of(op, name)
        stage.check((None, None), {}, gets="two values")
        freezer = Freezer(self.graph, (self,))
        template = MISSING if initial is MISSING else freezer.template(initial)
        name = self.graph.new_name(name, stage.name)
        step = Fold(name=name, needs=freezer.needs, stage=stage, initial=template)
        return self.graph.add_node(step)

    def collect(self, *, name: str | None = None) -> Node[list[T]]:
        """The items as a list.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("letters")
        >>> g.run(g.task(str.join, "-", g.items("abc").collect())).value
        'a-b-c'
        """
        name = self.graph.new_name(name, "collect")
        return self.graph.add_node(Collect(name=name, needs=(self.name,)))

    def count(self, *, name: str | None = None) -> Node[int]:
        """The number of items.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("letters")
        >>> g.run(g.items("a1b2").filter(str.isalpha).count()).value
        2
        """
        name = self.graph.new_name(name, "count")
        return self.graph.add_node(Count(name=name, needs=(self.name,)))

    def group_by(
        self, key: Callable[[T], K], *, name: str | None = None
    ) -> Items[tuple[K, list[T]]]:
        """``(key, [items])`` for each key, in the order in which keys first appear.

        Keys are equal as in a dict: 1, True and 1.0 are one key.

        Parameters
        ----------
        key : callable
            ``key(item)``; what it gives must be hashable.
        name : str, optional
            Name of the node; default that of ``key``, made unique.

        Raises
        ------
        GraphError
            If ``key`` does not take one argument, or the name is taken.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("by length")
        >>> g.run(g.items(["to", "be", "not"]).group_by(len)).value
        [(2, ['to', 'be']), (3, ['not'])]
        """
        stage = self.graph.plain_stage_of(key, "key", name)
        stage.check((None,), {}, gets="one item")
        made = self.graph.new_name(name, stage.name)
        return self.graph.add_items(Keyed(name=made, needs=(self.name,), key=stage))

    def reduce_by(
        self,
        key: Callable[[T], K],
        op: Callable[[Any, Any], Any],
        value: Callable[[T], Any] | None = None,
        *,
        name: str | None = None,
    ) -> Items[tuple[K, Any]]:
        """``(key, value)`` for each key: the values of its items combined.

        They are combined inside each partition before anything moves.

        Parameters
        ----------
        key : callable
            ``key(item)``; what it gives must be hashable.
        op : callable
            ``op(a, b)``, associative; need not commute, as order is kept.
        value : callable, optional
            ``value(item)`` is what is combined; default the item.
        name : str, optional
            Name of the node; default that of ``op``, made unique.

        Raises
        ------
        GraphError
            If a function does not take its arguments, or the name is taken.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> import operator
        >>> g = Graph("letters")
        >>> counts = g.items("abca").reduce_by(str.upper, operator.add, lambda letter: 1)
        >>> g.run(counts).value
        [('A', 2), ('B', 1), ('C', 1)]
        """
        stages = self.graph.plain_stage_of(key, "key"), self.graph.stage_of(op, name)
        valued = None if value is None else self.graph.plain_stage_of(value, "value")
        stages[0].check((None,), {}, gets="one item")
        stages[1].check((None, None), {}, gets="two values")
        if valued is not None:
            valued.check((None,), {}, gets="one item")
        made = self.graph.new_name(name, stages[1].name)
        step = Keyed(name=made, needs=(self.name,), key=stages[0], op=stages[1], value=valued)
        return self.graph.add_items(step)

    @overload
    def map_reduce(
        self, mapper: Callable[[T], R], reducer: Callable[[list[R]], S], key: None = None
    ) -> Node[S]: ...
    @overload
    def map_reduce(
        self, mapper: Callable[[T], R], reducer: Callable[[list[R]], S], key: Callable[[R], K]
    ) -> Node[dict[K, S]]: ...
    def map_reduce(
        self,
        mapper: Callable[[T], R],
        reducer: Callable[[list[R]], S],
        key: Callable[[R], K] | None = None,
    ) -> Node[Any]:
        """``reducer([mapper(item), …])``, or that for the mapped items of each key.

        Parameters
        ----------
        mapper : callable
            ``mapper(item)``.
        reducer : callable
            Gets a list of mapped items.
        key : callable, optional
            ``key(mapped)``.  The value is then a dict: for each key what the
            reducer gives for the mapped items of that key.

        Raises
        ------
        GraphError
            If a function does not take its argument.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("longest")
        >>> words = g.items(["a", "bcd", "ef", "bc"])
        >>> g.run(words.map_reduce(len, max)).value
        3
        >>> g.run(words.map_reduce(str.upper, len, key=lambda word: word[0])).value
        {'A': 1, 'B': 2, 'E': 1}
        """
        stage = self.graph.stage_of(reducer)
        self.graph.stage_of(mapper).check((None,), {}, gets="one item")
        stage.check((None,), {}, gets="one list")
        if key is not None:
            self.graph.plain_stage_of(key, "key").check((None,), {}, gets="one mapped item")
        mapped = cast("Items[T]", self).map(mapper)
        if key is None:
            return self.graph.task(reducer, mapped)
        grouped = mapped.group_by(key)
        made = self.graph.new_name(None, stage.name)
        reduced = Each(name=made, needs=(grouped.name,), op="values", stage=stage)
        self.graph.add_items(reduced)
        name = self.graph.new_name(None, "map_reduce")
        return self.graph.add_node(Collect(name=name, needs=(made,), as_dict=True))
