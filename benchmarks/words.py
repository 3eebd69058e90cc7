"""W4: how often each word occurs in many lines."""

from __future__ import annotations

import operator
import pickle
import random
from collections import Counter
from functools import cache
from itertools import accumulate

from dask import bag
from dask.task_spec import List, Task, TaskRef

from benchmarks.contest import Contender, Scale, expecting
from benchmarks.machine import NO_JOBLIB, WORKERS, Machine, blocks, packed
from benchmarks.workload import Workload
from flowgraph import Graph, Retry, stage


def one(_):
    return 1


SPLIT = stage(str.split, retry=Retry(3), name="split")
ADD = stage(operator.add, retry=Retry(3))
PARTS = 4 * WORKERS


@cache
def text(number: int, words: int = 20_000) -> list[str]:
    """So many lines of eight words, drawn by Zipf's law; the same ones every time."""
    names = [f"word{k:x}" for k in range(words)]
    weights = list(accumulate(1 / (k + 1) for k in range(words)))
    drawn = random.Random(7).choices(names, cum_weights=weights, k=8 * number)
    return [" ".join(drawn[start : start + 8]) for start in range(0, 8 * number, 8)]


def plain(lines):
    counts = {}
    for line in lines:
        for word in line.split():
            counts[word] = counts.get(word, 0) + 1
    return counts


def count_block(lines):
    """What an expert writes by hand: `Counter` counts in C."""
    counts = Counter()
    for line in lines:
        counts.update(line.split())
    return counts


def count_packed(block):
    return packed(count_block(pickle.loads(block)))


def merge(counts):
    total = Counter()
    for part in counts:
        total.update(part)
    return total


def merge_packed(counts):
    return packed(merge(map(pickle.loads, counts)))


def flow(lines, options):
    g = Graph("words")
    counts = g.items(lines).flat_map(SPLIT).reduce_by(str, ADD, one)
    return dict(g.run(counts, **options).value)


def batched(lines, get, pack):
    """Counters of batches, merged by one task; on a cluster all of it as bytes."""
    call, join, form = (count_packed, merge_packed, packed) if pack else (count_block, merge, list)
    parts = blocks(lines, PARTS)
    graph = {("count", k): Task(("count", k), call, form(part)) for k, part in enumerate(parts)}
    graph["all"] = Task("all", join, List(*[TaskRef(key) for key in graph]))
    if not pack:
        return get(graph, "all")
    return pickle.loads(get(graph, "all"))


def bagged(lines, options):
    source = bag.from_sequence(lines, npartitions=PARTS)
    return dict(source.map(str.split).flatten().frequencies().compute(**options))


def joblib_batched(lines):
    from joblib import Parallel, delayed

    return merge(Parallel(n_jobs=WORKERS)(delayed(count_block)(b) for b in blocks(lines, PARTS)))


def contenders(machine: Machine, scale: Scale) -> list[Contender]:
    """All who do it."""
    found: list[Contender] = []

    def add(name, where, n, call, *given, skipped=""):
        lines = text(n)
        work = None if skipped else (lambda: call(lines, *given))
        found.append(Contender(name, where, n, work, expecting(plain(lines)), skipped))

    full = scale.of(200_000, 10_000)
    add("plain Python", "", full, plain)
    add("plain Python, Counter", "", full, count_block)
    for place in machine.places:
        add("flowgraph", place, full, flow, machine.flowgraph(place))
        add("Dask, batched", place, full, batched, machine.dask(place, 1), place == "cluster")
        some = scale.of(20_000, 2000) if place == "cluster" else full
        add("dask.bag", place, some, bagged, machine.collection(place))
    if "processes" in machine.places:
        pool, executor = machine.pool, machine.processes
        add("concurrent.futures, batched", "processes", full,
            lambda lines: merge(executor.map(count_block, blocks(lines, PARTS))))  # fmt: skip
        add("mp.Pool, batched", "processes", full,
            lambda lines: merge(pool.imap(count_block, blocks(lines, PARTS))))  # fmt: skip
        add("joblib, batched", "processes", full, joblib_batched, skipped=NO_JOBLIB)
    return found


WORKLOAD = Workload("W4", "words: lines of 8 words, Zipf over 20 000 words", "line", contenders)
