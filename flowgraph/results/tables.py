"""From records to the rows of a report."""

from __future__ import annotations

from collections import defaultdict
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from flowgraph.results.stats import Counts, StageRow, Stats
from flowgraph.runtime.report import SKIPPED, attempts_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flowgraph.results.account import Account
    from flowgraph.runtime.report import Bundle

__all__ = ["stage_rows", "stats_of"]


_NONE: Final = Counts()
_START: Final = 6
"""Where in a record its start stands."""


def stage_rows(account: Account) -> list[StageRow]:
    """One row per stage, in the order of the graph."""
    nodes: dict[str, list[int]] = defaultdict(list)
    for number, info in enumerate(account.nodes):
        if info.stage is not None:
            nodes[info.stage].append(number)
    times, queued = _times(account.bundles), _queued(account)
    counts = account.counts
    return [
        _row(stage, account, numbers, counts, times, queued) for stage, numbers in nodes.items()
    ]


def _row(
    stage: str,
    account: Account,
    numbers: Sequence[int],
    counts: Mapping[int, Counts],
    times: Mapping[int, list[tuple[float, int]]],
    queued: Mapping[int, list[float]],
) -> StageRow:
    completed = failed = skipped = retried = cancelled = 0
    for number in numbers:
        of_node = counts.get(number, _NONE)
        completed += of_node.completed
        failed += of_node.failed
        skipped += of_node.skipped
        retried += of_node.retried
        settled = of_node.completed + of_node.failed + of_node.skipped
        cancelled += max(0, (account.nodes[number].owed or 0) - settled)
    durations = sorted(pair for number in numbers for pair in times.get(number, ()))
    waits = [wait for number in numbers for wait in queued.get(number, ())]
    attempts = sum(n for _, n in durations)
    total_time = sum(each * n for each, n in durations)
    return StageRow(
        stage=stage,
        total=completed + failed + skipped + cancelled,
        completed=completed,
        failed=failed,
        skipped=skipped,
        cancelled=cancelled,
        retried=retried,
        attempts=attempts,
        total_time=total_time,
        mean=total_time / attempts if attempts else 0.0,
        p50=_quantile(durations, attempts, 0.5),
        p95=_quantile(durations, attempts, 0.95),
        max=durations[-1][0] if durations else 0.0,
        queued=sum(waits) / len(waits) if waits else 0.0,
    )


def _times(bundles: Mapping[tuple[int, int], Bundle]) -> dict[int, list[tuple[float, int]]]:
    """For each node its attempts: seconds of one, and how many took that long."""
    times: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for bundle in bundles.values():
        for node, _, _, calls, _, outcome, _, seconds in bundle.records():
            # A reduction of one value counts as a call, but made none that took time.
            if seconds and outcome != SKIPPED:
                made = attempts_in(calls)
                times[node].append((seconds / made, made))
    return times


def _queued(account: Account) -> dict[int, list[float]]:
    """For each node the waits of its tasks, from when their inputs were there."""
    waits: dict[int, list[float]] = defaultdict(list)
    ended: dict[int, float] = {}
    for (number, _), bundle in account.bundles.items():
        ended[number] = max(bundle.ended, ended.get(number, bundle.ended))
    for (number, part), bundle in account.bundles.items():
        needs = account.tasks[number].needs
        ready = max((ended[n] for n in needs if n in ended), default=account.started)
        first = min(bundle.records(), key=itemgetter(_START), default=None)
        # A token and an empty partition make no call; the calls of a region wait for one another.
        if first is not None and not part:
            waits[first[0]].append(max(0.0, bundle.started - ready))
    return waits


def _quantile(durations: Sequence[tuple[float, int]], attempts: int, share: float) -> float:
    """The shortest duration that this share of the attempts does not exceed."""
    seen = 0
    for each, n in durations:
        seen += n
        if seen >= share * attempts:
            return each
    return 0.0


def stats_of(stages: Sequence[StageRow], wall: float, workers: int) -> Stats:
    """The run as a whole."""
    attempts = sum(row.attempts for row in stages)
    total_time = sum(row.total_time for row in stages)
    return Stats(
        total=sum(row.total for row in stages),
        completed=sum(row.completed for row in stages),
        failed=sum(row.failed for row in stages),
        skipped=sum(row.skipped for row in stages),
        cancelled=sum(row.cancelled for row in stages),
        retried=sum(row.retried for row in stages),
        total_time=total_time,
        mean_time=total_time / attempts if attempts else 0.0,
        wall=wall,
        workers=workers,
    )
