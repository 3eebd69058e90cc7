"""Starts of attempts in one lane, at least an interval apart."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flowgraph.runtime.outcome import Outcome

__all__ = ["Pace"]


class Pace:
    """When the next attempt may start.

    Parameters
    ----------
    interval : float
        Seconds from one start to the next.
    wait : float
        Seconds until the first start.

    Examples
    --------
    >>> pace = Pace(0.5)
    >>> pace.reserve(10.0), pace.reserve(10.2), pace.reserve(11.5)
    (0.0, 0.3..., 0.0)
    """

    __slots__ = ("_free", "_interval", "_wait", "last")

    def __init__(self, interval: float, wait: float = 0.0) -> None:
        self._interval = interval
        self._wait = wait
        self._free: float | None = None
        self.last: float | None = None
        """When the last attempt started, in seconds since the epoch."""

    @classmethod
    def behind(cls, interval: float, before: Iterable[Outcome]) -> Pace:
        """The pace of a task in a lane, given the outcomes that came before it there."""
        starts = [outcome.paced for outcome in before if outcome.paced is not None]
        if not starts:
            return cls(interval)
        # Never longer than that, whatever two machines' clocks say.
        wait = min(max(max(starts) + interval - time.time(), 0.0), interval)
        return cls(interval, wait)

    def reserve(self, now: float) -> float:
        """Seconds to wait before the next attempt; it is taken to start then."""
        if self._free is None:
            self._free = now + self._wait
        wait = max(self._free - now, 0.0)
        self._free = now + wait + self._interval
        self.last = time.time() + wait
        return wait
