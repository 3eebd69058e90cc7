"""Sequences of items that are not in one list of their own: none is copied before it must be."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Pieces", "Section"]


class Section(Sequence[Any]):
    """A part of a list that is there already, to be read in slices.

    Parameters
    ----------
    items : sequence
        The list.
    begin, end : int
        Its first item, and the one after its last.

    Examples
    --------
    >>> part = Section([3, 1, 4, 1, 5], 1, 4)
    >>> part[1:], len(part), list(part)
    ([4, 1], 3, [1, 4, 1])
    """

    __slots__ = ("_begin", "_end", "_items")

    def __init__(self, items: Sequence[Any], begin: int, end: int) -> None:
        self._items = items
        self._begin = begin
        self._end = end

    def __len__(self) -> int:
        return self._end - self._begin

    def __iter__(self) -> Iterator[Any]:
        return iter(self.whole())

    def whole(self) -> Sequence[Any]:
        """Its items in a list of their own."""
        return self._items[self._begin : self._end]

    def __getitem__(self, place: Any) -> Any:
        if not isinstance(place, slice):
            return self._items[range(self._begin, self._end)[place]]
        begin, end, step = place.indices(len(self))
        if step != 1:
            return self.whole()[place]
        return self._items[self._begin + begin : self._begin + max(begin, end)]


class Pieces(Sequence[Any]):
    """Several lists end to end; put together when they are read as one.

    Parameters
    ----------
    pieces : list of sequence
        The lists.

    Examples
    --------
    >>> joined = Pieces([[3, 1], [4]])
    >>> len(joined), list(joined), joined[1:]
    (3, [3, 1, 4], [1, 4])
    """

    __slots__ = ("_length", "pieces")

    def __init__(self, pieces: list[Sequence[Any]]) -> None:
        self.pieces = pieces
        self._length = sum(map(len, pieces))

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self.pieces)

    def __getitem__(self, place: Any) -> Any:
        return self.whole()[place]

    def whole(self) -> Sequence[Any]:
        """All of them as one list, which is put together once."""
        pieces = self.pieces
        if len(pieces) != 1:
            whole: list[Any] = []
            for piece in pieces:  # lists mostly, which are quicker put together one by one
                whole.extend(piece)
            self.pieces = pieces = [whole]  # as a whole: other threads may do the same
        return pieces[0]
