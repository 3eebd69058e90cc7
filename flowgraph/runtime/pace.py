"""Starts of attempts in one lane, at least an interval apart."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flowgraph.runtime.remade import reduced

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flowgraph.runtime.outcome import Outcome

__all__ = ["FREELY", "Beat", "Pace"]


class Pace:
    """When the next attempt may start.

    Parameters
    ----------
    interval : float
        Seconds from one start to the next.
    wait : float
        Seconds until the first start.
    last : float, optional
        When the last attempt before it started, in seconds since the epoch.

    Examples
    --------
    >>> pace = Pace(0.5)
    >>> pace.reserve(10.0), pace.reserve(10.2), pace.reserve(11.5)
    (0.0, 0.3..., 0.0)
    """

    __slots__ = ("_free", "_interval", "_wait", "last")

    def __init__(self, interval: float, wait: float = 0.0, last: float | None = None) -> None:
        self._interval = interval
        self._wait = wait
        self._free: float | None = None
        self.last = last
        """When the last attempt started, in seconds since the epoch."""

    @classmethod
    def behind(cls, interval: float, before: Iterable[Outcome], first: float = 0.0) -> Pace:
        """The pace of a task in a lane, given the outcomes that came before it there.

        With none that made an attempt, ``first`` seconds pass until the first start.
        """
        last = _last(before)
        if last is None:
            return cls(interval, first)
        # Never longer than that, whatever two machines' clocks say.
        wait = min(max(last + interval - time.time(), 0.0), interval)
        return cls(interval, wait, last)

    def reserve(self, now: float) -> float:
        """Seconds to wait before the next attempt; it is taken to start then."""
        if self._free is None:
            self._free = now + self._wait
        wait = max(self._free - now, 0.0)
        self._free = now + wait + self._interval
        self.last = time.time() + wait
        return wait


@dataclass(frozen=True, slots=True)
class Beat:
    """What a task is to keep to, as the plan says it."""

    interval: float = 0.0
    """Seconds from the start of one attempt in its lane to that of the next; 0 for no limit."""
    first: float = 0.0
    """Seconds until the first start in its lane, so that lanes take turns."""
    rests: bool = False
    """True if batches are apart: it must be known whether one had anything to do."""

    __reduce__ = reduced

    def pace(self, before: Sequence[Outcome]) -> Pace | None:
        """The pace of a task, given what came before it in its lane."""
        return Pace.behind(self.interval, before, self.first) if self.interval else None

    def last(self, pace: Pace | None, before: Sequence[Outcome], *, busy: bool) -> float | None:
        """When the last attempt in its lane started; one that made none hands on what it got."""
        if pace is not None:
            return pace.last
        if busy and self.rests:
            return time.time()
        return _last(before)


FREELY: Final = Beat()
"""No limit on when attempts start."""


def _last(before: Iterable[Outcome]) -> float | None:
    return max((o.paced for o in before if o.paced is not None), default=None)
