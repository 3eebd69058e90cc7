"""Stop flags in shared memory: a run that is over reaches into the worker processes.

The driver maps a small file without a name and its worker processes map it
too, so that asking costs a look at memory and no message.  Each run has a cell
of its own.  Cells are used again, and a process may then still be busy with a
task of an earlier run; that is why a cell does not hold a truth but the number
of the last run that was stopped there.  Runs are numbered upwards:

- a stopped run stays stopped: its number does not exceed the cell's;
- a new run starts unstopped, with nothing to clear: its number does.

A cell is handed out again only when its `StopSignal` was released or is gone,
and the one that was released longest ago comes first.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
import weakref
from collections import deque
from itertools import count
from typing import TYPE_CHECKING

from flowgraph.runtime.child import Flag, flag

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CELLS", "StopFlags", "StopSignal", "stop_flags"]

CELLS = 512
"""Runs of one process that can be under way at the same time."""

_SIZE = 8 * CELLS


class StopSignal:
    """Tells the tasks of one run that it is over; pickled, it arrives as a `Flag`."""

    __slots__ = ("__weakref__", "_cell", "_flags", "_number", "_release", "_set")

    def __init__(self, flags: StopFlags, cell: int, number: int) -> None:
        self._flags = flags
        self._cell = cell
        self._number = number
        self._set = False
        # Also without release(): a cell must not be lost with a signal that nobody holds.
        self._release = weakref.finalize(self, flags.give_back, cell)
        self._release.atexit = False

    def set(self) -> None:
        """Stop the run: every task of it that asks will know.  No effect after `release`."""
        with self._flags.lock:
            if self._release.alive:
                self._flags.cells[self._cell] = self._number
        self._set = True

    def is_set(self) -> bool:
        """True once `set` was called."""
        return self._set

    def release(self) -> None:
        """Give the cell back, at the end of the run; tasks that still ask see no change."""
        with self._flags.lock:
            self._release()

    def __reduce__(self) -> tuple[Callable[[int, int], Flag], tuple[int, int]]:
        return flag, (self._cell, self._number)


class StopFlags:
    """The cells of one driver.

    Attributes
    ----------
    file : int
        File descriptor for worker processes to map.
    cells : memoryview
        The shared memory, as 64-bit numbers.
    lock : threading.RLock
        Held while a cell is written or changes hands.  Reentrant, since the
        garbage collector may release a signal in a thread that holds it.
    """

    def __init__(self) -> None:
        self.file, path = tempfile.mkstemp(prefix="flowgraph-")
        os.unlink(path)
        # Written and not just made longer: a full disk shows here, not as a SIGBUS later.
        os.write(self.file, bytes(_SIZE))
        self.cells = memoryview(mmap.mmap(self.file, _SIZE)).cast("Q")
        self.lock = threading.RLock()
        self._free = deque(range(CELLS))
        self._numbers = count(1)

    def new(self) -> StopSignal:
        """A signal that is not set, with a cell of its own.

        Raises
        ------
        RuntimeError
            If all cells are in use.
        """
        with self.lock:
            if not self._free:
                raise RuntimeError(f"{CELLS} runs are under way: wait for one of them to end")
            return StopSignal(self, self._free.popleft(), next(self._numbers))

    def give_back(self, cell: int) -> None:
        """Take back a cell whose run has ended."""
        self._free.append(cell)


_lock = threading.Lock()
_flags: StopFlags | None = None


def stop_flags() -> StopFlags:
    """The flags of this process, for all of its pools."""
    global _flags  # noqa: PLW0603  a worker process maps one file, whatever pool it is in
    with _lock:
        if _flags is None:
            _flags = StopFlags()
        return _flags


def _forget() -> None:
    """In a forked copy: leave the memory to the original."""
    global _lock, _flags  # noqa: PLW0603
    _lock = threading.Lock()
    _flags = None


if hasattr(os, "register_at_fork"):  # all but Windows
    os.register_at_fork(after_in_child=_forget)
