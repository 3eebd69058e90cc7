"""Items that have left their block, and go on one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowgraph.runtime.bind import Stream
    from flowgraph.runtime.positions import Index

__all__ = ["Streaming", "Trouble"]


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
