"""The goals of speed, as ratios with bounds, held against what was measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import awaits
from benchmarks.workload import Results

Value = Callable[[Results], float | None]


@dataclass(frozen=True)
class Goal:
    """A ratio that is to stay on one side of a bound."""

    key: str
    text: str
    value: Value
    bound: float
    least: bool = False
    """True: it is to be at least the bound; else at most."""
    unit: str = "×"

    def verdict(self, results: Results) -> tuple[str, str, str]:
        """The bound, what was measured, and whether that is met or by how much it is missed."""
        sign, found = "≥" if self.least else "≤", self.value(results)
        bound = f"{sign} {self.bound:g} {self.unit}"
        if found is None:
            return bound, "", "not measured"
        if not math.isfinite(found):  # an METG: half of the machine was never kept busy
            return bound, "not reached", "missed" if found == math.inf else "undecided"
        share = self.bound / found if self.least else found / self.bound
        return (
            bound,
            f"{found:.3g} {self.unit}",
            "met" if share <= 1 else f"missed by {share:.2f} ×",
        )


def times(workload: str, slower: str, faster: str, where: str, other: str | None = None) -> Value:
    """How many times longer the first one takes for an item than the second one.

    ``where`` is the place of both, unless ``other`` is that of the one that is not flowgraph.
    """

    def place(name: str) -> str:
        return where if other is None or name.startswith("flowgraph") else other

    def value(results: Results) -> float | None:
        one = results.of(workload, slower, place(slower))
        two = results.of(workload, faster, place(faster))
        return one.over(two) if one and two else None

    return value


def each(workload: str, where: str) -> Value:
    """Microseconds of flowgraph for an item."""

    def value(results: Results) -> float | None:
        figure = results.of(workload, "flowgraph", where)
        return figure.each if figure else None

    return value


def of_ideal(where: str) -> Value:
    """The share of the time of waits that are perfectly side by side."""

    def value(results: Results) -> float | None:
        figure = results.of("W7", "flowgraph", where)
        return awaits.SECONDS / awaits.AT_ONCE * 1e6 / figure.each if figure else None

    return value


def metg(pattern: str, where: str, under: str = "") -> Value:
    """Flowgraph's METG in microseconds; or how many times it is below another's."""

    def value(results: Results) -> float | None:
        own = results.metg.get((pattern, "flowgraph", where))
        if own is None or not under:
            return own
        other = results.metg[pattern, under, where]
        return other / own if math.isfinite(other + own) else math.nan

    return value


def growth(shape: str) -> Value:
    """Time at ten times the size, over the time."""

    def value(results: Results) -> float | None:
        figures = [
            figure.median
            for figure in results.figures.get("growth", ())
            if figure.contender.name == f"flowgraph, {shape}"
        ]
        return figures[1] / figures[0] if len(figures) == 2 else None

    return value


def lowered(shape: str) -> Value:
    """Seconds of declaring, compiling and lowering a graph of 100 000 nodes."""

    def value(results: Results) -> float | None:
        figure = results.of("growth", f"flowgraph, {shape}, lowered", "threads", 100_000)
        return figure.median if figure else None

    return value


FLOW, RAW, BAG, POOL = "flowgraph", "Dask, task each", "dask.bag", "mp.Pool"
STEP = "plain Python, each stage timed"
PACKED = "Dask, fused, batched, packed"
BY_HAND = "concurrent.futures, loop by hand"
ONE_BY_ONE = "mp.Pool, chunksize=1"
UNTIMED = "flowgraph, no retry, no timing"

GOALS = (
    Goal("G1", "map, threads: the time of a plain loop",
         times("W1", FLOW, "plain Python", "threads", ""), 1.5),
    Goal("G1", "map, threads: faster than dask.bag", times("W1", BAG, FLOW, "threads"), 7, True),
    Goal("G1", "map, processes: the time of mp.Pool", times("W1", FLOW, POOL, "processes"), 1.2),
    Goal("G2", "pipeline, threads: the time of comprehensions, each timed",
         times("W2", FLOW, STEP, "threads", ""), 1.5),
    Goal("G2", "pipeline, threads: faster than dask.bag",
         times("W2", BAG, FLOW, "threads"), 7, True),
    Goal("G2", "pipeline, threads: faster than raw Dask",
         times("W2", RAW, FLOW, "threads"), 1000, True),
    Goal("G3", "pipeline, cluster: the time of hand-packed Dask",
         times("W2", FLOW, PACKED, "cluster"), 1.2),
    Goal("G3", "pipeline, cluster: faster than dask.bag",
         times("W2", BAG, FLOW, "cluster"), 80, True),
    Goal("G4", "fork-join, threads: a task", each("W3", "threads"), 3, unit="µs"),
    Goal("G4", "fork-join, threads: faster than ThreadPoolExecutor",
         times("W3", "concurrent.futures", FLOW, "threads"), 4, True),
    Goal("G4", "fork-join, threads: faster than raw Dask",
         times("W3", RAW, FLOW, "threads"), 12, True),
    Goal("G4", "fork-join, cluster: a task", each("W3", "cluster"), 50, unit="µs"),
    Goal("G4", "fork-join, cluster: faster than raw Dask",
         times("W3", RAW, FLOW, "cluster"), 40, True),
    Goal("G5", "DAG, threads: a node", each("W5", "threads"), 4, unit="µs"),
    Goal("G5", "DAG, threads: faster than raw Dask", times("W5", RAW, FLOW, "threads"), 20, True),
    Goal("G5", "DAG, threads: faster than a ThreadPool loop by hand",
         times("W5", BY_HAND, FLOW, "threads"), 3.5, True),
    Goal("G5", "DAG, cluster: a node", each("W5", "cluster"), 20, unit="µs"),
    Goal("G5", "DAG, cluster: faster than raw Dask", times("W5", RAW, FLOW, "cluster"), 45, True),
    Goal("G6", "words, processes: the time of mp.Pool with a combiner",
         times("W4", FLOW, "mp.Pool, batched", "processes"), 1.1),
    Goal("G6", "words, processes: faster than dask.bag",
         times("W4", BAG, FLOW, "processes"), 3, True),
    *[
        goal
        for place in ("processes", "cluster")
        for goal in (
            Goal("G7", f"CPU, {place}: throughput of mp.Pool",
                 times("W6", POOL, FLOW, place, "processes"), 0.97, True),
            Goal("G7", f"CPU, {place}: the time of mp.Pool, uneven items",
                 times("W6", f"{FLOW}, uneven", f"{ONE_BY_ONE}, uneven", place, "processes"), 1.15),
            Goal("G7", f"CPU, {place}: the same, slow ones in front (no profile: a report)",
                 times("W6", f"{FLOW}, slow ones in front", f"{ONE_BY_ONE}, slow ones in front",
                       place, "processes"), 1.15),
        )
    ],
    Goal("G8", "async, threads: share of the ideal", of_ideal("threads"), 0.93, True),
    Goal("G8", "async, cluster: share of the ideal", of_ideal("cluster"), 0.85, True),
    Goal("G9", "METG, stencil, threads", metg("stencil", "threads"), 10, unit="µs"),
    *[
        Goal("G9", f"METG, {pattern}, {place}: below raw Dask",
             metg(pattern, place, RAW), 10, True)
        for pattern in ("stencil", "no dependencies")
        for place in ("threads", "processes", "cluster")
    ],
    *[
        Goal("G10", f"one trivial task, {place}: the time of raw Dask",
             times("fixed", FLOW, RAW, place), 1.5)
        for place in ("threads", "processes", "cluster")
    ],
    Goal("G11", "fork-join: time at ten times the size", growth("fork-join"), 11),
    Goal("G11", "DAG: time at ten times the size", growth("layers"), 11),
    Goal("G11", "a node, declared and compiled", lambda results: results.node_bytes, 2000,
         unit="bytes"),
    Goal("compile", "100 000 nodes in layers, to a Dask graph", lowered("layers"), 5, unit="s"),
    Goal("compile", "100 000 nodes in narrow rows, to a Dask graph", lowered("narrow"), 5,
         unit="s"),
    Goal("G12", "pipeline, threads: retry and timing on over off",
         times("W2", FLOW, UNTIMED, "threads"), 1.1),
)  # fmt: skip
