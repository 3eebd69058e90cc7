"""Links of a chain that call no stage: what becomes of a block is known without it."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar

from flowgraph.runtime.positions import Spread, at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowgraph.runtime.positions import Where

__all__ = ["Free", "Numbers", "Pairs"]


class Free:
    """Makes of a block the next one."""

    __slots__ = ()

    drops_failures: ClassVar[bool] = False
    """True if items that failed have no place in what it makes."""

    def settle(self, values: Sequence[Any], where: Where) -> tuple[Sequence[Any], Where]:
        """The items that go on, and where they came from."""
        raise NotImplementedError


class Numbers(Free):
    """Each item with its place, in a collection where places are positions.

    Examples
    --------
    >>> Numbers().settle("ab", range(5, 7))
    ([(5, 'a'), (6, 'b')], range(5, 7))
    """

    __slots__ = ()

    def settle(self, values: Sequence[Any], where: Where) -> tuple[Sequence[Any], Where]:
        places = where if isinstance(where, range) else [at(where, k) for k in range(len(values))]
        return list(zip(places, values, strict=True)), where


class Pairs(Free):
    """Each item with each of a list.

    Examples
    --------
    >>> Pairs("xy").settle([1], range(1))
    ([(1, 'x'), (1, 'y')], Spread(parent=range(0, 1), ends=range(2, 3, 2)))
    """

    __slots__ = ("_others",)

    drops_failures = True

    def __init__(self, others: Sequence[Any]) -> None:
        self._others = others

    def settle(self, values: Sequence[Any], where: Where) -> tuple[Sequence[Any], Where]:
        size = len(self._others)
        ends = range(size, size * len(values) + 1, size) if size else [0] * len(values)
        return list(product(values, self._others)), Spread(where, ends)
