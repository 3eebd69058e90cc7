"""A data-parallel collection: one part of it, or all of it before it is cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowgraph.runtime.failure import Failure
from flowgraph.runtime.sections import Pieces, Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowgraph.runtime.positions import Where

__all__ = ["Listing", "Partition"]


class _Items:
    """Items with their positions.

    An object rather than a list: Dask's cluster takes a bare list apart and
    sends it element by element, a hundred times slower.
    """

    __slots__ = ("failed", "values", "where")

    values: Sequence[Any]
    failed: bool

    def with_errors(self) -> list[Any]:
        """All values, with a `flowgraph.StageError` in the place of a failed item."""
        if not self.failed:
            return list(self.values)
        return [v.to_error() if type(v) is Failure else v for v in self.values]

    def add_to(self, items: list[Any]) -> None:
        """Append its values, with Failure objects in the places of failed ones."""
        if type(self.values) is Pieces:
            for piece in self.values.pieces:
                items.extend(piece)
        else:
            items.extend(self.values)


class Partition(_Items):
    """A part of a data-parallel collection.

    Its values may be a `Section` of a list, or in `Pieces`: they are put into a list of their own
    when it travels.
    """

    __slots__ = ()

    def __init__(self, values: Sequence[Any], where: Where, failed: bool = False) -> None:
        self.values = values
        self.where = where
        self.failed = failed

    def successes(self) -> Sequence[Any]:
        """The values of the items that did not fail."""
        if not self.failed:
            return self.values
        return [value for value in self.values if type(value) is not Failure]

    def whole(self) -> Partition:
        """The same with its values in a list, if they are in a part of one, or in several."""
        if isinstance(self.values, (Section, Pieces)):
            return Partition(self.values.whole(), self.where, self.failed)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Partition, (self.whole().values, self.where, self.failed)


class Listing(_Items):
    """The items of a whole collection, to be cut into partitions.

    Parameters
    ----------
    values : sequence
        The items, with Failure objects in the places of failed ones.
    where : Where, optional
        Their positions; default their places in the list.
    failed : bool
        True if one of them failed.
    """

    __slots__ = ()

    def __init__(
        self, values: Sequence[Any], where: Where | None = None, failed: bool = False
    ) -> None:
        self.values = values
        self.where = where
        self.failed = failed

    def __reduce__(self) -> tuple[Any, ...]:
        return Listing, (self.values, self.where, self.failed)
