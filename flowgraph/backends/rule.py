"""How the calls of a region are cut into stints, on one backend or another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["Rule"]

_MANY: Final = 50
"""Calls of a long stint, at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How the calls of a region are cut into stints.

    Parameters
    ----------
    workers : int
        Stints that are made at once.
    seconds : float
        Length of a stint.
    long : float
        Length of a stint of calls that are known to be quick, of which there is much to do:
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

    def length(self, pace: float | None) -> float:
        """How long a stint is, in seconds, if a call takes so long; None if that is not known.

        Examples
        --------
        >>> rule = Rule(workers=2, seconds=0.005, long=0.05)
        >>> rule.length(0.0001), rule.length(0.01), rule.length(None)
        (0.05, 0.005, 0.005)
        """
        quick = pace is not None and _MANY * pace <= self.long
        return max(self.seconds, self.long) if quick else self.seconds
