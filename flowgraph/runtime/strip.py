"""When calls ended that were made one right after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowgraph.runtime.report import Columns

__all__ = ["Strip"]


class Strip:
    """The end of each call, which is the begin of the next: half of the looks at the clock.

    Parameters
    ----------
    numbers : sequence of int
        The numbers of the calls' nodes.
    first : int
        Which of them is that of the first call.
    begun : float
        When that began, in seconds.

    Attributes
    ----------
    ended : list of float
        When calls ended, but for those that were taken; whoever makes them appends.

    Examples
    --------
    >>> strip = Strip(range(10), 4, begun=1.0)
    >>> strip.ended += [1.25, 2.0]
    >>> strip.take()
    ([4, 5], [1.0, 1.25], [1.25, 2.0])
    >>> strip.ended.append(2.5)
    >>> strip.take(), strip.take()
    (([6], [2.0], [2.5]), ([], [], []))
    """

    __slots__ = ("_begun", "_first", "_numbers", "ended")

    def __init__(self, numbers: Sequence[int], first: int, begun: float) -> None:
        self.ended: list[float] = []
        self._numbers = numbers
        self._first = first
        self._begun = begun

    def take(self) -> Columns:
        """The calls that ended since it was asked before; another thread may go on meanwhile."""
        ended = self.ended[:]
        if not ended:
            return [], [], []
        del self.ended[: len(ended)]
        numbers = list(self._numbers[self._first : self._first + len(ended)])
        begun = [self._begun, *ended[:-1]]
        self._first += len(ended)
        self._begun = ended[-1]
        return numbers, begun, ended
