"""What one Dask task notes down while it runs: timing records and final failures.

Records are packed into one ``bytes`` as they arise; nobody opens it before the
driver does.  A thousand cheap calls share one record.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from functools import cache
from math import inf
from typing import TYPE_CHECKING, Final, Protocol

from flowgraph.runtime.report import (
    OK,
    SKIPPED,
    Bundle,
    Lost,
    add_calls,
    change_outcome,
    pack_quick,
    pack_row,
)
from flowgraph.runtime.watch import SLOW

if TYPE_CHECKING:
    from flowgraph.runtime.code import Control
    from flowgraph.runtime.failure import Failure
    from flowgraph.runtime.positions import Index
    from flowgraph.runtime.report import Columns
    from flowgraph.runtime.strip import Strip

__all__ = ["Clock", "Halt", "Scope", "Stop", "SystemClock", "here"]


_MOMENT: Final = 0.02
"""Seconds of quick calls that share a record."""
_NONE: Final = 0, -inf, -1


class Halt(BaseException):
    """Leaves a task at once: its run has failed elsewhere or is to stop here."""


class Stop(Protocol):
    """What a task asks now and then whether its run is over."""

    def is_set(self) -> bool: ...


class Clock(Protocol):
    """Where a task takes the time from, and how it waits."""

    def now(self) -> float: ...
    def sleep(self, seconds: float, /) -> None: ...


class SystemClock:
    """The machine's own clock: seconds of a monotonic clock, real sleep."""

    now = staticmethod(time.perf_counter)
    sleep = staticmethod(time.sleep)


class Scope:
    """The notebook of one task while it runs.

    Parameters
    ----------
    control : Control
        What all tasks of the run share.
    task : int
        Number of the task in its plan.
    clock : Clock
        Tests give one that does not wait.
    """

    __slots__ = (
        "_epoch",
        "_open",
        "_rows",
        "_stop",
        "clock",
        "control",
        "failures",
        "lost",
        "now",
        "quick",
        "started",
        "strips",
        "task",
    )

    def __init__(self, control: Control, task: int, clock: Clock | None = None) -> None:
        self.control = control
        self.task = task
        self.clock = clock or SystemClock
        self.now = self.clock.now
        self.started = self.now()
        self._epoch = time.time() - self.started
        self._rows = bytearray()
        self.quick: list[float] = []
        """Single calls that succeeded at once: of each the number of the node, begin and end."""
        self.strips: list[Strip] = []
        """Those that were made in a row."""
        self._open: dict[int, tuple[int, float, int]] = {}
        self._stop = control.stop if control.line is None else control.line.stop()
        self.failures: list[Failure] = []
        self.lost: list[Lost] = []

    def note(  # noqa: PLR0913  one row has these fields; a class for it would cost a microsecond
        self,
        node: int,
        first: Index | None,
        last: Index | None,
        count: int,
        attempt: int,
        outcome: int,
        start: float,
        end: float,
        calls: int = 0,
    ) -> None:
        """Add a record: ``count`` calls of a node, taken together.

        ``calls`` says how many were made where ``count`` does not: parts of a
        reduction count none.

        Items are noted by their position in the source: below a flat_map,
        where they have tuples, by its first number.  Quick calls go into the
        last record of their node, if that began a moment ago and nothing else
        came between: how many records a task has depends on its time, not on
        its items.
        """
        from_item, to_item = _outer(first), _outer(last)
        if outcome == OK and attempt == 1 and end - start < SLOW * (calls or count):
            kind = node if count else ~node  # parts of a reduction are told apart from its calls
            begin, since, before = self._open.get(kind, _NONE)
            if start - since < _MOMENT and from_item >= before:
                add_calls(self._rows, begin, count, to_item, end - start)
                self._open[kind] = begin, since, to_item
                return
            self._open[kind] = len(self._rows), start, to_item
        else:
            self._open.clear()
        self._rows += pack_row(
            node,
            from_item,
            to_item,
            count,
            attempt,
            outcome,
            start + self._epoch,
            end - start,
        )

    def change(self, mark: tuple[int, int], outcome: int) -> None:
        """Give the record that was added at ``mark`` another outcome."""
        change_outcome(self._rows, mark[0], outcome)

    def skip(self, node: int, index: Index | None, count: int = 1) -> None:
        """Note calls that were not made, since what they need failed."""
        if count:
            now = self.now()
            self.note(node, index, index, count, 0, SKIPPED, now, now)

    def fail(self, failure: Failure) -> None:
        """Note a final failure; leaves the task if the run is to stop at the first."""
        self.failures.append(failure)
        if self.control.halts:
            if self.control.brake is not None:
                self.control.brake()
            raise Halt

    def is_over(self) -> bool:
        """True if nobody wants the task any more."""
        return self._stop is not None and self._stop.is_set()

    def check(self) -> None:
        """Leave the task if its run is over."""
        if self.is_over():
            raise Halt

    def sleep(self, seconds: float) -> None:
        """Wait, but leave the task as soon as its run is over."""
        until = self.now() + seconds
        while (left := until - self.now()) > 0:
            self.check()
            self.clock.sleep(min(left, 0.1) if self._stop is not None else left)

    def mark(self) -> tuple[int, int]:
        """Where the notebook stands, for `rollback` and `change`."""
        self._open.clear()
        return len(self._rows), len(self.failures)

    def rollback(self, mark: tuple[int, int]) -> None:
        """Strike out what was noted since ``mark``."""
        self._open.clear()
        del self._rows[mark[0] :]
        del self.failures[mark[1] :]

    def forget(self) -> None:
        """Strike out all that was noted."""
        self.rollback((0, 0))
        self.quick.clear()
        self.strips.clear()

    def ahead(self, worker: str) -> Bundle | None:
        """What can be told of calls that succeeded at once, ahead of all else; it is told once.

        Parameters
        ----------
        worker : str
            Who made them; another thread may ask.
        """
        told = self._quick()
        if not told[0]:
            return None
        now, started = self.now() + self._epoch, self.started + self._epoch
        return Bundle(self.task, worker, started, now, b"", quick=pack_quick(told, self._epoch))

    def _quick(self) -> Columns:
        """Take what is noted of single calls that succeeded at once; others may go on with it."""
        told = self.quick[:]
        del self.quick[: len(told)]
        columns: Columns = told[::3], told[1::3], told[2::3]  # type: ignore[assignment]  # a number, a begin, an end
        for strip in self.strips:
            for column, more in zip(columns, strip.take(), strict=True):
                column += more  # type: ignore[operator]  # noqa: PLW2901
        return columns

    def bundle(self, part: int = 0) -> Bundle:
        """What is to be reported; ``part`` numbers the pieces that the task is done in."""
        return Bundle(
            self.task,
            here(),
            self.started + self._epoch,
            self.now() + self._epoch,
            bytes(self._rows),
            tuple(self.failures),
            tuple(self.lost),
            part,
            pack_quick(self._quick(), self._epoch),
        )


def _outer(index: Index | None) -> int:
    if index is None:
        return -1
    return index if isinstance(index, int) else index[0]


@cache
def _process(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}"


def here() -> str:
    """Name of this worker: host, process and thread."""
    return f"{_process(os.getpid())}:{threading.current_thread().name}"
