"""What stops the tasks of a run in this process, as soon as one of them has failed for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowgraph.runtime.scope import Stop

__all__ = ["Brake"]


class Brake:
    """Set with a run's own stop, or with its first final failure, before the driver hears of it.

    Who fails would else begin the next task meanwhile.

    Parameters
    ----------
    stop : Stop
        Set when the run is over.

    Examples
    --------
    >>> from threading import Event
    >>> brake = Brake(Event())
    >>> brake.is_set(), brake.pull(), brake.is_set()
    (False, None, True)
    """

    __slots__ = ("_is_pulled", "_stop")

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._is_pulled = False

    def pull(self) -> None:
        """Let no other call of the run begin."""
        self._is_pulled = True

    def is_set(self) -> bool:
        """True if the run is over."""
        return self._is_pulled or self._stop.is_set()
