"""Where a collection is cut into partitions."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Batches", "Cuts"]


@dataclass(frozen=True, slots=True)
class Cuts:
    """Ends of the partitions, as shares of a length that may only be known at run time."""

    ends: tuple[int, ...]
    """Items up to the end of each partition, if there were ``ends[-1]`` of them."""

    def __len__(self) -> int:
        return len(self.ends)

    def bounds(self, part: int, length: int) -> tuple[int, int]:
        """First item of a partition, and the one after its last.

        Few items are spread one to a partition, the first ones first.

        Parameters
        ----------
        part : int
            Which partition, from 0.
        length : int
            Items in the whole collection.

        Examples
        --------
        >>> halves = Cuts((4, 6, 8))
        >>> [halves.bounds(k, 16) for k in range(3)]
        [(0, 8), (8, 12), (12, 16)]
        >>> [halves.bounds(k, 2) for k in range(3)]
        [(0, 1), (1, 2), (2, 2)]
        """
        total = self.ends[-1]
        if length <= len(self.ends) and length != total:
            return min(part, length), min(part + 1, length)
        begin = self.ends[part - 1] if part else 0
        end = self.ends[part]
        if length == total:
            return begin, end
        return begin * length // total, end * length // total


@dataclass(frozen=True, slots=True)
class Batches:
    """Partitions of a given size, or equal parts of batches of that size."""

    size: int
    """Items in a batch."""
    count: int
    """Batches there is room for; if there are more, several share a place."""
    split: int = 1
    """Partitions that a batch is cut into."""

    def __len__(self) -> int:
        return self.count * self.split

    def bounds(self, part: int, length: int) -> tuple[int, int]:
        """First item of a partition, and the one after its last; see `Cuts.bounds`.

        Examples
        --------
        >>> pairs = Batches(size=4, count=3, split=2)
        >>> [pairs.bounds(k, 9) for k in range(6)]
        [(0, 2), (2, 4), (4, 6), (6, 8), (8, 9), (9, 9)]
        """
        batch, piece = divmod(part, self.split)
        batches = -(-length // self.size)
        if batches > self.count:
            first = batch * batches // self.count
            last = (batch + 1) * batches // self.count
        else:
            first, last = min(batch, batches), min(batch + 1, batches)
        begin, end = min(first * self.size, length), min(last * self.size, length)
        step = -(-(end - begin) // self.split)
        return min(begin + piece * step, end), min(begin + (piece + 1) * step, end)
