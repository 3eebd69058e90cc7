"""W6: few long calls of pure Python, all of a length or some a hundred times longer."""

from __future__ import annotations

import random

from dask.task_spec import List, Task, TaskRef

from benchmarks.contest import Contender, Scale, expecting
from benchmarks.machine import NO_JOBLIB, WORKERS, Machine
from benchmarks.spin import spin, turns_for
from benchmarks.workload import Workload
from flowgraph import Graph, Retry, stage

SPIN = stage(spin, retry=Retry(3))
SLOW = 100
"""How many times longer the slow calls are."""


def plain(lengths):
    return [spin(length) for length in lengths]


def flow(lengths, options):
    g = Graph("cpu")
    return g.run(g.items(lengths).map(SPIN), **options).value


def task_each(lengths, get):
    graph = {("s", k): Task(("s", k), spin, length) for k, length in enumerate(lengths)}
    graph["all"] = List(*[TaskRef(("s", k)) for k in range(len(lengths))])
    return get(graph, "all")


def joblib_each(lengths):
    from joblib import Parallel, delayed

    return Parallel(n_jobs=WORKERS)(delayed(spin)(length) for length in lengths)


def uneven(number: int, turns: int) -> list[int]:
    """One call in twenty is slow; shuffled, in the same order every time."""
    lengths = [turns * (SLOW if k % 20 == 0 else 1) for k in range(number)]
    random.Random(3).shuffle(lengths)
    return lengths


def contenders(machine: Machine, scale: Scale) -> list[Contender]:
    """All who do it; threads of pure Python take turns and are left out."""
    found: list[Contender] = []

    def add(name, where, lengths, call, *given, skipped="", group=""):
        work = None if skipped else (lambda: call(lengths, *given))
        check = expecting(list(lengths))
        found.append(Contender(name + group, where, len(lengths), work, check, skipped, group))

    even = [turns_for(0.003 if scale.quick else 0.05)] * scale.of(64, 16)
    shuffled = uneven(scale.of(200, 60), turns_for(0.0001 if scale.quick else 0.0006))
    ahead = sorted(shuffled, reverse=True)
    lists = {"": even, ", uneven": shuffled, ", slow ones in front": ahead}
    for text, lengths in lists.items():
        add("plain Python", "", lengths if text else even[:16], plain, group=text)
    places = [place for place in machine.places if place != "threads"]
    for place in places:
        for text, lengths in lists.items():
            add("flowgraph", place, lengths, flow, machine.flowgraph(place), group=text)
        add("Dask, task each", place, even, task_each, machine.dask(place, 1))
    if "processes" in places:
        executor, pool = machine.processes, machine.pool
        add("concurrent.futures", "processes", even, lambda many: list(executor.map(spin, many)))
        add("joblib", "processes", even, joblib_each, skipped=NO_JOBLIB)
        for text, lengths in lists.items():
            add("mp.Pool, chunksize=1", "processes", lengths,
                lambda many: pool.map(spin, many, chunksize=1), group=text)  # fmt: skip
        add("mp.Pool", "processes", even, lambda many: pool.map(spin, many))
    return found


WORKLOAD = Workload("W6", "CPU: long calls of pure Python on two processes", "task", contenders)
