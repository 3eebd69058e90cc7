"""Coroutine stages, on every backend: items wait side by side, and keep all promises of a stage."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from contextvars import ContextVar

import pytest
from journal import PATIENCE, Journal

from flowgraph import Graph, Retry, StageError, stage


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path)


async def double(x):
    await asyncio.sleep(0)
    return 2 * x


async def add(left, right):
    await asyncio.sleep(0)
    return left + right


# Side by side


def test_two_thousand_waits_go_side_by_side_and_never_more_than_allowed(backend):
    @stage(max_concurrency=200)
    async def waits(k):
        await asyncio.sleep(0.05)
        return k

    g = Graph("many")
    items = g.items(range(2_000)).map(waits)
    backend.run(g, g.items(range(4)).map(waits))  # workers and their loops are up
    begun = time.perf_counter()
    run = backend.run(g, items)
    took, ideal = time.perf_counter() - begun, 2_000 / 200 * 0.05
    print(f"{backend.name}: {took / ideal:.2f} of the ideal")
    assert run.value == list(range(2_000))
    assert took < 10 * ideal
    moves = [(r.start, 1) for r in run.attempts] + [(r.end, -1) for r in run.attempts]
    inside = most = 0
    for _, move in sorted(moves):
        inside += move
        most = max(most, inside)
    assert 100 < most <= 200


def test_two_coroutine_stages_have_no_barrier(backend, journal):
    """The last item is in the first stage until one has left the second."""

    async def first(k):
        until = time.monotonic() + PATIENCE
        while k == 9 and not journal.has("through") and time.monotonic() < until:
            await asyncio.sleep(0.005)
        journal.note("first", k)
        return k

    async def second(k):
        journal.note("through", k)
        return -k

    g = Graph("overlap")
    many = stage(first, batch_size=10)
    assert backend.run(g, g.items(range(10)).map(many).map(second)).value == [-k for k in range(10)]
    assert journal.items("first")[-1] == "9"
    assert journal.times("through")[0] < journal.times("first")[-1]


def test_one_that_waits_for_its_next_attempt_holds_up_no_other(backend, journal):
    @stage(max_concurrency=1, batch_size=6, retry=Retry(1, delays=[0.3]))
    async def flaky(k):
        journal.note("tried", k)
        if k == 0 and len(journal.items("tried")) == 1:
            raise OSError
        return k

    g = Graph("flaky")
    run = backend.run(g, g.items(range(6)).map(flaky))
    assert run.value == list(range(6))
    assert journal.items("tried") == ["0", "1", "2", "3", "4", "5", "0"]


def test_order_is_that_of_the_source_whoever_is_done_first(backend):
    async def later_items_first(k):
        for _ in range(60 - 3 * k):
            await asyncio.sleep(0)
        return k

    g = Graph("order")
    assert backend.run(g, g.items(range(20)).map(later_items_first)).value == list(range(20))


# All that a stage can be


async def is_even(x):
    return x % 2 == 0


async def twice(x):
    return [x, x]


def test_coroutines_filter_spread_and_unpack(backend):
    g = Graph("kinds")
    items = g.items(range(6))
    kept = items.filter(is_even).flat_map(twice).map(double)
    pairs = items.enumerate().starmap(add)
    assert backend.run(g, kept, pairs).value == ([0, 0, 4, 4, 8, 8], [0, 2, 4, 6, 8, 10])


def test_coroutines_combine_join_and_are_called_once(backend):
    async def listed(items):
        return list(items)

    async def joined(a, b):
        return a, b

    g = Graph("combine")
    items = g.items(range(10))
    nodes = [
        items.reduce(add, 100),
        items.reduce_by(lambda k: k % 3, add),
        items.map_reduce(double, listed),
        g.fork_join({"a": (double, 4), "b": functools.partial(double, 5)}, joined),
        g.task(double, g.task(double, 1)),
        g.when(g.task(bool, 1), double, 3),
    ]
    wanted = (145, [(0, 18), (1, 12), (2, 15)], [2 * k for k in range(10)], (8, 10), 4, 6)
    assert backend.run(g, *nodes).value == wanted


class Scale:
    def __init__(self, by):
        self.by = by

    async def times(self, x):
        return x * self.by

    @staticmethod
    async def same(x):
        return x

    async def __call__(self, x):
        return -x * self.by


def test_methods_partials_and_objects_whose_call_is_a_coroutine_are_awaited(backend):
    scale = Scale(3)
    works = [scale.times, functools.partial(add, 3), Scale.same, scale, stage(scale.times, retry=1)]
    g = Graph("callables")
    nodes = [g.items([1, 2]).map(work) for work in works]
    assert backend.run(g, *nodes).value == ([3, 6], [4, 5], [1, 2], [-3, -6], [3, 6])


# Where they run


def test_a_graph_runs_inside_a_running_loop(backend):
    """As in a notebook; the caller's loop waits meanwhile."""
    g = Graph("cell")
    nodes = g.items(range(5)).map(double), g.task(double, 4), g.items(range(5)).reduce(add)

    async def main():
        return backend.run(g, *nodes).value

    assert asyncio.run(main()) == ([0, 2, 4, 6, 8], 8, 10)


@stage
def calls_a_graph(x):
    g = Graph("inner")
    return g.run(g.items([x]).map(double), scheduler="threads", workers=1).value


def test_a_stage_may_run_a_graph_of_coroutines(backend):
    g = Graph("outer")
    assert backend.run(g, g.items([1, 2]).map(calls_a_graph)).value == [[2], [4]]


SEEN = ContextVar("SEEN", default="nothing")


def test_a_coroutine_must_not_wait_for_a_run_of_coroutines(backend):
    """It holds up the loop that these need; in a thread it may."""

    async def inner(x, how):
        g = Graph("inner")
        node = g.task(double, x)
        if how == "waits":
            return g.run(node, scheduler="threads", workers=1).value
        run = await asyncio.to_thread(g.run, node, scheduler="threads", workers=1)
        return run.value

    g = Graph("outer")
    assert backend.run(g, g.task(inner, 3, "lets others")).value == 6
    with pytest.raises(StageError, match="await asyncio.to_thread"):
        backend.run(g, g.task(inner, 3, "waits"))


@pytest.mark.parametrize("how", ["task", "row"])
def test_a_coroutine_that_a_function_gives_is_no_value(how, backend):
    def forgets(x):
        return double(x)

    g = Graph("forgets")
    if how == "task":
        node = g.task(forgets, 1)
    else:
        node = g.task(list, [g.task(abs, k) for k in range(100)] + [g.task(forgets, 1)])
    with pytest.raises(StageError, match=r"the coroutine double\(\) without awaiting it"):
        backend.run(g, node)


def test_coroutines_see_the_callers_context_as_functions_do_and_have_one_each():
    """On sync; elsewhere a worker has a context of its own."""

    async def looks(k):
        found = SEEN.get()
        SEEN.set(k)
        await asyncio.sleep(0)
        return found, SEEN.get()

    g = Graph("context")
    token = SEEN.set("mine")
    try:
        plain, awaited, once = g.run(
            g.task(SEEN.get), g.items(range(3)).map(looks), g.task(looks, 7), scheduler="sync"
        ).value
    finally:
        SEEN.reset(token)
    assert plain == "mine"
    assert awaited == [("mine", k) for k in range(3)]
    assert once == ("mine", 7)


def test_all_coroutines_of_a_process_run_in_one_thread_of_their_own(backend):

    async def where(_):
        return threading.current_thread().name

    g = Graph("thread")
    assert set(backend.run(g, g.items(range(4)).map(where)).value) == {"flowgraph-loop"}
