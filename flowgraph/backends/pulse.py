"""Whether a run on a cluster can still end well, asked as long as it is waited for."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Final

from flowgraph.errors import SchedulerError
from flowgraph.runtime.scope import Halt

if TYPE_CHECKING:
    from distributed import Client

    from flowgraph.runtime.scope import Stop

__all__ = ["Pulse"]

_WARN: Final = 5.0
"""Seconds without a worker until the user is told."""
_GIVE_UP: Final = 30.0
"""Seconds without a worker until the run ends: time for a cluster that grows by itself."""
_PAUSE: Final = 1.0
"""Seconds between two questions to the scheduler."""
_ANSWER: Final = 2.0
"""Seconds for its answer."""


class Pulse:
    """Ends a run that nobody wants any more, or that nobody is there for.

    Parameters
    ----------
    client : distributed.Client
        Connected to the cluster.
    graph : str
        Name of the graph that runs.
    stop : Stop
        Set when the run is to end.
    outer : Stop, optional
        Set when the Dask task that waits for this run is not wanted any more.
    idle_since : float, optional
        Since when the cluster has been without a worker, by the monotonic clock.
    """

    def __init__(
        self,
        client: Client,
        graph: str,
        stop: Stop,
        outer: Stop | None,
        idle_since: float | None,
    ) -> None:
        self._client = client
        self._address = client.scheduler.address
        self._graph = graph
        self._stop = stop
        self._outer = outer
        self._idle_since = idle_since
        self._warned = False
        self._next = 0.0

    def check(self) -> None:
        """Look at what costs nothing.

        Raises
        ------
        SchedulerError
            If the run was stopped.
        Halt
            If the task that waits for the run is not wanted any more.
        """
        if self._stop.is_set():
            raise SchedulerError.stopped(self._graph)
        if self._outer is not None and self._outer.is_set():
            raise Halt

    def look(self) -> None:
        """Look at everything; to be called when nothing was heard for a while.

        Raises
        ------
        SchedulerError
            Also if the scheduler went away, or has had no workers for too long.
        Halt
            As `check` does.
        """
        self.check()
        self._look_for_scheduler()
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _PAUSE
            self._look_for_workers(now)

    def look_now(self) -> None:
        """Look whether anybody is there this moment, whatever else.

        Raises
        ------
        SchedulerError
            If not.
        """
        self._look_for_scheduler()
        if not self._has_workers():
            raise SchedulerError.no_workers(self._address)

    def _look_for_scheduler(self) -> None:
        if self._client.status != "running":
            raise SchedulerError.went_away(self._address)

    def _look_for_workers(self, now: float) -> None:
        if self._has_workers():
            self._idle_since = None
            self._warned = False
            return
        if self._idle_since is None:
            self._idle_since = now
        idle = now - self._idle_since
        if idle >= _GIVE_UP:
            raise SchedulerError.lost_workers(self._address, idle)
        if idle >= _WARN and not self._warned:
            self._warned = True
            told = f"the Dask scheduler at {self._address} has no workers: the run waits for one."
            warnings.warn(told, RuntimeWarning, stacklevel=2)

    def _has_workers(self) -> bool:
        """True also if the scheduler does not answer: others ask whether it is there."""
        try:
            found = self._client.sync(self._client.scheduler.ncores, callback_timeout=_ANSWER)
        except OSError:
            return True
        return bool(found)
