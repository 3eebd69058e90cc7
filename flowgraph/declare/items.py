"""Data-parallel collections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from flowgraph.declare.arguments import Freezer
from flowgraph.declare.node import Handle
from flowgraph.declare.steps import MISSING, Collect, Count, Each, Fold, Missing
from flowgraph.errors import GraphError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flowgraph.declare.node import Node
    from flowgraph.runtime.link import Operation

__all__ = ["Items"]

T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S")


class Items(Handle, Generic[T]):
    """A collection whose items are worked on in parallel; order is that of the source.

    `Graph.items` makes one.  Further arguments of a method are the same for
    every item; they may be nodes, or collections, which arrive as lists.
    """

    __slots__ = ()

    def map(
        self, fn: Callable[..., R], /, *args: Any, name: str | None = None, **kwargs: Any
    ) -> Items[R]:
        """``fn(item, *args, **kwargs)`` for each item.

        Parameters
        ----------
        fn : callable
            A stage or any function.
        *args, **kwargs
            The same for every item; may be nodes.
        name : str, optional
            Name of the node; default the stage's, made unique.

        Raises
        ------
        GraphError
            If the arguments do not fit, or the name is taken.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("squares")
        >>> g.run(g.items([1, 2, 3]).map(pow, 2)).value
        [1, 4, 9]
        """
        return self._each("map", fn, args, kwargs, name)

    def starmap(
        self, fn: Callable[..., R], /, *args: Any, name: str | None = None, **kwargs: Any
    ) -> Items[R]:
        """``fn(*item, *args, **kwargs)`` for each item.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("powers")
        >>> g.run(g.items([(2, 3), (3, 2)]).starmap(pow)).value
        [8, 9]
        """
        return self._each("starmap", fn, args, kwargs, name)

    def filter(
        self, fn: Callable[..., Any], /, *args: Any, name: str | None = None, **kwargs: Any
    ) -> Items[T]:
        """The items for which ``fn(item, *args, **kwargs)`` is true.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("letters")
        >>> g.run(g.items("a1b2").filter(str.isalpha)).value
        ['a', 'b']
        """
        return self._each("filter", fn, args, kwargs, name)

    def flat_map(
        self, fn: Callable[..., Iterable[R]], /, *args: Any, name: str | None = None, **kwargs: Any
    ) -> Items[R]:
        """All the items that ``fn(item, *args, **kwargs)`` gives, put end to end.

        A long generator is taken on in parts: its items are never all in
        memory unless something collects them.  If it fails half-way, what
        came of its earlier items is struck out before the next attempt.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("words")
        >>> g.run(g.items(["to be", "or not"]).flat_map(str.split)).value
        ['to', 'be', 'or', 'not']
        """
        return self._each("flat_map", fn, args, kwargs, name)

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
        stage = self.graph.stage_of(op)
        stage.check((None, None), {})
        freezer = Freezer(self.graph, (self.name,))
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

    def pipeline(self, *stages: Callable[..., Any]) -> Items[Any]:
        """The items after several stages, as by `map` after `map`.

        There is no barrier between stages: one item can be in the last stage
        while another is in the first.

        Raises
        ------
        GraphError
            If no stage is given, or one does not take an item as its only
            argument.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("digits")
        >>> g.run(g.items([7, 80, 900]).pipeline(str, len)).value
        [1, 2, 3]
        """
        if not stages:
            raise GraphError.no_stages()
        for stage in stages:  # all mistakes come out before the first node is added
            self.graph.stage_of(stage).check((None,), {})
        items: Items[Any] = self
        for stage in stages:
            items = items.map(stage)
        return items

    def map_reduce(self, mapper: Callable[[T], R], reducer: Callable[[list[R]], S]) -> Node[S]:
        """``reducer([mapper(item), …])``: one call of the reducer with the whole list.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("longest")
        >>> g.run(g.items(["a", "bcd"]).map_reduce(len, max)).value
        3
        """
        self.graph.stage_of(reducer).check((None,), {})
        return self.graph.task(reducer, self.map(mapper))

    def _each(
        self,
        op: Operation,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None,
    ) -> Items[Any]:
        stage = self.graph.stage_of(fn)
        if op == "starmap":  # how many the item has is only known at run time
            stage.check(args, kwargs, at_least=True)
        else:
            stage.check((None, *args), kwargs)
        freezer = Freezer(self.graph, (self.name,))
        frozen_args, frozen_kwargs = freezer.args(args), freezer.kwargs(kwargs)
        step = Each(
            name=self.graph.new_name(name, stage.name),
            needs=freezer.needs,
            op=op,
            stage=stage,
            args=frozen_args,
            kwargs=frozen_kwargs,
        )
        return self.graph.add_items(step)

    def _instead_of_iter(self) -> str:
        return "use .collect() for a list, .map(fn) to work on each item"

    def _instead_of_len(self) -> str:
        return "use .count()"
