"""How the calls of a region are cut into stints, on one backend or another."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Rule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How the calls of a region are cut into stints.

    Parameters
    ----------
    workers : int
        Stints that are made at once.
    seconds : float
        Length of a stint.
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
