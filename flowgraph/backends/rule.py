"""How the calls of a region are cut into stints, on one backend or another."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple

__all__ = ["Narrow", "Rule"]

_MANY: Final = 50
"""Calls of a long stint, at least."""
_NARROW: Final = 10
"""How many times `Rule.worth` a stint lasts, at least, of calls that are not worth sharing."""
_PARTS: Final = 8
"""What part of its share of the ready calls a worker gets at once, where that is longer."""
_FEW: Final = 10
"""Calls of a stint, below which a worker far away has the next one waiting."""


class Narrow(NamedTuple):
    """How far a worker goes on with calls of which too few are ready to be shared."""

    broad: float
    """Until more than so many are ready."""
    enough: float
    """Until it has so many, if others can make as many without them."""
    share: int
    """It begins so many of those that are ready, at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How the calls of a region are cut into stints.

    Parameters
    ----------
    workers : int
        Stints that are made at once.
    seconds : float
        Length of a stint.
    worth : float
        Seconds that the calls which are ready must take less in all workers than in one, to be
        shared: what is gained by that is lost by handing out, taking and waiting for one another.
    long : float
        Length of a stint of calls that are known to be quick, or of which there is much to do:
        each costs its way there and back, and no call waits long for the others.
    most : int
        Calls of a stint at most.
    row : int
        The same where they are made in a straight row.
    first : int
        What part of its share of the ready calls a worker gets as long as their time is unknown.
    far : bool
        True if stints are so long on their way that quick calls wait for those that
        are under way, to go together; and if heavy values can stay with the worker
        that made them.
    """

    workers: int
    seconds: float
    worth: float = 0.0
    long: float = 0.0
    most: int = 4096
    row: int = 1 << 14
    first: int = 4
    far: bool = False

    def share(self, ready: int) -> int:
        """How many of the ready calls a worker gets as long as their time is unknown.

        Examples
        --------
        >>> Rule(workers=2, seconds=1).share(65)
        9
        """
        return min(self.most, -(-ready // (self.first * self.workers)))

    def part(self, share: int, pace: float | None, longest: float) -> int:
        """How many calls of its share of a straight row a worker gets at once.

        Half of it, until that is too little: so all end at the same time.

        Parameters
        ----------
        share : int
            Calls for each worker.
        pace : float or None
            Seconds of a call; None if that is not known.
        longest : float
            Seconds for all, at most.

        Examples
        --------
        >>> rule = Rule(workers=2, seconds=0.005)
        >>> rule.part(1000, None, 0.1), rule.part(1000, 0.001, 0.1), rule.part(20, 1e-6, 0.1)
        (250, 101, 4096)
        """
        if pace is None:
            return min(-(-share // self.first), self.most)
        most = min(self.most, int(longest / pace) + 1)
        return min(most, max(-(-share // 2), int(self.seconds / pace)))

    def at_once(self, pace: float | None) -> int:
        """How many stints may be under way, of calls that take so long.

        Far away a worker finds the next one when it ends one, but only if calls are
        neither quick nor slow: it could not go on with it, if it were at a slow one.
        """
        is_short = pace is not None and self.seconds / _FEW <= pace <= 2 * self.seconds
        return self.workers * (2 if self.far and is_short else 1)

    def narrow(self, pace: float, ready: int, idle: int) -> Narrow | None:
        """How far one worker goes on alone, if a call takes so long; None if all are shared.

        A single ready call counts for two: others may become ready by it.

        Parameters
        ----------
        pace : float
            Seconds of a call.
        ready : int
            How many calls are ready.
        idle : int
            Workers that have nothing to do.

        Examples
        --------
        >>> rule = Rule(workers=2, seconds=1, worth=0.01)
        >>> rule.narrow(0.001, 20, idle=2)
        Narrow(broad=20.0, enough=10.0, share=10)
        >>> rule.narrow(0.001, 21, idle=2)
        """
        gain = pace * (1 - 1 / self.workers)
        broad = self.worth / gain if gain else inf
        if max(ready, 2) > broad:
            return None
        enough = self.worth / pace if gain else inf
        return Narrow(broad, enough, -(-ready // max(1, idle)))

    def length(self, pace: float | None, *, ready: int = 0, narrow: bool = False) -> float:
        """How long a stint is, in seconds, if a call takes so long; None if that is not known.

        As long as there is much to do a stint gets a part of its worker's share, so that few
        have to come and go; towards the end each is shorter.

        Parameters
        ----------
        pace : float or None
            Seconds of a call.
        ready : int
            How many calls are ready.
        narrow : bool
            True if they are not worth sharing.

        References
        ----------
        C. D. Polychronopoulos, D. J. Kuck, "Guided self-scheduling: a practical scheduling
        scheme for parallel supercomputers", IEEE Transactions on Computers C-36 (12), 1987.

        Examples
        --------
        >>> rule = Rule(workers=2, seconds=0.005, long=0.05)
        >>> rule.length(0.0001), rule.length(0.01), rule.length(None)
        (0.05, 0.005, 0.005)
        >>> rule.length(0.008, ready=400), rule.length(0.008, ready=20)
        (0.05, 0.01)
        """
        least = max(self.seconds, _NARROW * self.worth) if narrow else self.seconds
        if pace is not None:
            least = max(least, min(self.long, ready * pace / (_PARTS * self.workers)))
        quick = pace is not None and _MANY * pace <= self.long
        return max(least, self.long) if quick else least
