"""Whether ten times the nodes take ten times the time, and the bytes of a node."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

from benchmarks import fork_join, layers
from benchmarks.contest import Contender, Scale, expecting
from benchmarks.machine import Machine
from benchmarks.workload import Workload
from flowgraph import Graph

SHAPES = {"fork-join": fork_join, "layers": layers}


def contenders(machine: Machine, scale: Scale) -> list[Contender]:
    """Flowgraph on threads: both shapes, at two sizes."""
    found: list[Contender] = []
    if "threads" not in machine.places:
        return found
    options = machine.flowgraph("threads")
    small = scale.of(10_000, 200)
    for shape, module in SHAPES.items():
        for n in (small, 10 * small):
            call: Callable[[], object] = lambda n=n, module=module: module.flow(n, options)  # noqa: E731
            name = f"flowgraph, {shape}"
            found.append(Contender(name, "threads", n, call, expecting(module.plain(n))))
    return found


def bytes_a_node(n: int) -> float:
    """Memory of a node that is declared and compiled, in a graph of so many in layers."""
    parents = layers.parents_of(n)
    gc.collect()
    tracemalloc.start()
    try:
        g = Graph("layers")
        nodes = []
        for numbers in parents:
            nodes.append(g.task(layers.TOTAL, *[nodes[p] for p in numbers]))  # noqa: PERF401
        plan = g.compile(g.task(layers.TOTAL, *[nodes[s] for s in layers.sinks_of(n)]), workers=2)
        del nodes
        gc.collect()
        held = tracemalloc.get_traced_memory()[0]
        assert plan.keys
        return held / n
    finally:
        tracemalloc.stop()


WORKLOAD = Workload("growth", "growth: flowgraph at ten times the size", "node", contenders)
