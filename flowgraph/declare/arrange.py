"""Collections put beside, behind and into one another; no stage is called for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from flowgraph.declare.node import Collection
from flowgraph.declare.steps import Batch, Concat, Number, Product, Take, Zip
from flowgraph.errors import GraphError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flowgraph.declare.items import Items
    from flowgraph.declare.node import Node

    Other = Collection | Node[Any] | Iterable[Any]

__all__ = ["Arranged"]

T = TypeVar("T")


class Arranged(Collection, Generic[T]):
    """What can be made of collections as `itertools` does it of iterables."""

    __slots__ = ()

    def enumerate(self, *, name: str | None = None) -> Items[tuple[int, T]]:
        """``(place, item)`` for each item, places counted from 0.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("places")
        >>> g.run(g.items("ab").enumerate()).value
        [(0, 'a'), (1, 'b')]
        """
        made = self.graph.new_name(name, "enumerate")
        return self.graph.add_items(Number(name=made, needs=(self.name,)))

    def zip(self, *others: Other, name: str | None = None) -> Items[tuple[Any, ...]]:
        """The items of this and other collections side by side, as ``zip(strict=True)``.

        A pair with a failed member is that failure.

        Parameters
        ----------
        *others : Items, node or iterable
            What stands beside the items; as long as they are.
        name : str, optional
            Name of the node.

        Raises
        ------
        GraphError
            If there is nothing to zip with.
        StageError
            At run time, if their lengths differ.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("pairs")
        >>> letters = g.items("ab")
        >>> g.run(letters.zip(letters.map(str.upper))).value
        [('a', 'A'), ('b', 'B')]
        """
        needs = self._with(others, "zip")
        return self.graph.add_items(Zip(name=self.graph.new_name(name, "zip"), needs=needs))

    def concat(self, *others: Other, name: str | None = None) -> Items[Any]:
        """The items of this collection, then those of the others.

        Raises
        ------
        GraphError
            If there is nothing to put behind.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("row")
        >>> g.run(g.items("ab").concat([1, 2])).value
        ['a', 'b', 1, 2]
        """
        needs = self._with(others, "concat")
        made = self.graph.new_name(name, "concat")
        return self.graph.add_items(Concat(name=made, needs=needs))

    def product(self, other: Other, *, name: str | None = None) -> Items[tuple[T, Any]]:
        """Each item with each of another collection, which every worker gets whole.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("grid")
        >>> g.run(g.items([1, 2]).product("ab")).value
        [(1, 'a'), (1, 'b'), (2, 'a'), (2, 'b')]
        """
        needs = (self.name, self.graph.items(other).name)
        made = self.graph.new_name(name, "product")
        return self.graph.add_items(Product(name=made, needs=needs))

    def batch(self, n: int, *, name: str | None = None) -> Items[list[T]]:
        """The items in lists of ``n``; the last one may be shorter.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("pairs")
        >>> g.run(g.items("abc").batch(2)).value
        [['a', 'b'], ['c']]
        """
        size = _number("batch", n, 1)
        made = self.graph.new_name(name, "batch")
        return self.graph.add_items(Batch(name=made, needs=(self.name,), size=size))

    def take(self, n: int, *, name: str | None = None) -> Items[T]:
        """The first ``n`` items; a failed item counts, too.

        Stages before it still run for all items.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("head")
        >>> g.run(g.items("abc").take(2)).value
        ['a', 'b']
        """
        count = _number("take", n, 0)
        made = self.graph.new_name(name, "take")
        return self.graph.add_items(Take(name=made, needs=(self.name,), count=count))

    def _with(self, others: tuple[Other, ...], operation: str) -> tuple[str, ...]:
        if not others:
            raise GraphError.no_others(operation)
        return (self.name, *(self.graph.items(other).name for other in others))


def _number(operation: str, n: object, least: int) -> int:
    if isinstance(n, bool) or not isinstance(n, int) or n < least:
        raise GraphError.bad_option(f"{operation} n", n, f"an int of at least {least}")
    return n
