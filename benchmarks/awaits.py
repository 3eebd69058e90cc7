"""W7: many calls that only wait, two hundred of them at once."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import dask.threaded
from dask.task_spec import List, Task, TaskRef

from benchmarks.contest import Contender, Scale, expecting
from benchmarks.machine import NO_JOBLIB, WORKERS, Machine, blocks
from benchmarks.workload import Workload
from flowgraph import Graph, Retry, stage

SECONDS = 0.05
AT_ONCE = 200


async def wait(x):
    await asyncio.sleep(SECONDS)
    return x


def wait_blocking(x):
    time.sleep(SECONDS)
    return x


WAIT = stage(wait, retry=Retry(3), max_concurrency=AT_ONCE)


async def _gathered(items, at_once):
    gate = asyncio.Semaphore(at_once)

    async def call(x):
        async with gate:
            return await wait(x)

    return await asyncio.gather(*map(call, items))


def plain(items, at_once=AT_ONCE):
    return asyncio.run(_gathered(items, at_once))


def flow(items, options):
    g = Graph("awaits")
    return g.run(g.items(items).map(WAIT), **options).value


def batched(items, get):
    """A task for each worker, with an event loop in it."""
    share = AT_ONCE // WORKERS
    parts = blocks(items, WORKERS)
    graph = {("w", k): Task(("w", k), plain, part, share) for k, part in enumerate(parts)}
    return [x for part in get(graph, list(graph)) for x in part]


def task_each(items, pool):
    """Dask's threads do not await: the calls block, with a thread for each."""
    graph = {("w", x): Task(("w", x), wait_blocking, x) for x in items}
    graph["all"] = List(*[TaskRef(("w", x)) for x in items])
    return dask.threaded.get(graph, "all", pool=pool)


def joblib_each(items):
    from joblib import Parallel, delayed

    pool = Parallel(n_jobs=AT_ONCE, backend="threading")
    return pool(delayed(wait_blocking)(x) for x in items)


def contenders(machine: Machine, scale: Scale) -> list[Contender]:
    """All who do it."""
    found: list[Contender] = []
    items = list(range(scale.of(2000, 400)))

    def add(name, where, call, *given, skipped=""):
        work = None if skipped else (lambda: call(items, *given))
        found.append(Contender(name, where, len(items), work, expecting(items), skipped))

    add("plain asyncio", "", plain)
    for place in machine.places:
        add("flowgraph", place, flow, machine.flowgraph(place))
        add("Dask, a loop in a task", place, batched, machine.dask(place, 1))
    if "threads" in machine.places:
        many = ThreadPoolExecutor(AT_ONCE)
        add("Dask, task each, 200 threads", "threads", task_each, many)
        add("concurrent.futures, 200 threads", "threads",
            lambda items: list(many.map(wait_blocking, items)))  # fmt: skip
        add("joblib, 200 threads", "threads", joblib_each, skipped=NO_JOBLIB)
    return found


WORKLOAD = Workload("W7", "async: awaits of 50 ms, 200 at once", "await", contenders)
