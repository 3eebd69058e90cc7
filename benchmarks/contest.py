"""Contenders that do the same work, timed in turns."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

PATIENCE = 2.5
"""Seconds of one call above which a contender has fewer turns than the others."""


class WrongResult(AssertionError):
    """A contender's result is not the one that plain Python gives."""


@dataclass(frozen=True)
class Contender:
    """One way to do the work of a workload."""

    name: str
    where: str
    """threads, processes or cluster; empty for the caller's own thread."""
    n: int
    """Items, tasks or nodes of one call."""
    call: Callable[[], Any] | None = None
    """Does the work from the graph's first node to the result; None if it is skipped."""
    check: Callable[[Any], bool] = bool
    skipped: str = ""
    """Why it is not measured."""
    group: str = ""
    """Contenders are compared with those of their group."""


def expecting(value: Any) -> Callable[[Any], bool]:
    """A check that a result is this value."""
    return lambda result: bool(result == value)


@dataclass
class Figure:
    """What was measured of a contender."""

    contender: Contender
    seconds: list[float] = field(default_factory=list)
    """A call each, in the order of the rounds."""

    @property
    def median(self) -> float:
        """Seconds of a call."""
        return statistics.median(self.seconds)

    @property
    def each(self) -> float:
        """Microseconds an item."""
        return self.median / self.contender.n * 1e6

    def over(self, other: Figure) -> float:
        """How many times the other's time for an item this one needs: median over the rounds."""
        shares = [
            (mine / self.contender.n) / (its / other.contender.n)
            for mine, its in zip(self.seconds, other.seconds, strict=False)
        ]
        return statistics.median(shares)


def compete(
    contenders: Iterable[Contender], rounds: int, settle: Callable[[], object] = gc.collect
) -> list[Figure]:
    """Let each contender do its work once in every round; the first one, to warm up, is not timed.

    The order is turned round in every second round, so that nobody always comes
    after the same neighbour.  Who is slow has fewer turns, and the first one counts.
    ``settle`` is called before each turn and not timed.

    Raises
    ------
    WrongResult
        If a result is wrong, in whatever round.
    """
    figures = [Figure(contender) for contender in contenders]
    gc.collect()
    gc.freeze()  # a collection before each turn would else look at all modules and all lists
    running = [figure for figure in figures if figure.contender.call is not None]
    turns = {}
    for figure in running:
        first = _timed(figure.contender, settle)
        turns[id(figure)] = rounds
        if first > PATIENCE:
            figure.seconds.append(first)  # so long a call needs no warming up
            turns[id(figure)] = int(rounds * PATIENCE / first) - 1
    for number in range(rounds):
        for figure in running[:: -1 if number % 2 else 1]:
            if number < turns[id(figure)]:
                figure.seconds.append(_timed(figure.contender, settle))
    gc.unfreeze()
    return figures


def _timed(contender: Contender, settle: Callable[[], object]) -> float:
    assert contender.call is not None
    gc.collect()
    settle()
    begun = time.perf_counter()
    result = contender.call()
    took = time.perf_counter() - begun
    if not contender.check(result):
        place = f" on {contender.where}" if contender.where else ""
        raise WrongResult(f"{contender.name}{place}, n = {contender.n}: wrong result")
    return took


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    quick: bool = False
    rounds: int = 5

    def of(self, full: int, quick: int) -> int:
        """A size in a full run, and the one in a quick run."""
        return quick if self.quick else full
