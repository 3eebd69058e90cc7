"""A run that is made inside a task of the very cluster that it needs."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from flowgraph.runtime.worker import post

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

    from flowgraph.runtime.scope import Stop

__all__ = ["away"]


@contextmanager
def away(client: Client) -> Iterator[Stop | None]:
    """Leave the slot of the Dask worker to others, as long as the context lasts.

    A task that waits for tasks of its own cluster would wait for ever, if all
    slots are held by tasks that wait.

    Parameters
    ----------
    client : distributed.Client
        Connected to the cluster that is waited for.

    Yields
    ------
    Stop or None
        Set when the task in which this is called is not wanted any more; None
        if it is called in no task.
    """
    here = post()
    if here is None:
        yield None
    elif here.worker.address not in client.nthreads():
        yield here.stop()
    else:
        with _seceded() if here.is_own else _one_more(here.worker, here.key):
            yield here.stop()


@contextmanager
def _seceded() -> Iterator[None]:
    """This thread does not count to its worker's; for the task's own thread."""
    from distributed import rejoin, secede

    try:
        secede()
    except KeyError:  # the user's code did so before
        yield
        return
    try:
        yield
    finally:
        rejoin()


@contextmanager
def _one_more(worker: Any, key: Any) -> Iterator[None]:
    """A thread more for the worker.

    For a thread that is not the task's own: that of a stage with a timeout, or
    of coroutines.  The task's own thread only waits for it, and cannot be told.
    """
    from distributed.threadpoolexecutor import threads_lock
    from distributed.worker_state_machine import SecedeEvent

    pool = worker.executors["default"]
    with threads_lock:
        pool._max_workers += 1
        pool._adjust_thread_count()
    event = SecedeEvent(key=key, compute_duration=None, stimulus_id=f"secede-{time.time()}")
    worker.loop.add_callback(worker.handle_stimulus, event)
    try:
        yield
    finally:
        with suppress(AttributeError), threads_lock:  # the pool may be gone with its worker
            pool._max_workers -= 1
