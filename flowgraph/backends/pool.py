"""A warm pool of worker processes that needs no ``__main__`` guard and heals.

Each slot of the pool has a thread in the parent and at most one process, and a
process has at most one task.  So it is always known what a dead process was
doing: the future of that task gets a `ChildDied`, all other tasks go on, and
the slot starts a new process for its next task.
"""

from __future__ import annotations

import atexit
import os
import queue
import sys
import threading
import time
import weakref
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import cloudpickle

from flowgraph.backends.process import ChildDied
from flowgraph.backends.slot import Slot, Task
from flowgraph.backends.stop import StopSignal, stop_flags
from flowgraph.errors import GraphError, SchedulerError
from flowgraph.runtime.setting import Setting
from flowgraph.runtime.wire import dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flowgraph.runtime.wire import Part

__all__ = ["ChildDied", "Pool", "shared_pool"]

P = ParamSpec("P")
T = TypeVar("T")

_WARM = 2
"""Shared pools, of different sizes, whose idle processes are kept."""


class Pool(Executor):
    """Worker processes that stay warm between tasks.  Safe to use from several threads.

    Processes start when they are first needed.  They follow the parent's
    current directory, environment, `sys.path` and `sys.argv`, also when these
    change; what a library reads only once stays as it was.

    Parameters
    ----------
    workers : int
        Most processes at a time.

    Raises
    ------
    GraphError
        If ``workers`` is not an int of at least 1.
    SchedulerError
        On Windows, where a process cannot inherit pipes by their numbers.

    Examples
    --------
    >>> with Pool(2) as pool:
    ...     list(pool.map(pow, [2, 3], [10, 4]))
    [1024, 81]
    """

    def __init__(self, workers: int) -> None:
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
            raise GraphError.bad_option("workers", workers, "an int of at least 1")
        if os.name != "posix":
            raise SchedulerError.no_processes(sys.platform)
        self._max_workers = workers  # Dask's local scheduler asks for it by this name
        self._owner = os.getpid()
        self._queue: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._slots: list[Slot] = []
        self._threads: list[threading.Thread] = []
        self._unfinished = 0
        self._closed = False
        _pools.add(self)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call a function in a worker process, in the setting of this moment.

        Returns
        -------
        Future
            Its exception is a `RemoteError` if the call, or pickling its
            result, raised anything; a `ChildDied` if the process went away; a
            `SchedulerError` if none could be started.

        Raises
        ------
        RuntimeError
            If the pool is shut down, or was made before this process was forked.
        Exception
            Whatever says that the call cannot be pickled.
        """
        call = partial(fn, **kwargs) if kwargs else fn
        payload, buffers = dumps((call, args), cloudpickle.dumps)
        label = getattr(fn, "__qualname__", type(fn).__qualname__)
        return self.send(payload, buffers, label=label)

    def send(
        self,
        payload: Part,
        buffers: Sequence[Part] = (),
        *,
        setting: Setting | None = None,
        label: str = "a task",
        ahead: Callable[[bytearray], object] = len,
    ) -> Future[Any]:
        """Run a call that is already pickled; returns and raises as `submit`.

        Parameters
        ----------
        payload : bytes
            Pickle of ``(function, args)``, with ``args`` a tuple.
        buffers : sequence of bytes
            The buffers that stayed out of the pickle; see `wire.dumps`.
        setting : Setting, optional
            What the process is to follow; default `Setting.here` now.  It is
            sent, and applied anew, whenever a process gets another object than
            the last time: tasks of one run share one.
        label : str
            What the task is called when its process dies.
        ahead : callable
            Gets, in some thread, what the call tells by `flowgraph.runtime.child.teller`;
            the default does nothing with it.
        """
        task = Task((payload, *buffers), setting or Setting.here(), label, ahead)
        if self._owner != os.getpid():
            raise RuntimeError("this pool belongs to the process that was forked: make another")
        with self._lock:
            if self._closed:
                raise RuntimeError("this pool of processes is shut down")
            self._unfinished += 1
            self._queue.put(task)
            if len(self._slots) < min(self._unfinished, self._max_workers):
                self._slots.append(slot := Slot())
                feed = partial(slot.feed, self._queue.get, self._done)
                self._threads.append(threading.Thread(target=feed, daemon=True))
                self._threads[-1].start()
        return task.future

    def _done(self) -> None:
        # Before its result is seen, so that the next task needs no further slot.
        with self._lock:
            self._unfinished -= 1

    def new_stop(self) -> StopSignal:
        """A stop signal for one run; arguments of tasks may hold it."""
        return stop_flags().new()

    def kill(self, future: Future[Any]) -> bool:
        """End the process that runs a task; False if it is not running, but waits or is done."""
        return any(slot.kill(future) for slot in self._slots)

    def cancel_pending(self) -> None:
        """Cancel every task that is not running yet, whoever sent it."""
        with suppress(queue.Empty):
            while True:
                task = self._queue.get_nowait()
                if task is not None:
                    self._done()
                    task.future.cancel()
                    task.future.set_running_or_notify_cancel()
        if self._closed:
            self._end_threads()

    def rest(self) -> None:
        """End the idle processes; others start when there is work again."""
        for child in [slot.dismiss() for slot in self._slots]:
            if child is not None:
                child.leave()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more tasks, finish or cancel those that wait, and end the processes."""
        with self._lock:
            self._closed = True
        if cancel_futures:
            self.cancel_pending()
        self._end_threads()
        for thread in self._threads if wait else ():
            if thread is not threading.current_thread():
                thread.join()

    def _end_threads(self) -> None:
        for _ in self._threads:  # one is enough for each, and more do no harm
            self._queue.put(None)

    @property
    def closed(self) -> bool:
        """True after `shutdown`."""
        return self._closed

    def abandon(self) -> None:
        """End all processes because the interpreter exits: busy ones at once."""
        with self._lock:
            self._closed = True
        deadline = time.monotonic() + 0.5  # for the atexit functions of idle ones
        for child in [slot.abandon() for slot in self._slots]:
            if child is not None:
                child.wait(max(0.0, deadline - time.monotonic()))

    def disown(self) -> None:
        """In a forked copy of the parent: let go of what belongs to the original."""
        self._lock, self._slots, self._threads = threading.Lock(), [], []


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()
_shared: dict[int, Pool] = {}
_shared_lock = threading.Lock()


def shared_pool(workers: int) -> Pool:
    """The warm pool of this size, for all runs of this process.

    Pools of other sizes than the two asked for last let their idle processes
    go, but stay usable.
    """
    with _shared_lock:
        pool = _shared.pop(workers, None)
        if pool is None or pool.closed:
            pool = Pool(workers)
        _shared[workers] = pool  # now the last one
        others = list(_shared.values())[:-_WARM]
    for other in others:
        other.rest()
    return pool


@atexit.register
def _abandon_all() -> None:
    for pool in list(_pools):
        pool.abandon()


def _forget() -> None:
    """In a forked copy: the processes, and the threads that feed them, are the original's."""
    global _pools, _shared, _shared_lock
    for pool in _pools:
        pool.disown()
    _pools, _shared, _shared_lock = weakref.WeakSet(), {}, threading.Lock()


if hasattr(os, "register_at_fork"):  # all but Windows
    os.register_at_fork(after_in_child=_forget)
