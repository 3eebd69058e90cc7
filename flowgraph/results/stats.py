"""Timing records, and the numbers that are drawn from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, overload

from flowgraph.errors.wording import shown
from flowgraph.runtime.report import (
    FAILED,
    OK,
    RETRIED,
    SKIPPED,
    TIMED_OUT,
    TIMED_OUT_RETRIED,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flowgraph.compiler.nodes import NodeInfo
    from flowgraph.runtime.report import Bundle

__all__ = [
    "OUTCOMES",
    "Attempt",
    "Counts",
    "StageRow",
    "StageTable",
    "Stats",
    "attempts_of",
    "count",
]

OUTCOMES: Final = {
    OK: "ok",
    RETRIED: "retried",
    FAILED: "failed",
    TIMED_OUT: "timed out",
    TIMED_OUT_RETRIED: "timed out",
    SKIPPED: "skipped",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """A timing record: one attempt, or several quick ones taken together.

    Quick calls that follow one another within 20 ms share a record: it starts
    with the first and is as long as they were together.
    """

    stage: str
    items: tuple[int, int] | None
    """First and last position in the source; None for a single task."""
    count: int
    """Calls that the record stands for; 0 for a part of a reduction."""
    attempt: int
    """1 for the first; 0 when skipped."""
    start: float
    """Seconds since the epoch, by the worker's clock."""
    end: float
    """Seconds since the epoch, by the worker's clock."""
    worker: str
    """Host, process and thread."""
    outcome: str
    """ok, retried, failed, timed out or skipped."""
    node: str
    """Name of the node: a stage may have several."""


def attempts_of(nodes: Sequence[NodeInfo], bundles: Iterable[Bundle]) -> list[Attempt]:
    """All records of a run, by their start."""
    found = []
    for bundle in bundles:
        for node, first, last, calls, attempt, outcome, start, seconds in bundle.records():
            info = nodes[node]
            found.append(
                Attempt(
                    info.stage or info.name,
                    None if first < 0 else (first, last),
                    max(calls, 0),
                    attempt,
                    start,
                    start + seconds,
                    bundle.worker,
                    OUTCOMES[outcome],
                    info.name,
                )
            )
    found.sort(key=lambda record: record.start)
    return found


@dataclass(slots=True)
class Counts:
    """Calls of one node, by what became of them."""

    completed: int = 0
    failed: int = 0
    skipped: int = 0
    retried: int = 0


def count(bundle: Bundle, counts: dict[int, Counts], is_single: Callable[[int], bool]) -> set[int]:
    """Add a bundle to the counts of its nodes; gives the nodes that changed.

    A single node owes one call, and fails once, however many parts of it do.
    """
    changed = set()
    for node, _, _, calls, _, outcome, _, _ in bundle.records():
        changed.add(node)
        of_node = counts.get(node)
        if of_node is None:
            of_node = counts[node] = Counts()
        if outcome == OK:
            of_node.completed += max(calls, 0)
        elif outcome in (FAILED, TIMED_OUT):
            of_node.failed = 1 if is_single(node) else of_node.failed + calls
        elif outcome in (RETRIED, TIMED_OUT_RETRIED):
            of_node.retried += calls
        elif outcome == SKIPPED:
            of_node.skipped += calls
    return changed


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage of a run: its calls and its times in seconds."""

    stage: str
    total: int
    """Calls owed: completed + failed + skipped + cancelled."""
    completed: int
    failed: int
    skipped: int
    cancelled: int
    """Calls that were owed but not made, since the run ended before."""
    retried: int
    """Attempts that failed and were followed by another."""
    attempts: int
    """All that took time, also those that make a part of a reduction."""
    total_time: float
    """Sum of all attempts."""
    mean: float
    """Mean of an attempt."""
    p50: float
    """Median of an attempt; of cheap calls that share a record, their mean counts."""
    p95: float
    max: float
    queued: float
    """Mean wait of its tasks, from when their inputs were there to their start."""

    @property
    def success_rate(self) -> float:
        """Completed / total; 1 when nothing was owed."""
        return self.completed / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True)
class Stats:
    """A run as a whole: its calls and its times in seconds."""

    total: int
    """Calls owed: completed + failed + skipped + cancelled."""
    completed: int
    failed: int
    skipped: int
    cancelled: int
    retried: int
    total_time: float
    """Sum of all attempts."""
    mean_time: float
    """Mean of an attempt."""
    wall: float
    """From the start of the run to its end."""
    workers: int

    @property
    def success_rate(self) -> float:
        """Completed / total; 1 when nothing was owed."""
        return self.completed / self.total if self.total else 1.0

    @property
    def efficiency(self) -> float:
        """total_time / (wall × workers): the part of the machine that ran stages."""
        available = self.wall * self.workers
        return self.total_time / available if available else 0.0


class StageTable(Sequence[StageRow]):
    """One row per stage, in the order of the graph; prints as a table."""

    def __init__(self, stages: Iterable[StageRow]) -> None:
        self._rows = tuple(stages)

    @overload
    def __getitem__(self, key: int) -> StageRow: ...
    @overload
    def __getitem__(self, key: slice) -> Sequence[StageRow]: ...
    def __getitem__(self, key: int | slice) -> StageRow | Sequence[StageRow]:
        return self._rows[key]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[StageRow]:
        return iter(self._rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StageTable) and self._rows == other._rows

    def __hash__(self) -> int:
        return hash(self._rows)

    def __str__(self) -> str:
        head = ("stage", "total", "completed", "failed", "skipped", "cancelled", "retried")
        times = ("mean", "p50", "p95", "max", "queued")
        lines: list[tuple[str, ...]] = [(*head, *times)]
        for row in self._rows:
            counts = [shown(str(getattr(row, name))) for name in head]
            lines.append((*counts, *(_seconds(getattr(row, name)) for name in times)))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if k == 0 else cell.rjust(width)
                for k, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )

    __repr__ = __str__


def _seconds(seconds: float) -> str:
    """A duration in the unit that suits it.

    Examples
    --------
    >>> [_seconds(s) for s in (0, 2.5e-6, 0.0125, 3.25, 250)]
    ['0', '2.5 µs', '12.5 ms', '3.25 s', '250 s']
    """
    if seconds == 0:
        return "0"
    for unit, factor in (("µs", 1e6), ("ms", 1e3)):
        if seconds * factor < 999.5:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s" if seconds < 1000 else f"{seconds:.0f} s"
