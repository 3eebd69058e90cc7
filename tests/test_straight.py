"""Quick single calls on threads: made in a row, until others had better help."""

from __future__ import annotations

import pickle
import threading

import pytest

from flowgraph import Graph, Retry, stage
from flowgraph.backends.foreman import Foreman
from flowgraph.backends.rule import Rule
from flowgraph.runtime.call import Slot
from flowgraph.runtime.calling import OneCall
from flowgraph.runtime.code import Code, Control, Parcel, Stage
from flowgraph.runtime.region import Region
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
        rule = Rule(workers=2, seconds=60, most=most)
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
