"""The gate before the first coroutine stage of a partition: it lets in the next item itself."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Entrance"]


class Entrance:
    """So many places; a place that is given back goes to who waits for it, or to the next item.

    A semaphore wakes somebody who begins the next item: that takes two turns of the loop more (of
    plain tasks that await 50 ms, two hundred at once, 270 instead of 264 µs each).

    Parameters
    ----------
    places : int
        How many there are.
    begin : callable
        Begins the next item, in a task of its own; false if there is none.

    Examples
    --------
    >>> todo = [3, 2, 1]
    >>> entrance = Entrance(2, lambda: todo and todo.pop())
    >>> entrance.fill()
    >>> todo
    [3]
    >>> entrance.release()
    >>> todo
    []
    """

    __slots__ = ("_begin", "_free", "_waiting")

    def __init__(self, places: int, begin: Callable[[], object]) -> None:
        self._free = places
        self._begin = begin
        self._waiting: deque[asyncio.Future[None]] = deque()

    def fill(self) -> None:
        """Begin as many items as there are places."""
        while self._free and self._begin():
            self._free -= 1

    def release(self) -> None:
        """Give a place back."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return
        if not self._begin():
            self._free += 1

    async def acquire(self) -> None:
        """Wait for a place, of one who has given his back: he comes before new items."""
        if self._free:
            self._free -= 1
            return
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled():
                self.release()
            raise
