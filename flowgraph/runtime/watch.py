"""A time limit for each call, kept by watching a helper thread.

A thread cannot be stopped from outside, but it can be left behind: the calls
run in a daemon thread which publishes which item it is at and since when, and
the task's own thread only watches.  On expiry the helper is abandoned with
whatever it is doing, and a new one takes the rest.  Handing over a block costs
17 µs, so one hop serves a whole block of cheap items.
"""

from __future__ import annotations

import threading
from contextvars import copy_context
from dataclasses import dataclass
from math import inf
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from flowgraph.errors import StageTimeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import ExitStack

    from flowgraph.runtime.bind import Fill
    from flowgraph.runtime.code import Stage
    from flowgraph.runtime.scope import Clock, Scope

__all__ = ["LONG", "SLOW", "End", "Watch", "entered", "watch_of"]

SLOW: Final = 0.001
"""Seconds from which on a call is timed on its own: it ends its block."""
LONG: Final = 0.004
"""Seconds after which a block ends, with items left over: others want their turn."""


_LOOK: Final = 0.1
"""Seconds between looks at whether the run is over."""


@dataclass(slots=True)
class End:
    """How a stage came to the end of a block, or why not."""

    error: BaseException | None
    """What the call on the next item raised; None when all went well."""
    since: float
    """When the last calls began: the last one, where they take their time."""
    early: bool = False
    """True if only time ended it: the items that are left can be called as they are."""
    alone: bool = False
    """True if the last call took most of the time since then, and is told by itself."""


class Watch:
    """Runs calls of one stage under its time limit.  Use as a context manager.

    Parameters
    ----------
    stage : str
        Named in the `flowgraph.StageTimeout`.
    seconds : float
        Limit for each call.
    clock : Clock
        Its ``now`` says how long a call has taken.
    check : callable, optional
        Raises if the run is over: the helper is then abandoned, too.
    """

    def __init__(
        self,
        stage: str,
        seconds: float,
        clock: Clock,
        check: Callable[[], None] | None = None,
    ) -> None:
        self._stage = stage
        self._seconds = seconds
        self._now = clock.now
        self._check = check
        self._jobs: SimpleQueue[Callable[[], None] | None] | None = None

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.leave()

    def call(self, call: Callable[[], Any], spent: float = 0.0) -> Any:
        """The value of ``call()``.

        Parameters
        ----------
        call : callable
            Takes no arguments.
        spent : float
            Seconds of the limit that are gone.

        Raises
        ------
        StageTimeout
            If it takes too long; it is then left to itself.
        Halt
            If the run is over; it is then left to itself, too.
        BaseException
            What the call raises.
        """
        done: list[tuple[Any, BaseException | None]] = []
        end = self.extend(done, _settle, (call,), spent)
        if end.error is not None:
            raise end.error
        value, error = done[0]
        if error is not None:
            raise error
        return value

    def extend(
        self,
        done: list[Any],
        fill: Fill,
        block: Iterable[Any],
        spent: float = 0.0,
    ) -> End:
        """Append the results of a block to ``done`` until a call raises or takes too long.

        Returns
        -------
        End
            Its error is what the call on item ``len(done)`` raised, or its
            `StageTimeout`.
        """
        limit = self._seconds - spent
        job = _Job(fill, block, self._now)
        self._hand_over(job.run)
        while not job.finished.wait(min(job.left(limit), _LOOK)):
            if self._check is not None:
                try:
                    self._check()
                except BaseException:
                    job.abandon()
                    self.leave()
                    raise
            if job.expired(limit):
                done.extend(job.results[: job.at])
                self.leave()  # the helper ends with the call it is at
                return End(StageTimeout(self._stage, self._seconds), job.since)
        done.extend(job.results)
        return End(job.error, job.since, job.early)

    def _hand_over(self, run: Callable[[], None]) -> None:
        if self._jobs is None:
            self._jobs = SimpleQueue()
            name = threading.current_thread().name
            threading.Thread(target=_serve, args=(self._jobs,), name=name, daemon=True).start()
        context = copy_context()
        self._jobs.put(lambda: context.run(run))

    def leave(self) -> None:
        """Let the helper end."""
        if self._jobs is not None:
            self._jobs.put(None)
            self._jobs = None


def watch_of(stage: Stage, scope: Scope) -> Watch | None:
    """What keeps the time limit of a stage, not yet entered; None if it needs none.

    A coroutine's is kept by its event loop.
    """
    seconds = stage.timeout
    if stage.is_coroutine or (seconds is None and not scope.control.abandons):
        return None
    return Watch(stage.name, inf if seconds is None else seconds, scope.clock, scope.check)


def entered(stack: ExitStack, stage: Stage, scope: Scope) -> Watch | None:
    """The watch of a stage, entered until the stack is closed; None if it needs none."""
    watch = watch_of(stage, scope)
    return None if watch is None else stack.enter_context(watch)


def _settle(done: list[Any], calls: Iterable[Callable[[], Any]]) -> None:
    """Append what each call gives or raises."""
    for call in calls:
        try:
            done.append((call(), None))
        except BaseException as error:  # noqa: BLE001  raised again in the task's thread
            done.append((None, error))


def _serve(jobs: SimpleQueue[Callable[[], None] | None]) -> None:
    while (job := jobs.get()) is not None:
        job()
        del job  # an idle helper must not keep a block's data alive


class _Job:
    """A block of calls in a helper thread, and how far it is."""

    def __init__(
        self,
        fill: Fill,
        block: Iterable[Any],
        now: Callable[[], float],
    ) -> None:
        self.results: list[Any] = []
        self.error: BaseException | None = None
        self.finished = threading.Event()
        self.at = -1
        self.early = False
        self.since = now()
        self._abandoned = False
        self._lock = threading.Lock()
        self._fill = fill
        self._block = block
        self._now = now

    def run(self) -> None:
        """Make the calls; runs in the helper."""
        try:
            self._fill(self.results, self._publish())
        except BaseException as error:  # noqa: BLE001  the task's thread decides what to do with it
            self.error = error
        self.finished.set()

    def _publish(self) -> Iterator[Any]:
        begun = self._now()
        for item in self._block:
            # Under the lock an item is either begun or expired, never both: else
            # the helper could begin the item that its successor is given too.
            with self._lock:
                if self._abandoned:
                    return
                now = self._now()
                if self.at >= 0 and (now - self.since >= SLOW or now - begun >= LONG):
                    self.early = True
                    return
                self.at += 1
                self.since = now
            yield item

    def left(self, seconds: float) -> float:
        """Seconds until the current call expires, at least a millisecond."""
        return max(self.since + seconds - self._now(), 0.001)

    def abandon(self) -> None:
        """Let the helper stop after its call."""
        with self._lock:
            self._abandoned = True

    def expired(self, seconds: float) -> bool:
        """True, and the helper stops after its call, if the call takes too long."""
        with self._lock:
            if self.finished.is_set() or self.early or self._now() - self.since < seconds:
                return False
            self._abandoned = True
            # Started, but the helper has not come to the first item yet.
            self.at = max(self.at, 0)
            return True
