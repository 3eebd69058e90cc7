"""From records to the rows of a report."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from flowgraph.results.stats import Counts, StageRow, Stats
from flowgraph.runtime.scope import SKIPPED, VOID, rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flowgraph.compiler.plan import Plan
    from flowgraph.runtime.scope import Bundle

__all__ = ["stage_rows", "stats_of"]


def stage_rows(
    plan: Plan, bundles: Mapping[int, Bundle], counts: Mapping[int, Counts], started: float
) -> list[StageRow]:
    """One row per stage, in the order of the graph.

    Parameters
    ----------
    plan : Plan
        What ran.
    bundles : mapping of int to Bundle
        What each task reported.
    counts : mapping of int to Counts
        Calls of each node.
    started : float
        Start of the run, seconds since the epoch.
    """
    nodes: dict[str, list[int]] = defaultdict(list)
    for number, info in enumerate(plan.nodes):
        if info.stage is not None:
            nodes[info.stage].append(number)
    times = _times(bundles)
    queued = _queued(plan, bundles, started)
    return [_row(stage, plan, numbers, counts, times, queued) for stage, numbers in nodes.items()]


def _row(
    stage: str,
    plan: Plan,
    numbers: Sequence[int],
    counts: Mapping[int, Counts],
    times: Mapping[int, list[tuple[float, int]]],
    queued: Mapping[int, list[float]],
) -> StageRow:
    completed = failed = skipped = retried = cancelled = 0
    for number in numbers:
        of_node = counts.get(number, Counts())
        completed += of_node.completed
        failed += of_node.failed
        skipped += of_node.skipped
        retried += of_node.retried
        settled = of_node.completed + of_node.failed + of_node.skipped
        cancelled += max(0, (plan.nodes[number].owed or 0) - settled)
    durations = sorted(pair for number in numbers for pair in times.get(number, ()))
    waits = [wait for number in numbers for wait in queued.get(number, ())]
    calls = sum(max(n, 1) for _, n in durations)
    total_time = sum(each * max(n, 1) for each, n in durations)
    return StageRow(
        stage=stage,
        total=completed + failed + skipped + cancelled,
        completed=completed,
        failed=failed,
        skipped=skipped,
        cancelled=cancelled,
        retried=retried,
        total_time=total_time,
        mean=total_time / calls if calls else 0.0,
        p50=_quantile(durations, calls, 0.5),
        p95=_quantile(durations, calls, 0.95),
        max=durations[-1][0] if durations else 0.0,
        queued=sum(waits) / len(waits) if waits else 0.0,
    )


def _times(bundles: Mapping[int, Bundle]) -> dict[int, list[tuple[float, int]]]:
    """For each node its attempts: seconds of one, and how many took that long."""
    times: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for bundle in bundles.values():
        for node, _, _, calls, _, outcome, _, seconds in rows(bundle.rows):
            # A reduction of one value counts as a call, but made none that took time.
            if seconds and outcome not in (SKIPPED, VOID):
                times[node].append((seconds / max(calls, 1), calls))
    return times


def _queued(plan: Plan, bundles: Mapping[int, Bundle], started: float) -> dict[int, list[float]]:
    """For each node the waits of its tasks, from when their inputs were there."""
    waits: dict[int, list[float]] = defaultdict(list)
    for number, bundle in bundles.items():
        ended = [bundles[n].ended for n in plan.jobs[number].needs if n in bundles]
        ready = max(ended, default=started)
        first = next(rows(bundle.rows), None)
        if first is not None:  # else it made no call: a token, an empty partition
            waits[first[0]].append(max(0.0, bundle.started - ready))
    return waits


def _quantile(durations: Sequence[tuple[float, int]], calls: int, share: float) -> float:
    """The shortest duration that this share of the calls does not exceed."""
    seen = 0
    for each, n in durations:
        seen += max(n, 1)
        if seen >= share * calls:
            return each
    return 0.0


def stats_of(stages: Sequence[StageRow], wall: float, workers: int) -> Stats:
    """The run as a whole."""
    attempts = sum(row.total_time / row.mean for row in stages if row.mean)
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
