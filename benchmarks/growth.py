"""Whether ten times the nodes take ten times the time, what a plan takes, and a node's bytes."""

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
    """Flowgraph on threads: both shapes, at two sizes; and plans for somebody else's scheduler."""
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
    many = 10 * small
    for shape, parents in (("layers", layers.parents_of(many)), ("narrow", narrow(many))):
        call = lambda parents=parents: lowered(parents)  # noqa: E731
        name = f"flowgraph, {shape}, lowered"
        found.append(Contender(name, "threads", many, call, expecting(targets_of(parents))))
    return found


def narrow(n: int) -> layers.Parents:
    """For each node the one that it reads, of the three before it: few can run at once."""
    return [() if k < 3 else (k - 1 - k % 3,) for k in range(n)]


def lowered(parents: layers.Parents) -> int:
    """Declare, compile and lower a graph; gives how many targets its Dask graph has."""
    g = Graph("lowered")
    nodes = []
    for numbers in parents:
        nodes.append(g.task(layers.TOTAL, *[nodes[p] for p in numbers]))  # noqa: PERF401
    plan = g.compile(workers=2)
    return sum(key in plan.dask for key in plan.keys)


def targets_of(parents: layers.Parents) -> int:
    """How many nodes no other one reads."""
    return len(parents) - len({parent for numbers in parents for parent in numbers})


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
