"""How a task gets at its partition: the head of a chain.

A head is given the first inputs of its task, those that bring items, and makes
one partition of them.  Heads are put together as collections are: two beside
one another for a ``zip``, one around another for a ``batch``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.partition import Listing, Partition
from flowgraph.runtime.positions import cut

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flowgraph.runtime.code import Parcel
    from flowgraph.runtime.cuts import Batches, Cuts

__all__ = ["Beside", "First", "Given", "Head", "Left", "Lists", "Passed", "Shifted", "Slice"]


class Head:
    """Makes a partition of a task's first inputs."""

    __slots__ = ()

    @property
    def reads(self) -> int:
        """How many inputs it takes."""
        return 1

    def partition(self, inputs: Sequence[Outcome]) -> Partition:
        """The partition."""
        raise NotImplementedError

    def narrowed(self, inputs: Sequence[Outcome]) -> list[Outcome]:
        """The inputs without what it does not need of them, before they travel."""
        return list(inputs)

    def length(self, inputs: Sequence[Outcome]) -> int:
        """Items that are skipped, as far as is known; of a collection of unknown length one."""
        missing = inputs[0].missing
        if missing is None:
            return len(self.partition(inputs).values)
        return missing.length if isinstance(missing, Skip) else 1


@dataclass(frozen=True, slots=True)
class Given(Head):
    """The partition was known before the run."""

    parcel: Parcel[Partition]

    @property
    def reads(self) -> int:
        return 0

    def partition(self, inputs: Sequence[Outcome]) -> Partition:
        return self.parcel.open()

    def length(self, inputs: Sequence[Outcome]) -> int:
        return len(self.parcel.open().values)


@dataclass(frozen=True, slots=True)
class Passed(Head):
    """Another task made the partition."""

    def partition(self, inputs: Sequence[Outcome]) -> Partition:
        return inputs[0].value  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Slice(Head):
    """A slice of the whole collection."""

    part: int
    cuts: Cuts | Batches

    def partition(self, inputs: Sequence[Outcome]) -> Partition:
        value: Partition | Listing = inputs[0].value
        if isinstance(value, Partition):  # narrowed on the way
            return value
        begin, end = self.cuts.bounds(self.part, len(value.values))
        where = range(begin, end) if value.where is None else cut(value.where, begin, end)
        return Partition(value.values[begin:end], where, value.failed)

    def narrowed(self, inputs: Sequence[Outcome]) -> list[Outcome]:
        if inputs[0].missing is not None:
            return list(inputs)
        narrow = Outcome(self.partition(inputs), stage=inputs[0].stage)
        narrow.maker = inputs[0].maker
        return [narrow]

    def length(self, inputs: Sequence[Outcome]) -> int:
        if (missing := inputs[0].missing) is not None:  # the first slice counts for all
            known = missing.length if isinstance(missing, Skip) else 1
            return known if self.part == 0 else 0
        return len(self.partition(inputs).values)


@dataclass(frozen=True, slots=True)
class Beside(Head):
    """Partitions of several collections, cut alike, side by side."""

    heads: tuple[Head, ...]

    @property
    def reads(self) -> int:
        return sum(head.reads for head in self.heads)

    def partition(self, inputs: Sequence[Outcome]) -> Partition:
        parts = [head.partition(given) for head, given in self._given(inputs)]
        return beside(parts)

    def narrowed(self, inputs: Sequence[Outcome]) -> list[Outcome]:
        return [o for head, given in self._given(inputs) for o in head.narrowed(given)]

    def length(self, inputs: Sequence[Outcome]) -> int:
        return max(head.length(given) for head, given in self._given(inputs))

    def _given(self, inputs: Sequence[Outcome]) -> Iterator[tuple[Head, Sequence[Outcome]]]:
        begin = 0
        for head in self.heads:
            yield head, inputs[begin : begin + head.reads]
            begin += head.reads


@dataclass(frozen=True, slots=True)
class _Around(Head):
    """Makes something of another head's partition."""

    head: Head

    @property
    def reads(self) -> int:
        return self.head.reads

    def narrowed(self, inputs: Sequence[Outcome]) -> list[Outcome]:
        return self.head.narrowed(inputs)

    def length(self, inputs: Sequence[Outcome]) -> int:
        return self.head.length(inputs)


@dataclass(frozen=True, slots=True)
class Shifted(_Around):
    """The same items, at places counted from elsewhere."""

    start: int

    def partition(self, inputs: Sequence[Outcome]) -> Partition:
        part = self.head.partition(inputs)
        return Partition(part.values, range(self.start, self.start + len(part.values)), part.failed)


@dataclass(frozen=True, slots=True)
class First(_Around):
    """The items at the first places of a collection."""

    count: int
    start: int | None = None
    """Place of the partition's first item; None if its positions say it."""

    def partition(self, inputs: Sequence[Outcome]) -> Partition:
        part = self.head.partition(inputs)
        start = self.start
        if start is None:
            assert isinstance(part.where, range)
            start = part.where.start
        return first_items(part, self.count - start)


@dataclass(frozen=True, slots=True)
class Left(_Around):
    """The first items of a collection; the last input says how many are left to take."""

    @property
    def reads(self) -> int:
        return self.head.reads + 1

    def partition(self, inputs: Sequence[Outcome]) -> Partition:
        return first_items(self.head.partition(inputs[:-1]), inputs[-1].value)

    def narrowed(self, inputs: Sequence[Outcome]) -> list[Outcome]:
        return [*self.head.narrowed(inputs[:-1]), inputs[-1]]

    def length(self, inputs: Sequence[Outcome]) -> int:
        return self.head.length(inputs[:-1])


@dataclass(frozen=True, slots=True)
class Lists(_Around):
    """The items in lists of a size, which divides the partition's first place."""

    size: int

    def partition(self, inputs: Sequence[Outcome]) -> Partition:
        part = self.head.partition(inputs)
        values = in_lists(part.successes(), self.size)
        assert isinstance(part.where, range)
        start = part.where.start // self.size
        return Partition(values, range(start, start + len(values)))

    def length(self, inputs: Sequence[Outcome]) -> int:
        return -(-self.head.length(inputs) // self.size)


def beside(parts: Sequence[Partition]) -> Partition:
    """Partitions of equal length side by side; a pair with a failed member is that failure.

    Raises
    ------
    ValueError
        If their lengths differ.
    """
    values: list[Any] = list(zip(*(part.values for part in parts), strict=True))
    failed = any(part.failed for part in parts)
    if failed:
        values = [next((m for m in pair if type(m) is Failure), pair) for pair in values]
    where = parts[0].where
    return Partition(values, where, failed)


def first_items(part: Partition, count: int) -> Partition:
    """So many items of a partition, or as many as there are."""
    if count >= len(part.values):
        return part
    count = max(count, 0)
    return Partition(part.values[:count], cut(part.where, 0, count), part.failed)


def in_lists(values: Sequence[Any], size: int) -> list[list[Any]]:
    """Values in lists of a size; the last one may be shorter.

    Examples
    --------
    >>> in_lists("abc", 2)
    [['a', 'b'], ['c']]
    """
    return [list(values[begin : begin + size]) for begin in range(0, len(values), size)]
