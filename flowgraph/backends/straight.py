"""How much of a straight row of quick calls goes to a worker, and when the row ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from flowgraph.runtime.walk import QUICK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flowgraph.backends.ranges import Ranges
    from flowgraph.backends.rule import Rule

__all__ = ["Straight", "Stretch"]

_LONG: Final = 0.1
"""Seconds of a stint in a straight row of quick calls."""
_ALONE: Final = 15e-6
"""Seconds of a call, above which those of a row that one process has alone are told apart.

To tell them apart cost about 12 µs a call of the DAG of layers.
"""


class Stretch(NamedTuple):
    """Calls of a row that a worker gets next."""

    slots: range
    seconds: float
    read_by_others: bytes | None
    """See ``row`` of `flowgraph.runtime.stint.Stint`."""


class Straight:
    """Cuts a row for the workers: in this process one has all, elsewhere each gets a range.

    Parameters
    ----------
    ranges : Ranges
        How far the row is handed out.
    rule : Rule
        How calls are cut.
    travels : bool
        True if values leave the process they are made in.

    Attributes
    ----------
    pace : float or None
        Seconds of a call in the last stint; None where that says nothing.

    Examples
    --------
    Ten calls that read nothing, for two workers in other processes:

    >>> from types import SimpleNamespace as Call
    >>> from flowgraph.backends.ranges import Ranges
    >>> from flowgraph.backends.rule import Rule
    >>> ranges = Ranges([Call(needs=())] * 10, 0, 10, {9}, travels=True)
    >>> straight = Straight(ranges, Rule(workers=2, seconds=1, first=1), travels=True)
    >>> straight.ahead(under_way=0).slots, straight.ahead(under_way=1).slots
    (range(0, 5), range(5, 10))
    >>> straight.ahead(under_way=2) is None, straight.goes_on(made=4, busy=8e-6), straight.pace
    (True, True, 2e-06)
    """

    def __init__(self, ranges: Ranges, rule: Rule, *, travels: bool) -> None:
        self.pace: float | None = None
        self._ranges = ranges
        self._rule = rule
        self._travels = travels
        self._doubts = False
        self._alone = False
        self._handed: dict[int, range] = {}

    def ahead(self, under_way: int) -> Stretch | None:
        """The calls that stand next; None if they wait for the stints that are under way."""
        if under_way >= (self._rule.workers if self._travels else 1):
            return None
        slots = self._ranges.ahead(self._share(under_way) if self._travels else self._rule.row)
        if not slots:
            return None
        seconds = self._rule.seconds
        if self._travels or self.pace is not None:
            seconds = max(seconds, _LONG)
        read_by_others = self._ranges.read_by_others(slots) if self._travels else None
        return Stretch(slots, seconds, read_by_others)

    def _share(self, under_way: int) -> int:
        """How many calls another process gets next, at most."""
        ranges, workers = self._ranges, self._rule.workers
        if not ranges.unclaimed:
            return 0
        if self.pace is None:
            workers -= under_way
        share = -(-ranges.unclaimed // workers)
        self._alone = not ranges.is_free_of(share)
        if self._alone:  # then one worker may as well have them all
            return ranges.unclaimed
        return self._rule.part(share, self.pace, _LONG)

    def begin(self, part: int, slots: range) -> None:
        """Note that a stint of this number has these calls, if it is in another process."""
        if self._travels:
            self._handed[part] = slots

    def end(self, part: int) -> None:
        """Note that a stint is back."""
        self._handed.pop(part, None)

    def handed(self) -> Iterable[range]:
        """The calls of the stints that are under way in other processes."""
        return self._handed.values()

    def goes_on(self, made: int, busy: float) -> bool:
        """False if calls turn out to be slow, so that others are to help.

        Parameters
        ----------
        made : int
            Calls that a stint has made.
        busy : float
            Seconds that they took.
        """
        is_slow = busy > (_ALONE if self._travels and self._alone else QUICK) * made
        # Once is no proof: its thread may have waited for another one.
        if is_slow and (self._doubts or self._travels or not made):
            return False
        self._doubts = is_slow
        self.pace = busy / made if made and busy and not is_slow else None
        return True
