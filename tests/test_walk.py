"""Calls made in a row, as they were declared; another thread ends the row at a slow one."""

from __future__ import annotations

import threading
import weakref
from math import inf
from types import SimpleNamespace

import pytest

from flowgraph import Graph, Retry, StageTimeout, stage
from flowgraph.runtime.call import in_order
from flowgraph.runtime.code import Code, Control
from flowgraph.runtime.lookout import lookout
from flowgraph.runtime.onecall import UNREACHED
from flowgraph.runtime.row import Row
from flowgraph.runtime.scope import Halt, Scope
from flowgraph.runtime.walk import GRACE, QUICK, Walk

WAIT = 30.0
HERE = ["sync", "threads"]


def chain(function, count=6):
    """A walk along calls each of the one before, the first one of an input that is 0."""
    calls = [
        SimpleNamespace(needs=(k,), args=in_order(1), kwargs=(), stage="f") for k in range(count)
    ]
    return Walk(Row(calls, range(count), {"f": function}), [0])


def scope(clock=None, **options):
    return Scope(Control(Code((), None, None), **options), 0, clock)


class Ticking:
    """A clock that is so much further at each look, in seconds."""

    def __init__(self, tick):
        self.time, self.tick = 0.0, tick

    def now(self):
        self.time += self.tick
        return self.time


def up(x):
    return x + 1


def test_a_row_is_made_a_stint_at_a_time():
    walk, notes = chain(up), scope()
    assert walk.make(notes, range(1, 4), inf) is None
    assert (walk.made, walk.values[-2:]) == (3, [2, 3])
    assert walk.make(notes, range(4, 7), inf) is None
    assert walk.values == [0, 1, 2, 3, 4, 5, 6]
    assert not walk.is_over
    records = list(notes.bundle().records())
    assert [record[0] for record in records] == list(range(6))
    starts = [start for *_, start, _ in records]
    assert starts == sorted(starts)
    assert all(seconds >= 0 for *_, seconds in records)


def test_a_row_ends_when_time_is_up_but_never_without_a_call():
    walk = chain(up)
    walk.make(scope(Ticking(0.1)), range(1, 7), 0.0)
    assert walk.made == 1


def test_what_is_behind_a_slow_call_is_given_back_and_the_slow_one_is_kept():
    told = []

    def slow(x):
        if x == 2:
            walk.look(until + GRACE / 2)
            assert not told
            walk.look(until + GRACE)
            walk.look(inf)
        return x + 1

    walk, until = chain(slow), 1e12
    assert walk.make(scope(), range(1, 7), until, told.append) is None
    assert told == [frozenset({4, 5, 6}), frozenset()]
    assert (walk.made, walk.given_back) == (3, {4, 5, 6})


def test_a_call_that_lasts_from_one_look_to_the_next_is_slow_however_long_the_row_may_last(
    monkeypatch,
):
    monkeypatch.setattr(lookout, "watch", lambda walk: None)  # the test is who looks
    told = []

    def slow(x):
        walk.look(0.0)
        if x == 2:
            walk.look(0.0)
        return x + 1

    walk = chain(slow)
    walk.make(scope(), range(1, 7), 1e12, told.append)
    assert told == [frozenset({4, 5, 6})]


def test_a_row_of_slow_calls_ends_soon_and_one_of_quick_calls_when_time_is_up():
    def made(tick):
        walk = chain(up, 10_000)
        walk.make(scope(Ticking(tick)), range(1, 10_001), 0.1)
        return walk.made

    assert 1900 <= made(QUICK) <= 2000
    assert 9 <= made(QUICK * 20) <= 15


def test_values_that_are_numbered_meanwhile_get_that_of_the_slow_call():
    seen = []

    def tell(slots):
        seen.append(list(walk.number()))

    def slow(x):
        if x == 2:
            walk.look(inf)
        return x + 1

    walk = chain(slow)
    walk.make(scope(), range(1, 7), 1e12, tell)
    assert seen == [[0, 1, 2, *[UNREACHED] * 4]]
    assert walk.is_over
    assert walk.number() == [0, 1, 2, 3, *[UNREACHED] * 3]


def test_the_call_that_is_next_when_a_row_is_ended_between_two_is_made():
    """It is not given back, as it may have been begun."""

    class Watched(list):
        def append(self, value):
            super().append(value)
            if value == 2:
                walk.look(inf)

    told = []
    walk = chain(up)
    walk.values = Watched(walk.values)
    assert walk.make(scope(), range(1, 7), 1e12, told.append) is None
    assert told == [frozenset({4, 5, 6})]
    assert walk.made == 3


@pytest.mark.parametrize("looks", [False, True])
def test_what_a_call_raises_ends_the_row_before_it(looks):
    def fails(x):
        if x == 2:
            if looks:
                walk.look(inf)
            raise ValueError(x)
        return x + 1

    walk = chain(fails)
    raised = walk.make(scope(), range(1, 7), 1e12, lambda slots: None)
    assert str(raised.error) == "2"
    assert walk.made == 2
    assert walk.given_back == (frozenset({4, 5, 6}) if looks else frozenset())


def test_a_row_stops_when_its_run_is_over_and_has_what_was_made():
    stop = threading.Event()

    def last(x):
        stop.set()
        threading.Event().wait(0.01)  # until it looks again
        return x + 1

    walk = chain(last)
    with pytest.raises(Halt):
        walk.make(scope(stop=stop), range(1, 7), inf)
    assert walk.number() == [0, 1, *[UNREACHED] * 5]


def test_nothing_is_told_of_a_stint_that_is_over():
    told = []
    walk = chain(up)
    walk.make(scope(), range(1, 4), 1e12, told.append)
    walk.look(inf)
    assert not told


@pytest.mark.parametrize("scheduler", HERE)
def test_one_that_fails_amid_slow_ones_is_tried_again_and_all_count_once(scheduler):
    tried = []

    @stage(retry=Retry(2, wait=0.01))
    def flaky(x):
        tried.append(x)
        if x == 7 and tried.count(7) < 3:
            threading.Event().wait(0.1)
            raise OSError(x)
        return x

    g = Graph("flaky")
    nodes = [g.task(flaky, k) for k in range(200)]
    run = g.run(g.task(lambda *values: sum(values), *nodes, name="sum"), scheduler=scheduler)
    assert run.value == sum(range(200))
    assert (run.stats.completed, run.stats.retried) == (201, 2)
    assert sorted(tried) == sorted([*range(200), 7, 7])


@pytest.mark.parametrize("scheduler", HERE)
@pytest.mark.parametrize("bad", [{"timeout": 60}, {}], ids=["a time limit", "a condition"])
def test_calls_that_owe_more_than_a_call_are_no_row_but_run(scheduler, bad):
    g = Graph("mixed")
    first = [g.task(stage(up, **bad), k) for k in range(100)]
    if not bad:
        first = [g.when(node, up, node, otherwise=up) for node in first]
    run = g.run(g.task(lambda *values: sum(values), *first, name="sum"), scheduler=scheduler)
    assert run.value == sum(range(1, 101)) + (0 if bad else 100)


@pytest.mark.parametrize("scheduler", HERE)
def test_arguments_of_all_kinds_arrive_in_a_row(scheduler):
    def told(*args, **kwargs):
        return args, kwargs

    g = Graph("arguments")
    ones = [g.task(up, k) for k in range(200)]
    nodes = [
        g.task(told, ones[0], 5, [ones[1], {"a": ones[2]}], key=ones[3], other=(ones[4], "x")),
        g.task(told, (1, 2), [3], key={"b": 4}),
        g.task(iter, [1, 2, 3]),
        g.task(told),
    ]
    run = g.run(*nodes, *ones, scheduler=scheduler, workers=2)
    assert run.value[:4] == (
        ((1, 5, [2, {"a": 3}]), {"key": 4, "other": (5, "x")}),
        (((1, 2), [3]), {"key": {"b": 4}}),
        [1, 2, 3],
        ((), {}),
    )


@pytest.mark.parametrize("scheduler", HERE)
def test_a_row_reads_what_is_before_it_and_gives_to_what_is_behind(scheduler):
    g = Graph("between")
    items = g.items(range(10)).map(up)
    total = items.reduce(lambda a, b: a + b)
    row = [g.task(up, total)]
    for _ in range(200):
        row.append(g.task(up, row[-1]))
    behind = g.items(row[-1:] + row[:1]).map(up)
    run = g.run(behind, row[50], scheduler=scheduler, workers=2)
    assert run.value == ([257, 57], 106)


@pytest.mark.parametrize("behind", [1, 100])
def test_a_row_in_the_callers_thread_ends_when_the_run_has_no_time_left(behind):
    g = Graph("late")
    nodes = [g.task(up, k) for k in range(100)]
    slow = g.task(lambda *values: threading.Event().wait(0.3), *nodes, name="slow")
    last = [g.task(lambda x: x, slow, name=f"last-{k}") for k in range(behind)]
    with pytest.raises(StageTimeout) as caught:
        g.run(*last, scheduler="sync", timeout=0.1)
    assert caught.value.run.stats.completed >= 100


def test_values_that_nobody_reads_any_more_are_dropped_beside_a_slow_call():
    class Large:
        pass

    made, alive = [], []

    def large(k):
        made.append(weakref.ref(value := Large()))
        return value

    def count(*_):
        alive.append(sum(ref() is not None for ref in made))

    g = Graph("dropped")
    read = [g.task(lambda value: 1, g.task(large, k), name=f"read-{k}") for k in range(100)]
    slow = g.task(lambda *_: threading.Event().wait(0.2), *read, name="slow")
    row = [g.task(count, slow)]
    for _ in range(5):
        row.append(g.task(lambda *_: threading.Event().wait(0.02), row[-1], name=f"w{len(row)}"))
    last = g.task(count, row[-1])
    g.run(last, scheduler="threads", workers=2)
    assert alive[-1] == 0
