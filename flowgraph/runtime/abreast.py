"""Coroutine calls of one task, under way side by side on the event loop of its process."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flowgraph.runtime.failure import Failure
from flowgraph.runtime.loop import limited, the_loop
from flowgraph.runtime.scope import Halt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flowgraph.runtime.attempt import Attempts
    from flowgraph.runtime.scope import Scope

__all__ = ["SLOTS", "Abreast"]

SLOTS: Final = 100
"""Attempts at once of a coroutine stage that says nothing of it, for each task."""


_Attempt = asyncio.Task[tuple[Any, BaseException | None]]


class _Came(NamedTuple):
    """An attempt that has ended."""

    slot: int
    value: Any
    error: BaseException | None
    begun: float
    ended: float


class Abreast:
    """Begins attempts of coroutine calls, and tells what came of them.

    All but the attempts themselves is done in the task's own thread, between its other calls.

    Parameters
    ----------
    scope : Scope
        The task's notebook.
    slots : int
        Attempts of a stage at once.
    """

    def __init__(self, scope: Scope, slots: int = SLOTS) -> None:
        self._scope = scope
        self._loop = the_loop()
        self._free: dict[int, int] = defaultdict(lambda: slots)
        self._queues: dict[int, deque[tuple[int, Attempts]]] = defaultdict(deque)
        self._begun: dict[int, Attempts] = {}
        self._came: SimpleQueue[_Came] = SimpleQueue()
        self._tasks: set[_Attempt] = set()
        self._closed = False

    def __len__(self) -> int:
        """How many are begun, and not told of."""
        return len(self._begun)

    def begin(self, slot: int, attempts: Attempts) -> Failure | None:
        """Make an attempt as soon as its stage has a place; the failure if it is too late for one.

        Parameters
        ----------
        slot : int
            Tells the call from others.
        attempts : Attempts
            Its call gives what is to be awaited.

        Raises
        ------
        Halt
            If the run is over.
        """
        kind = id(attempts.stage)
        if not self._free[kind]:
            self._queues[kind].append((slot, attempts))
            self._begun[slot] = attempts
            return None
        begun = attempts.begin()
        if isinstance(begun, Failure):
            return begun
        self._free[kind] -= 1
        self._begun[slot] = attempts
        self._loop.call_soon_threadsafe(self._start, slot, attempts, context=copy_context())
        return None

    def take(self, seconds: float) -> Iterator[tuple[int, Attempts, Any]]:
        """What came of attempts: each call's slot, and what `Attempts.make` would have given.

        Parameters
        ----------
        seconds : float
            How long to wait for the first one; the others are those that have come by then.

        Raises
        ------
        Halt
            If the run is over.
        """
        try:
            came = self._came.get(timeout=seconds)
            while True:
                yield from self._took(came)
                came = self._came.get_nowait()
        except Empty:
            return

    def _took(self, came: _Came) -> Iterator[tuple[int, Attempts, Any]]:
        if isinstance(came.error, Halt):
            raise came.error
        attempts = self._begun.pop(came.slot)
        if came.error is None:
            attempts.succeeded(came.begun, came.ended)
            made = came.value
        else:
            made = attempts.failed(came.error, came.begun, came.ended)
        kind = id(attempts.stage)
        self._free[kind] += 1
        yield came.slot, attempts, made
        queue = self._queues[kind]
        while queue and self._free[kind]:
            slot, others = queue.popleft()
            del self._begun[slot]
            late = self.begin(slot, others)
            if late is not None:
                yield slot, others, late

    def close(self) -> None:
        """Cancel what is under way; it is left to end by itself."""
        self._closed = True
        if self._begun:
            self._loop.call_soon_threadsafe(self._cancel)

    # On the loop

    def _start(self, slot: int, attempts: Attempts) -> None:
        if self._closed:
            return
        stage, now = attempts.stage, self._scope.now
        made = limited(attempts.call, stage.timeout, stage.name, self._check)
        task = self._loop.create_task(made)
        self._tasks.add(task)
        task.add_done_callback(partial(self._note, slot, now()))

    def _note(self, slot: int, begun: float, task: _Attempt) -> None:
        """Tell of an attempt that ended, also of one that was cancelled by whomever."""
        self._tasks.discard(task)
        try:
            value, error = task.result()
        except (asyncio.CancelledError, Halt) as ended:
            value, error = None, ended
        self._came.put(_Came(slot, value, error, begun, self._scope.now()))

    def _check(self) -> None:
        """Leave an attempt that is not begun yet if nobody waits for it."""
        if self._closed:
            raise Halt
        self._scope.check()

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
