"""Single calls of coroutine functions wait side by side, on every backend."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from functools import partial

import pytest
from journal import Journal

from flowgraph import Graph, Retry, SkippedError, StageError, StageTimeout, WorkerDied, stage
from flowgraph.compiler.abreast import abreast
from flowgraph.compiler.freeze import freeze
from flowgraph.compiler.fuse import fuse
from flowgraph.compiler.steps import Group
from flowgraph.testing import run_plain

SECONDS = 30


class Inside:
    """A place where coroutines wait for one another; one in each process."""

    def __init__(self, awaited):
        self.awaited = awaited
        self.inside = 0
        self.enough = None

    async def __call__(self, k):
        self.enough = self.enough or asyncio.Event()
        self.inside += 1
        if self.inside >= self.awaited:
            self.enough.set()
        await asyncio.wait_for(self.enough.wait(), SECONDS)
        return k

    def __reduce__(self):
        return _inside, (self.awaited,)


_places: dict[int, Inside] = {}


def _inside(awaited):
    return _places.setdefault(awaited, Inside(awaited))


async def call(place, k):
    return await place(k)


def add(*numbers):
    return sum(numbers)


async def counted(k):
    return iter(range(k))


async def tail(values):
    return iter(values[1:])


async def broken():
    return map(int, ["1", "?"])


# On every backend


def test_an_iterator_is_listed_as_everywhere(backend):
    """It could be read only once, and has two readers."""
    g = Graph("iterator")
    node = g.task(counted, 3)
    assert backend.run(g, g.task(sum, node), g.task(max, node)).value == (3, 2)
    alone = Graph("alone")
    assert backend.run(alone, alone.task(counted, 2)).value == [0, 1]
    by_length = alone.items(["a", "bc", "d"]).map_reduce(str.upper, tail, key=len)
    assert backend.run(alone, by_length).value == {1: ["D"], 2: []}


def test_an_iterator_that_fails_fails_its_call(backend):
    g = Graph("broken")
    with pytest.raises(StageError, match="invalid literal"):
        backend.run(g, g.task(broken))


@pytest.mark.parametrize("timed", [None, 30])
@pytest.mark.parametrize("of_items", [False, True])
def test_none_is_begun_when_the_run_is_over(of_items, timed):
    """They wait for a loop that one of them blocks."""
    begun, go_on = [], threading.Event()

    @stage(timeout=timed)
    async def blocks(k):
        begun.append(k)
        go_on.wait(SECONDS)

    g = Graph("blocked")
    nodes = [g.items(range(6)).map(blocks)] if of_items else [g.task(blocks, k) for k in range(6)]
    with pytest.raises(StageTimeout):
        g.run(*nodes, scheduler="threads", workers=2, timeout=0.3)
    go_on.set()
    after = Graph("after")
    after.run(after.task(counted, 1), scheduler="threads", workers=2)
    assert len(begun) <= 1


def test_so_many_are_under_way_as_their_worker_has(backend):
    """They would not end if one waited for the other's end."""
    g, place = Graph("crowd"), Inside(20)
    nodes = [g.task(call, place, k) for k in range(40)]
    assert backend.run(g, g.task(add, *nodes)).value == sum(range(40))


def test_what_follows_each_goes_on_by_itself(backend):
    g, place = Graph("followed"), Inside(10)
    nodes = [g.task(add, g.task(call, place, k), 1) for k in range(20)]
    run = backend.run(g, *nodes, g.task(add, *nodes))
    assert run.value == (*range(1, 21), sum(range(1, 21)))
    assert (run.stats.completed, run.stats.total) == (41, 41)


def test_readers_may_stand_between_those_they_read(backend):
    g = Graph("mixed")
    numbers = g.param("n", default=3)
    made = []
    for k in range(8):
        made.append(g.task(call, _times(2), numbers, after=g.task(abs, 1), name=f"first-{k}"))
        made.append(g.task(add, made[-1], made[0], k, name=f"second-{k}"))
    assert backend.run(g, *made).value == run_plain(g, *made)


def _times(factor):
    return partial(_multiplied, factor)


async def _multiplied(factor, k):
    await asyncio.sleep(0)
    return factor * k


def test_a_limit_holds_over_all_of_them(backend, tmp_path):
    journal = Journal(tmp_path)

    @stage(max_concurrency=6)
    async def limited(k):
        journal.note("begins")
        await asyncio.sleep(0.02)
        journal.note("ends")
        return k

    g = Graph("limited")
    nodes = [g.task(limited, k) for k in range(30)]
    assert backend.run(g, g.task(add, *nodes)).value == sum(range(30))
    assert 2 < journal.most_at_once() <= 6


def test_one_that_cancels_itself_has_failed_as_any_other(backend):
    async def work(k):
        if k == 3:
            asyncio.current_task().cancel()
        await asyncio.sleep(0)
        return k

    for timeout in (None, 60):
        g = Graph("cancelled")
        nodes = [g.task(stage(work, timeout=timeout), k) for k in range(8)]
        run = backend.run(g, *nodes, on_error="collect")
        (error,) = run.errors
        assert (error.node, type(error.__cause__)) == ("work-4", asyncio.CancelledError)
        assert [run[node] for k, node in enumerate(nodes) if k != 3] == [0, 1, 2, 4, 5, 6, 7]


def test_a_failure_is_not_kept_waiting_by_plain_calls(backend, tmp_path):
    journal = Journal(tmp_path)

    async def fetch(k):
        await asyncio.sleep(0.1 * (k == 1))
        if k == 1:
            raise ValueError(k)
        return k

    def parse(k):
        journal.note("parsed")
        time.sleep(0.05)
        return k

    g = Graph("failing")
    nodes = [g.task(parse, g.task(fetch, k)) for k in range(60)]
    with pytest.raises(StageError, match="ValueError"):
        backend.run(g, *nodes)
    assert len(journal.entries("parsed")) < 30


@pytest.mark.parametrize("name", ["processes"])
def test_a_process_that_dies_is_told_with_all_that_it_had(name):
    async def work(k):
        if k == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        await asyncio.sleep(SECONDS if k < 4 else 0)

    g = Graph("dying")
    nodes = [g.task(stage(work, name="w"), k, name=f"n{k}") for k in range(10)]
    run = g.run(*nodes, scheduler=name, workers=2, on_error="collect")
    assert [error.node for error in run.errors] == ["n0", "n1", "n2", "n3", "n4"]
    (cause,) = {error.__cause__ for error in run.errors[:1]}
    assert isinstance(cause, WorkerDied)
    assert (cause.stage, cause.deaths) == ("w", 1)
    assert "while it ran one of 5 calls, from 'n0' to 'n4'" in str(cause)


def test_failures_are_those_of_one_call(backend):
    tried = {}

    @stage(retry=Retry(2, delays=[0.01], on=ValueError))
    async def work(k):
        await asyncio.sleep(0)
        tried[k] = tried.get(k, 0) + 1
        if k % 5 == 1 or (k % 5 == 2 and tried[k] < 3):
            raise ValueError(k)
        if k % 5 == 3:
            raise KeyError(k)
        return k

    g = Graph("failing")
    nodes = [g.task(work, k) for k in range(20)]
    after = [g.task(add, node, 100) for node in nodes]
    run = backend.run(g, *after, on_error="collect")
    for k, node in enumerate(after):
        if k % 5 in (1, 3):
            with pytest.raises(SkippedError, match=f"'{nodes[k].name}' failed"):
                run[node]
        else:
            assert run[node] == k + 100
    attempts = sorted((error.node, error.attempts) for error in run.errors)
    assert attempts == sorted(
        (nodes[k].name, 3 - 2 * (k % 5 == 3)) for k in range(20) if k % 5 in (1, 3)
    )
    counts = run.stages[0]
    assert (counts.completed, counts.failed, counts.retried) == (12, 8, 8 + 8)


def test_the_first_failure_cancels_the_others(backend, tmp_path):
    journal = Journal(tmp_path)

    async def work(k):
        if k == 7:
            raise ValueError(k)
        try:
            await asyncio.sleep(SECONDS)
        except asyncio.CancelledError:
            journal.note("cancelled")
            raise

    g = Graph("failing")
    nodes = [g.task(work, k) for k in range(10)]
    begun = time.monotonic()
    with pytest.raises(StageError) as caught:
        backend.run(g, *nodes)
    assert caught.value.node == "work-8"
    journal.wait("cancelled", 4)  # those of its own task; of others what had begun
    assert time.monotonic() - begun < SECONDS / 2


def test_a_time_limit_is_that_of_an_attempt(backend):
    @stage(timeout=0.1)
    async def work(k):
        await asyncio.sleep(SECONDS if k == 3 else 0.0)
        return k

    g = Graph("timed")
    nodes = [g.task(work, k) for k in range(8)]
    run = backend.run(g, *nodes, on_error="collect")
    (error,) = run.errors
    assert (error.node, type(error.__cause__)) == ("work-4", StageTimeout)
    assert [run[node] for k, node in enumerate(nodes) if k != 3] == [0, 1, 2, 4, 5, 6, 7]


def test_those_under_a_condition_are_made_or_not(backend):
    g, place = Graph("conditions"), Inside(5)
    flag = g.task(bool, 1)
    yes = [g.when(flag, call, place, k) for k in range(10)]
    no = [g.when(g.task(bool, 0), _multiplied, 2, k, otherwise=max) for k in range(10)]
    assert backend.run(g, *yes, *no).value == (*range(10), 2, 2, *range(2, 10))


# The pass


def after_pass(g, *targets, workers=2):
    dag = fuse(freeze(g.name, g.steps, tuple(target.name for target in targets)))
    made = abreast(dag, workers)
    assert abreast(made, workers) == made
    return made


def groups(dag):
    return [[member.name for member in s.members] for s in dag.steps if isinstance(s, Group)]


def test_calls_that_wait_for_the_same_are_shared_among_the_workers():
    g = Graph("crowd")
    x, y = g.task(abs, 1), g.task(abs, 2)
    nodes = [g.task(_multiplied, x, y) for _ in range(5)] + [
        g.task(_multiplied, y, 1) for _ in "ab"
    ]
    dag = after_pass(g, *nodes)
    first = [node.name for node in nodes]
    assert groups(dag) == [first[:2], first[2:5]]
    assert str(dag).splitlines()[3:5] == [
        "  _multiplied… = group of 2: _multiplied(abs, abs-2) ; …",
        "  _multiplied-3… = group of 3: _multiplied(abs, abs-2) ; …",
    ]


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ({}, [3, 4]),
        ({"rate": 5}, []),
        ({"max_concurrency": 2}, []),
        ({"max_concurrency": 3}, [3, 4]),
        ({"resources": {"GPU": 1}}, []),
        ({"max_concurrency": 50, "timeout": 1, "retry": 3}, [3, 4]),
        ({"sequential": True}, []),
        ({"batch_size": 2, "pause": 1}, []),
    ],
)
def test_limits_and_groups(options, sizes):
    g = Graph("crowd")
    wrapped = stage(_multiplied, **options)
    dag = after_pass(g, *[g.task(wrapped, 1, k) for k in range(7)])
    assert [len(group) for group in groups(dag)] == sizes


@pytest.mark.parametrize(("most", "sizes"), [(4, [6, 7, 7]), (3, [5, 5, 5, 5]), (20, [10, 10])])
def test_a_task_has_a_few_times_as_many_as_may_be_under_way_in_it(most, sizes):
    g = Graph("limited")
    wrapped = stage(_multiplied, max_concurrency=most)
    dag = after_pass(g, *[g.task(wrapped, 1, k) for k in range(20)])
    assert [len(group) for group in groups(dag)] == sizes


def test_what_begins_with_a_plain_call_stays_apart():
    g = Graph("prepared")
    prepared = [g.task(_multiplied, 1, g.task(abs, k)) for k in range(9)]
    assert groups(after_pass(g, *prepared)) == []


def test_few_calls_and_plain_functions_stay_apart():
    g = Graph("few")
    few = [g.task(_multiplied, 1, k) for k in range(2)]
    plain = [g.task(add, k) for k in range(10)]
    apart = [g.task(_multiplied, 2, k).annotate(priority=k) for k in range(3)]
    assert groups(after_pass(g, *few, *plain, *apart)) == []
