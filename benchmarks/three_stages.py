"""W2: three short functions in a row over many items, collected; and what timing costs there."""

from __future__ import annotations

import pickle
import time

import dask
from dask import bag
from dask.task_spec import List, Task, TaskRef

from benchmarks.contest import Contender, Scale, expecting
from benchmarks.machine import NO_JOBLIB, WORKERS, Machine, blocks, numbers, packed
from benchmarks.workload import Workload
from flowgraph import Graph, Retry, stage
from flowgraph.runtime.scope import SystemClock


def inc(x):
    return x + 1


def double(x):
    return x * 2


def less(x):
    return x - 3


def all_three(x):
    return less(double(inc(x)))


STAGES = (inc, double, less)
ARMED = tuple(stage(fn, retry=Retry(3)) for fn in STAGES)
PARTS = 4 * WORKERS


def plain(items):
    return [less(double(inc(x))) for x in items]


def plain_timed(items):
    """Comprehensions, one inside the other, with the time that each takes."""
    clock = time.perf_counter
    times = [clock()]
    for function in STAGES:
        items = [function(x) for x in items]
        times.append(clock())
    return items


def flow(items, options, stages=ARMED):
    g = Graph("pipeline")
    return g.run(g.items(items).pipeline(*stages), **options).value


def flow_untimed(items, options):
    """Without retries, and with a clock that stands still: flowgraph has no option for that."""
    now = SystemClock.now
    SystemClock.now = staticmethod(float)
    try:
        return flow(items, options, STAGES)
    finally:
        SystemClock.now = staticmethod(now)


def task_each(items, get):
    graph = {}
    for k, x in enumerate(items):
        graph["inc", k] = Task(("inc", k), inc, x)
        graph["double", k] = Task(("double", k), double, TaskRef(("inc", k)))
        graph["less", k] = Task(("less", k), less, TaskRef(("double", k)))
    graph["all"] = List(*[TaskRef(("less", k)) for k in range(len(items))])
    return get(graph, "all")


def on_packed(block):
    return packed(plain(pickle.loads(block)))


def batched(items, get, pack):
    """Fused by hand, in batches; packed ones are bytes on the way to the workers and back."""
    call, form = (on_packed, packed) if pack else (plain, list)
    parts = blocks(items, PARTS)
    graph = {("b", k): Task(("b", k), call, form(part)) for k, part in enumerate(parts)}
    done = get(graph, list(graph))
    return [x for part in done for x in (pickle.loads(part) if pack else part)]


def bagged(items, options):
    source = bag.from_sequence(items, npartitions=PARTS)
    return source.map(inc).map(double).map(less).compute(**options)


def delayed(items, options):
    one, two, three = map(dask.delayed, STAGES)
    return list(dask.compute([three(two(one(x))) for x in items], **options)[0])


def joblib_each(items):
    from joblib import Parallel
    from joblib import delayed as later

    return Parallel(n_jobs=WORKERS)(later(all_three)(x) for x in items)


def contenders(machine: Machine, scale: Scale) -> list[Contender]:
    """All who do it; those who take a millisecond an item have fewer items."""
    found: list[Contender] = []

    def add(name, where, n, call, *given, skipped=""):
        items = numbers(n)
        work = None if skipped else (lambda: call(items, *given))
        found.append(Contender(name, where, n, work, expecting(plain(items)), skipped))

    full = scale.of(100_000, 20_000)
    sizes = (scale.of(10_000, 2000), full)
    for n in sizes:
        add("plain Python", "", n, plain)
    add("plain Python, each stage timed", "", full, plain_timed)
    for place in machine.places:
        options = machine.flowgraph(place)
        for n in sizes:
            add("flowgraph", place, n, flow, options)
        if place == "threads":
            add("flowgraph, no retry", place, full, flow, options, STAGES)
            add("flowgraph, no retry, no timing", place, full, flow_untimed, options)
        each = {"threads": scale.of(3000, 300), "processes": scale.of(1000, 200)}
        add("Dask, task each", place, each.get(place, scale.of(200, 50)), task_each,
            machine.dask(place))  # fmt: skip
        some = scale.of(20_000, 4000) if place == "cluster" else full
        add("Dask, fused and batched", place, some, batched, machine.dask(place, 1), False)
        if place == "cluster":
            add("Dask, fused, batched, packed", place, full, batched, machine.dask(place, 1), True)
        some = scale.of(10_000, 2000) if place == "cluster" else full
        add("dask.bag", place, some, bagged, machine.collection(place))
        many = scale.of(100, 30) if place == "cluster" else scale.of(500, 100)
        add("dask.delayed", place, many, delayed, machine.collection(place))
    if "threads" in machine.places:
        add("concurrent.futures", "threads", scale.of(10_000, 1000),
            lambda items: list(machine.threads.map(all_three, items)))  # fmt: skip
    if "processes" in machine.places:
        executor, pool = machine.processes, machine.pool
        size = -(-full // PARTS)
        add("concurrent.futures", "processes", full,
            lambda items: list(executor.map(all_three, items, chunksize=size)))  # fmt: skip
        add("mp.Pool", "processes", full, lambda items: pool.map(all_three, items))
        add("joblib", "processes", scale.of(10_000, 2000), joblib_each, skipped=NO_JOBLIB)
    return found


WORKLOAD = Workload(
    "W2", "pipeline: `x + 1`, `x * 2`, `x - 3` as three stages, collected", "item", contenders
)
