"""W5: a graph of many small tasks in layers, each the sum of some from the layers before."""

from __future__ import annotations

import pickle
import random
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from functools import cache

import dask
from dask.task_spec import List, Task, TaskRef

from benchmarks.contest import Contender, Scale, expecting
from benchmarks.machine import Machine, packed
from benchmarks.workload import Workload
from flowgraph import Graph, Retry, stage

WIDTH = 100
REACH = 3
"""Layers before its own that a node reads from."""
BLOCK = 10
"""Layers that one task of the hand-batched graph computes."""


def total(*parents):
    return (1 + sum(parents)) % 1_000_003


def total_of(parents):
    return (1 + sum(parents)) % 1_000_003


TOTAL = stage(total, retry=Retry(3))

Parents = list[tuple[int, ...]]


@cache
def parents_of(n: int) -> Parents:
    """For each node the nodes that it reads; the same ones every time."""
    rng = random.Random(5)
    nodes: Parents = []
    for number in range(n):
        layer = number // WIDTH
        first, last = max(0, layer - REACH) * WIDTH, layer * WIDTH
        count = rng.randint(1, 3) if layer else 0
        nodes.append(tuple(rng.sample(range(first, last), count)))
    return nodes


@cache
def sinks_of(n: int) -> tuple[int, ...]:
    """The nodes that no other node reads: the last one reads them all."""
    read = {parent for parents in parents_of(n) for parent in parents}
    return tuple(number for number in range(n) if number not in read)


def plain(n):
    values = []
    for parents in parents_of(n):
        values.append(total(*[values[p] for p in parents]))  # noqa: PERF401  reads itself
    return total(*[values[s] for s in sinks_of(n)])


def flow(n, options):
    g = Graph("layers")
    nodes = []
    for parents in parents_of(n):
        nodes.append(g.task(TOTAL, *[nodes[p] for p in parents]))  # noqa: PERF401
    return g.run(g.task(TOTAL, *[nodes[s] for s in sinks_of(n)]), **options).value


def task_each(n, get):
    graph = {
        ("t", k): Task(("t", k), total, *[TaskRef(("t", p)) for p in parents])
        for k, parents in enumerate(parents_of(n))
    }
    graph["all"] = Task("all", total_of, List(*[TaskRef(("t", s)) for s in sinks_of(n)]))
    return get(graph, "all")


def run_block(packed_work, before):
    """Compute some layers: the values that others may still read, and those of the sinks."""
    start, nodes, sinks = pickle.loads(packed_work)
    values, kept = pickle.loads(before) if before else ([], [])
    offset = start - len(values)
    for parents in nodes:
        values.append(total(*[values[p - offset] for p in parents]))
    kept += [values[s - offset] for s in sinks]
    return packed((values[-REACH * WIDTH :], kept))


def batched(n, get):
    """Ten layers a task, a chain of tasks: one task needs nearly all of the one before."""
    nodes, sinks, graph, before = parents_of(n), sinks_of(n), {}, None
    for start in range(0, n, BLOCK * WIDTH):
        end = start + BLOCK * WIDTH
        work = (start, nodes[start:end], [s for s in sinks if start <= s < end])
        key = ("block", start)
        graph[key] = Task(key, run_block, packed(work), TaskRef(before) if before else None)
        before = key
    return total_of(pickle.loads(get(graph, before))[1])


def delayed(n, options):
    call, nodes = dask.delayed(total), []
    for parents in parents_of(n):
        nodes.append(call(*[nodes[p] for p in parents]))  # noqa: PERF401
    return call(*[nodes[s] for s in sinks_of(n)]).compute(**options)


def by_hand(n, executor: ThreadPoolExecutor):
    """A loop that submits a node when the last of its parents is done."""
    nodes = parents_of(n)
    left = [len(parents) for parents in nodes]
    readers: list[list[int]] = [[] for _ in nodes]
    for number, parents in enumerate(nodes):
        for parent in parents:
            readers[parent].append(number)
    values = [0] * n
    running = {executor.submit(total): k for k, count in enumerate(left) if not count}
    while running:
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            number = running.pop(future)
            values[number] = future.result()
            for reader in readers[number]:
                left[reader] -= 1
                if not left[reader]:
                    given = [values[p] for p in nodes[reader]]
                    running[executor.submit(total, *given)] = reader
    return total(*[values[s] for s in sinks_of(n)])


def contenders(machine: Machine, scale: Scale) -> list[Contender]:
    """All who do it; on processes and a cluster raw Dask has fewer layers."""
    found: list[Contender] = []

    def add(name, where, n, call, *given):
        found.append(Contender(name, where, n, lambda: call(n, *given), expecting(plain(n))))

    full = scale.of(10_000, 300)
    add("plain Python", "", full, plain)
    for place in machine.places:
        each = {"threads": full, "processes": scale.of(2000, 400)}
        few = scale.of(200, 100) if place == "cluster" else scale.of(500, 200)
        add("flowgraph", place, full, flow, machine.flowgraph(place))
        add("Dask, task each", place, each.get(place, scale.of(500, 100)), task_each,
            machine.dask(place))  # fmt: skip
        add("Dask, ten layers a task", place, full, batched, machine.dask(place, 1))
        add("dask.delayed", place, few, delayed, machine.collection(place))
    if "threads" in machine.places:
        add("concurrent.futures, loop by hand", "threads", full, by_hand, machine.threads)
    return found


WORKLOAD = Workload(
    "W5",
    "DAG: layers of 100, each node the sum of 1-3 from the 3 layers before",
    "node",
    contenders,
)
