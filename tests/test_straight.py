"""Quick single calls on threads: made in a row, until others had better help."""

from __future__ import annotations

import pickle
import threading
from collections import namedtuple
from dataclasses import replace

import pytest

from flowgraph import Graph, Retry, StageError, StageTimeout, stage
from flowgraph.backends.foreman import Foreman
from flowgraph.backends.rule import Rule
from flowgraph.runtime.call import Slot
from flowgraph.runtime.calling import Calling
from flowgraph.runtime.code import Code, Control, Parcel, Stage
from flowgraph.runtime.failure import Failure
from flowgraph.runtime.onecall import OneCall
from flowgraph.runtime.place import Place
from flowgraph.runtime.region import Region
from flowgraph.runtime.scope import Scope
from flowgraph.runtime.work import perform

WAIT = 30.0
HERE = ["sync", "threads"]
"""Where values stay in the process."""


def region_of(*calls):
    return Region(
        task=0,
        node=0,
        name="call",
        stage="call",
        gives=(len(calls) - 1,),
        givers=(Place(len(calls) - 1, "call", "call"),),
        stages={0: "call"},
        calls=Parcel(calls, pickle.dumps),
    )


class Row:
    """A chain of calls, each of the one before, with a foreman for two threads."""

    def __init__(self, function, count=10, most=3):
        stages = (Stage("call", function, None, None, False),)
        self.control = Control(Code(stages, pickle.dumps, pickle.dumps))
        calls = [OneCall(0, 0, "0", (0,), (), ())]
        calls += [OneCall(0, k, str(k), (Slot(0),), (), (k - 1,)) for k in range(1, count)]
        rule = Rule(workers=2, seconds=60, most=most, row=most)
        self.foreman = Foreman(self.control, region_of(*calls), [], rule)

    def make(self, stint, known, busy=1e-6):
        outcome = perform(self.control, stint, known)
        outcome.value.busy = busy
        assert self.foreman.take(stint, outcome)

    def values(self):
        return self.foreman.outcome().value.values


def up(x):
    return x + 1


def test_quick_calls_are_made_in_a_row_one_stint_at_a_time():
    row, slots = Row(up), []
    while not row.foreman.over:
        stint, known = row.foreman.next()
        assert row.foreman.next() is None
        row.make(stint, known)
        slots.append(stint.slots)
    assert slots == [range(3), range(3, 6), range(6, 9), range(9, 10)]
    assert row.values() == [10]


def test_slow_calls_are_no_row_but_once_is_no_proof():
    """A thread that waited for another one was slow, its calls were not."""
    row = Row(up)
    row.make(*row.foreman.next(), busy=1.0)
    stint, known = row.foreman.next()
    assert stint.slots == range(3, 6)
    row.make(stint, known, busy=1.0)
    stint, known = row.foreman.next()
    assert stint.slots != range(6, 9)  # what only its reader reads goes with it
    row.make(stint, known)
    assert row.values() == [10]


def test_values_that_may_be_large_are_dropped_when_nobody_reads_them_any_more():
    made = []

    class Large:
        def __init__(self, before):
            made.append(1)

    row = Row(Large)
    stint, known = row.foreman.next()
    row.make(stint, known)
    while not row.foreman.over:
        stint, known = row.foreman.next()
        row.make(stint, known)
    held = [value for value in known.value.values if type(value) is Large]
    assert len(made) == 10
    assert len(held) == 1  # the wanted one


@pytest.mark.parametrize("workers", [2, 3])
def test_a_call_that_waits_for_those_behind_it_does_not_hold_them_up(workers):
    """What is not begun behind a slow call is given back, whoever has it."""
    there = threading.Event()

    def waits():
        return there.wait(WAIT)

    def sets(k):
        if k == 99:
            there.set()
        return k

    g = Graph("waits")
    nodes = [g.task(waits), *(g.task(sets, k) for k in range(100))]
    sums = [g.task(up, node) for node in nodes]
    run = g.run(*sums, scheduler="threads", workers=workers)
    assert run.value == (2, *range(1, 101))
    assert (run.stats.completed, run.stats.total) == (202, 202)
    assert sorted(record.count for record in run.attempts) == [1] * 202


def test_what_reads_values_made_before_a_slow_call_goes_on():
    there = threading.Event()
    g = Graph("reads")
    first = [g.task(up, k) for k in range(100)]
    slow = g.task(lambda: there.wait(WAIT), name="slow")
    behind = [g.task(up, node) for node in first]
    last = g.task(lambda *values: there.set() or sum(values), *behind, name="last")
    run = g.run(slow, last, scheduler="threads", workers=2)
    assert run.value == (True, sum(range(2, 102)))
    assert run.stats.completed == 202


@pytest.mark.parametrize("scheduler", HERE)
def test_what_is_tried_again_in_a_row_holds_up_only_its_readers(scheduler):
    failed = set()

    @stage(retry=Retry(2, wait=0.01))
    def flaky(k):
        if k % 10 == 3 and k not in failed:
            failed.add(k)
            raise OSError(k)
        return k

    g = Graph("flaky")
    nodes = [g.task(flaky, k) for k in range(200)]
    run = g.run(g.task(lambda *values: sum(values), *nodes, name="sum"), scheduler=scheduler)
    assert run.value == sum(range(200))
    assert run.stats.completed == 201
    assert run.stats.retried == 20


@pytest.mark.parametrize("scheduler", HERE)
def test_a_failure_in_a_row_skips_its_readers(scheduler):
    g = Graph("fails")
    nodes = [g.task(lambda k: 1 // (k - 70), k, name=f"n{k}") for k in range(150)]
    sums = [g.task(up, node) for node in nodes]
    run = g.run(*sums, scheduler=scheduler, workers=2, on_error="collect")
    stats = run.stats
    assert (stats.completed, stats.failed, stats.skipped) == (298, 1, 1)


@pytest.mark.parametrize("before", [0, 5])
def test_a_slow_call_that_fails_ends_the_run_with_its_own_error(before):
    """Though those behind it were given back, and those before it have counted."""
    made = []

    def boom():
        made.append(1)
        threading.Event().wait(0.15)
        raise ValueError("boom")

    g = Graph("boom")
    nodes = [g.task(up, k) for k in range(before)]
    nodes.append(g.task(boom))
    nodes += [g.task(up, k) for k in range(100)]
    with pytest.raises(StageError, match="boom"):
        g.run(*nodes, scheduler="threads", workers=2)
    assert made == [1]


def test_what_is_told_ahead_names_the_thread_that_made_it():
    g = Graph("who")
    nodes = [g.task(up, k) for k in range(50)]
    nodes.append(g.task(lambda: threading.Event().wait(0.1), name="slow"))
    nodes += [g.task(up, k) for k in range(50)]
    run = g.run(*nodes, scheduler="threads", workers=2)
    assert len(run.attempts) == 101
    assert not [record for record in run.attempts if "lookout" in record.worker]


@pytest.mark.parametrize("scheduler", HERE)
def test_a_call_whose_arguments_cannot_be_put_together_fails_alone(scheduler):
    class Pair(namedtuple("Pair", "a b")):
        @classmethod
        def _make(cls, items):
            raise RuntimeError("no pair")

    g = Graph("pairs")
    nodes = [g.task(up, k) for k in range(50)]
    g.task(len, Pair(nodes[0], 2), name="bad")
    for k in range(6000):
        g.task(up, k)
    run = g.run(scheduler=scheduler, workers=2, on_error="collect")
    stats = run.stats
    assert (stats.total, stats.completed, stats.failed) == (6051, 6050, 1)
    assert "no pair" in str(run.errors[0])


def test_what_waits_long_for_its_next_attempt_holds_up_nothing_behind_it():
    there, tried = threading.Event(), []

    @stage(retry=Retry(2, delays=[0.01, 3600]))
    def flaky():
        tried.append(1)
        if len(tried) < 3:
            raise OSError
        return True

    def nap(k):
        threading.Event().wait(0.0005)
        if k == 299:
            there.set()
        return k

    g = Graph("late")
    nodes = [g.task(flaky), *(g.task(nap, k) for k in range(300))]
    with pytest.raises(StageTimeout) as caught:
        g.run(*nodes, scheduler="threads", workers=2, timeout=3)
    assert there.is_set()
    assert len(tried) == 2
    assert caught.value.run.stats.completed >= 250


def test_counts_are_right_whoever_asks_first():
    g = Graph("counts")
    nodes = [g.task(up, k) for k in range(3000)]
    run = g.run(g.task(lambda *values: len(values), *nodes, name="all"), scheduler="sync")
    found = []
    threads = [threading.Thread(target=lambda: found.append(run.stats.completed)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [3001] * 4


def test_a_region_is_not_over_before_the_records_of_all_its_stints_have_come():
    """Another stint may see that the last call is made, before the one that made it has ended."""
    seen = []

    def make(k):
        if k == 1:
            stint, known = row.foreman.next()
            assert stint.slots == (2,)
            seen.append((stint, perform(row.control, stint, known)))
        return k

    def tell(stint, slots, bundle):
        row.foreman.look(stint, slots)

    row = Row(make)
    calls = [OneCall(0, k, str(k), (k,), (), ()) for k in range(3)]
    row.foreman = Foreman(row.control, region_of(*calls), [], Rule(workers=2, seconds=60, row=3))
    first, known = row.foreman.next(tell=tell)
    row.foreman.look(first, frozenset({2}))
    kept = Parcel(first.calls.open()[:2], pickle.dumps)
    outcome = perform(row.control, replace(first, slots=range(2), calls=kept, tell=None), known)
    outcome.value.left = frozenset({2})
    row.foreman.look(first, frozenset())
    ((other, made),) = seen
    assert row.foreman.take(other, made)
    assert not row.foreman.over
    assert row.foreman.take(first, outcome)
    assert row.foreman.over
    assert row.values() == [2]


def test_whoever_sees_that_a_call_is_made_sees_its_failure_too():
    """Its value is put last: another thread goes by it."""
    missing = {}

    class Watched(list):
        def __setitem__(self, place, value):
            assert type(value) is not Failure or place in missing
            super().__setitem__(place, value)

    def fails(x):
        raise ValueError(x)

    control = Control(
        Code((Stage("f", fails, None, None, False),), pickle.dumps, pickle.dumps), seals=False
    )
    values = Watched([None])
    calling = Calling(Scope(control, 0), values, missing)
    calling.make([(0, OneCall(0, 0, "f", (1,), (), ()))])
    assert type(values[0]) is Failure
