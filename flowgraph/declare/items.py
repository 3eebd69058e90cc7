"""Data-parallel collections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from flowgraph.declare.arguments import Freezer
from flowgraph.declare.arrange import Arranged
from flowgraph.declare.gathered import Gathered
from flowgraph.declare.steps import Each
from flowgraph.errors import GraphError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flowgraph.runtime.bind import Operation

__all__ = ["Items"]

T = TypeVar("T")
R = TypeVar("R")


class Items(Arranged[T], Gathered[T]):
    """A collection whose items are worked on in parallel; order is that of the source.

    `Graph.items` makes one.  Further arguments of a method are the same for
    every item; they may be nodes, or collections, which arrive as lists.
    """

    __slots__ = ()

    def map(
        self, fn: Callable[..., R], /, *args: Any, name: str | None = None, **kwargs: Any
    ) -> Items[R]:
        """``fn(item, *args, **kwargs)`` for each item.

        What a generator function gives is listed.  A function that returns an
        iterator some other way should list it itself: it can be read only
        once, and few can travel to another process.

        Parameters
        ----------
        fn : callable
            A stage or any function.
        *args, **kwargs
            The same for every item; may be nodes.
        name : str, optional
            Name of the node; default the stage's, made unique.  The stage of a
            lambda takes it, too.

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
            self.graph.stage_of(stage).check((None,), {}, gets="one item")
        items: Items[Any] = self
        for stage in stages:
            items = items.map(stage)
        return items

    def _each(
        self,
        op: Operation,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None,
    ) -> Items[Any]:
        stage = self.graph.stage_of(fn, name)
        if op == "starmap":  # how many the item has is only known at run time
            gets = "what the item holds, then what you give"
            stage.check(args, kwargs, at_least=True, gets=gets)
        else:
            stage.check((None, *args), kwargs, gets="the item, then what you give")
        freezer = Freezer(self.graph, (self,))
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
