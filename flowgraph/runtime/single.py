"""Items that have left their block, and go on one by one."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowgraph.runtime.bind import Stream
    from flowgraph.runtime.positions import Index
    from flowgraph.runtime.sink import Hole

__all__ = ["Postponed", "Streaming", "Trouble"]


class Trouble:
    """An item whose last attempt at a stage failed, or is to be made again."""

    __slots__ = ("delay", "depth", "errors", "index", "item", "noted", "since")

    def __init__(self, depth: int, item: Any, index: Index) -> None:
        self.depth = depth
        self.item = item
        self.index = index
        self.errors: list[BaseException] = []
        self.delay: float | None = None
        self.since: float | None = None
        """When its first attempt began."""
        self.noted = (0, 0)
        """Mark of the record of its last attempt."""


class Streaming:
    """An item that a flat_map turned into a stream."""

    __slots__ = ("begun", "seconds", "stream", "trouble")

    def __init__(self, trouble: Trouble, stream: Stream, begun: float, seconds: float) -> None:
        self.trouble = trouble
        self.stream = stream
        self.begun = begun
        self.seconds = seconds


class Postponed:
    """Items that wait for their next attempt, that which is due first in front."""

    __slots__ = ("_heap", "_turns")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Trouble, Hole]] = []
        self._turns = count()

    def __bool__(self) -> bool:
        return bool(self._heap)

    def add(self, due: float, trouble: Trouble, hole: Hole) -> None:
        """Let an item wait; the hole is its place among what comes out."""
        heappush(self._heap, (due, next(self._turns), trouble, hole))

    def next_due(self) -> float | None:
        """When the next attempt is due; items that were struck out are forgotten."""
        heap = self._heap
        while heap and heap[0][3].dead:
            heappop(heap)
        return heap[0][0] if heap else None

    def take(self) -> tuple[Trouble, Hole]:
        """The item in front, and its place."""
        _, _, trouble, hole = heappop(self._heap)
        return trouble, hole
