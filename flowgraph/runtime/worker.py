"""What a task knows of the Dask worker that it runs on.

The one place beside the backends that speaks to ``distributed``, which only
such a worker has loaded.
"""

from __future__ import annotations

import sys
import threading
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowgraph.runtime.scope import Stop

__all__ = ["TOPIC", "Line", "Post", "post"]

TOPIC: Final = "flowgraph"
"""Where all runs report: a scheduler keeps the last events of each topic, for ever."""

_key: ContextVar[Any] = ContextVar("flowgraph_key")
"""Key of the task that runs, for threads that only have its context."""


class Line:
    """The way from a task to the driver of its run: Dask's events.

    A worker sends a task's event ahead of the news that the task is done, on the
    same stream; the scheduler hands both on to the driver in the same order.  So
    a task that Dask counts as done has reported.
    """

    def report(self, run: str, bundle: bytes, receipt: bytes) -> None:
        """Send the packed bundle of a task to the driver of the run with this token."""
        from distributed import get_worker

        get_worker().log_event(TOPIC, {"run": run, "bundle": bundle, "receipt": receipt})

    def ahead(self, run: str) -> Callable[[bytes], None]:
        """How another thread tells the driver what it should know before a task is done.

        To be asked for in the task's own thread.
        """
        from distributed import get_worker

        worker = get_worker()
        return lambda said: worker.log_event(TOPIC, {"run": run, "bundle": b"", "receipt": said})

    def stop(self) -> Stop:
        """Whether Dask still wants the task that asks; to be called in the task's own thread."""
        from distributed import get_worker

        worker = get_worker()
        key = worker.get_current_task()
        _key.set(key)
        return _Unwanted(worker.state.tasks, key)

    def give_up(self) -> Exception:
        """What to raise in a task that Dask does not want, so that it takes nothing for a result.

        It may have changed its mind meanwhile: then it starts the task anew.
        """
        from distributed import Reschedule

        again: Exception = Reschedule()
        return again


@dataclass(frozen=True, slots=True)
class Post:
    """The task of a Dask worker that somebody's code runs in."""

    worker: Any
    key: Any
    is_own: bool
    """False in a thread that the task only waits for."""

    def stop(self) -> Stop:
        """Whether Dask still wants the task."""
        return _Unwanted(self.worker.state.tasks, self.key)


def post() -> Post | None:
    """The task that this is called in; None outside of a Dask worker's tasks."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        worker = distributed.get_worker()
    except ValueError:
        return None
    key = worker.active_threads.get(threading.get_ident())
    if key is not None:
        return Post(worker, key, True)
    key = _key.get(None)
    # A context outlives its task.
    running = key is not None and key in list(worker.active_threads.values())
    return Post(worker, key, False) if running else None


class _Unwanted:
    """Set when Dask has cancelled a task that runs.

    Dask tells a worker, which can only note it down: in its table of tasks,
    which is not documented.  A look there is no message and takes no lock.
    """

    __slots__ = ("_key", "_tasks")

    def __init__(self, tasks: dict[Any, Any], key: Any) -> None:
        self._tasks = tasks
        self._key = key

    def is_set(self) -> bool:
        task = self._tasks.get(self._key)
        return task is None or task.state in ("cancelled", "released")
