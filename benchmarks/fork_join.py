"""W3: many tasks that are declared one by one and do nothing, and one that waits for all."""

from __future__ import annotations

import dask
from dask.task_spec import List, Task, TaskRef

from benchmarks.contest import Contender, Scale, expecting
from benchmarks.machine import NO_JOBLIB, WORKERS, Machine, blocks
from benchmarks.workload import Workload
from flowgraph import Graph, Retry, stage


def echo(x):
    return x


ECHO = stage(echo, retry=Retry(3))
SUM = stage(sum, retry=Retry(3))
PARTS = 2 * WORKERS


def plain(n):
    return sum([echo(k) for k in range(n)])


def block_of(numbers):
    return [echo(k) for k in numbers]


def sum_of_lists(lists):
    return sum(map(sum, lists))


def flow(n, options):
    g = Graph("fork-join")
    return g.run(g.task(SUM, [g.task(ECHO, k) for k in range(n)]), **options).value


def task_each(n, get):
    graph = {("echo", k): Task(("echo", k), echo, k) for k in range(n)}
    graph["sum"] = Task("sum", sum, List(*[TaskRef(key) for key in graph]))
    return get(graph, "sum")


def batched(n, get):
    parts = blocks(list(range(n)), PARTS)
    graph = {("block", k): Task(("block", k), block_of, part) for k, part in enumerate(parts)}
    graph["sum"] = Task("sum", sum_of_lists, List(*[TaskRef(key) for key in graph]))
    return get(graph, "sum")


def delayed(n, options):
    return dask.delayed(sum)([dask.delayed(echo)(k) for k in range(n)]).compute(**options)


def futures(n, executor):
    return sum([future.result() for future in [executor.submit(echo, k) for k in range(n)]])


def pool_each(n, pool):
    return sum([answer.get() for answer in [pool.apply_async(echo, (k,)) for k in range(n)]])


def joblib_each(n):
    from joblib import Parallel
    from joblib import delayed as later

    return sum(Parallel(n_jobs=WORKERS)(later(echo)(k) for k in range(n)))


def contenders(machine: Machine, scale: Scale) -> list[Contender]:
    """All who do it."""
    found: list[Contender] = []

    def add(name, where, n, call, *given, skipped=""):
        work = None if skipped else (lambda: call(n, *given))
        found.append(Contender(name, where, n, work, expecting(plain(n)), skipped))

    full = scale.of(1000, 200)
    add("plain Python", "", full, plain)
    for place in machine.places:
        some = scale.of(500, 100) if place == "cluster" else full
        add("flowgraph", place, full, flow, machine.flowgraph(place))
        add("Dask, task each", place, some, task_each, machine.dask(place))
        add("Dask, batched", place, full, batched, machine.dask(place, 1))
        few = scale.of(300, 50) if place == "cluster" else full
        add("dask.delayed", place, few, delayed, machine.collection(place))
    if "threads" in machine.places:
        add("concurrent.futures", "threads", full, futures, machine.threads)
    if "processes" in machine.places:
        add("concurrent.futures", "processes", full, futures, machine.processes)
        add("mp.Pool", "processes", full, pool_each, machine.pool)
        add("joblib", "processes", full, joblib_each, skipped=NO_JOBLIB)
    return found


WORKLOAD = Workload(
    "W3", "fork-join: separately declared no-op tasks, one join", "task", contenders
)
