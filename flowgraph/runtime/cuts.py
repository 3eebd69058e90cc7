"""Where a collection is cut into partitions."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Cuts"]


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
        if length <= len(self.ends):
            return min(part, length), min(part + 1, length)
        total = self.ends[-1]
        begin = self.ends[part - 1] * length // total if part else 0
        return begin, self.ends[part] * length // total
