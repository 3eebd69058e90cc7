"""W1: one short function over many items, and the sum of what it gives."""

from __future__ import annotations

import operator
import pickle

import dask
from dask import bag
from dask.task_spec import List, Task, TaskRef

from benchmarks.contest import Contender, Scale, expecting
from benchmarks.machine import NO_JOBLIB, WORKERS, Machine, blocks, numbers, packed
from benchmarks.workload import Workload
from flowgraph import Graph, Retry, stage


def inc(x):
    return x + 1


INC = stage(inc, retry=Retry(3))
PARTS = 4 * WORKERS


def plain(items):
    total = 0
    for x in items:
        total += inc(x)
    return total


def sum_of_block(block):
    return sum([inc(x) for x in block])


def sum_of_packed(block):
    return sum_of_block(pickle.loads(block))


def flow(items, options):
    g = Graph("map")
    return g.run(g.items(items).map(INC).reduce(operator.add), **options).value


def task_each(items, get):
    graph = {("inc", k): Task(("inc", k), inc, x) for k, x in enumerate(items)}
    graph["sum"] = Task("sum", sum, List(*[TaskRef(key) for key in graph]))
    return get(graph, "sum")


def batched(items, get, pack):
    """Batches; to a cluster as bytes, as it would take lists apart."""
    call, form = (sum_of_packed, packed) if pack else (sum_of_block, list)
    graph = {
        ("sum", k): Task(("sum", k), call, form(block))
        for k, block in enumerate(blocks(items, PARTS))
    }
    graph["total"] = Task("total", sum, List(*[TaskRef(key) for key in graph]))
    return get(graph, "total")


def bagged(items, options):
    source = bag.from_sequence(items, npartitions=PARTS)
    return source.map(inc).sum().compute(**options)


def delayed(items, options):
    calls = [dask.delayed(inc)(x) for x in items]
    return dask.delayed(sum)(calls).compute(**options)


def joblib_each(items):
    from joblib import Parallel
    from joblib import delayed as later

    return sum(Parallel(n_jobs=WORKERS)(later(inc)(x) for x in items))


def contenders(machine: Machine, scale: Scale) -> list[Contender]:
    """All who do it; those who take a millisecond an item have fewer items."""
    found: list[Contender] = []

    def add(name, where, n, call, *given, skipped=""):
        items = numbers(n)
        work = None if skipped else (lambda: call(items, *given))
        found.append(Contender(name, where, n, work, expecting(sum(items) + n), skipped))

    full = scale.of(1_000_000, 50_000)
    sizes = (10_000, full) if scale.quick else (10_000, 100_000, full)
    for n in sizes:
        add("plain Python", "", n, plain)
    for place in machine.places:
        for n in sizes:
            add("flowgraph", place, n, flow, machine.flowgraph(place))
        each = {"threads": scale.of(10_000, 1000), "processes": scale.of(5000, 500)}
        add("Dask, task each", place, each.get(place, scale.of(500, 100)), task_each,
            machine.dask(place))  # fmt: skip
        add("Dask, batched", place, full, batched, machine.dask(place, 1), place == "cluster")
        some = scale.of(10_000, 2000) if place == "cluster" else full
        add("dask.bag", place, some, bagged, machine.collection(place))
        many = scale.of(300, 50) if place == "cluster" else scale.of(1000, 200)
        add("dask.delayed", place, many, delayed, machine.collection(place))
    if "threads" in machine.places:
        add("concurrent.futures", "threads", scale.of(10_000, 1000),
            lambda items: sum(machine.threads.map(inc, items)))  # fmt: skip
    if "processes" in machine.places:
        executor, pool = machine.processes, machine.pool
        size = -(-full // PARTS)
        add("concurrent.futures", "processes", full,
            lambda items: sum(executor.map(inc, items, chunksize=size)))  # fmt: skip
        add("mp.Pool", "processes", full, lambda items: sum(pool.map(inc, items)))
        add("mp.Pool, batched", "processes", full,
            lambda items: sum(pool.map(sum_of_block, blocks(items, PARTS), 1)))  # fmt: skip
        add("joblib", "processes", scale.of(10_000, 2000), joblib_each, skipped=NO_JOBLIB)
    return found


WORKLOAD = Workload("W1", "map: `x + 1` of each item, and the sum", "item", contenders)
