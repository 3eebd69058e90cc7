"""Measure flowgraph and its peers side by side: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from benchmarks import (
    awaits,
    cpu,
    fixed_cost,
    fork_join,
    growth,
    layers,
    map_sum,
    metg,
    table,
    three_stages,
    words,
)
from benchmarks.contest import Scale, compete
from benchmarks.machine import PLACES, Machine, facts
from benchmarks.workload import Results

WORKLOADS = tuple(
    module.WORKLOAD
    for module in (map_sum, three_stages, fork_join, words, layers, cpu, awaits, fixed_cost, growth)
)
METG = "W8"
KEYS = (*(workload.key for workload in WORKLOADS), METG)


def measured(keys: Sequence[str], places: tuple[str, ...], scale: Scale) -> Results:
    """Run the workloads of these keys, each with all its contenders in turns."""
    results = Results()
    with Machine(places) as machine:
        for workload in WORKLOADS:
            if workload.key in keys:
                begun = time.perf_counter()
                contenders = workload.contenders(machine, scale)
                figures = compete(contenders, scale.rounds, machine.settle)
                results.figures[workload.key] = figures
                _tell(workload.key, begun)
        if METG in keys:
            begun = time.perf_counter()
            results.metg = metg.measure(machine, scale)
            _tell(METG, begun)
    if growth.WORKLOAD.key in keys:
        results.node_bytes = growth.bytes_a_node(scale.of(10_000, 2000))
    return results


def _tell(key: str, begun: float) -> None:
    print(f"{key}: {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)


def _chosen(text: str, all_of_them: Sequence[str]) -> tuple[str, ...]:
    names = {name.lower(): name for name in all_of_them}
    asked = [name.strip().lower() for name in text.split(",") if name.strip()]
    unknown = [name for name in asked if name not in names]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no such: {unknown[0]}; there are {', '.join(all_of_them)}"
        )
    return tuple(names[name] for name in names if name in asked)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and if asked to, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: less than a minute")
    parser.add_argument("--rounds", type=int, default=5, help="timed calls of each (5)")
    parser.add_argument(
        "--only", type=lambda text: _chosen(text, KEYS), default=KEYS, help=",".join(KEYS)
    )
    parser.add_argument(
        "--backend", type=lambda text: _chosen(text, PLACES), default=PLACES, help=",".join(PLACES)
    )
    parser.add_argument("--write", action="store_true", help="also write docs/performance.md")
    asked = parser.parse_args(arguments)
    begun = time.perf_counter()
    results = measured(asked.only, asked.backend, Scale(asked.quick, asked.rounds))
    kind = "Quick run" if asked.quick else "Full run"
    said = f"{kind} of {time.perf_counter() - begun:.0f} s: {facts()}."
    text = table.page(results, WORKLOADS, said)
    print(text)
    if asked.write:
        table.write(text)


if __name__ == "__main__":
    main()
