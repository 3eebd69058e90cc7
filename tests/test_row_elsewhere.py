"""Quick single calls in other processes: sent and made in rows, as they stand."""

from __future__ import annotations

import os
import pickle
import random
import threading
import time
from dataclasses import replace
from math import inf
from types import SimpleNamespace
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal import Journal

from conftest import BACKENDS, backend_named
from flowgraph import Graph, Retry, StageError, StageTimeout, stage
from flowgraph.backends.foreman import Foreman
from flowgraph.backends.rule import Rule
from flowgraph.compiler.batches import Shape
from flowgraph.compiler.pipeline import compile_declared
from flowgraph.runtime import pickling, walk
from flowgraph.runtime.captives import Captives
from flowgraph.runtime.code import Control
from flowgraph.runtime.failure import Skip
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.work import perform

SHAPE = Shape(workers=2, hands_out=True, halts=True)


class Site:
    """A foreman of a graph's calls, and stints on their way: each there and back in bytes."""

    def __init__(self, graph, *targets, first=1):
        plan = compile_declared(graph, targets, {}, SHAPE)
        self.control = Control(plan.code, seals=True)
        rule = Rule(workers=2, seconds=5e-3, first=first)
        self.foreman = Foreman(self.control, plan.jobs[0].work, [], rule, travels=True)
        self.sent = []
        self.done = 0

    def send(self):
        """Hand out what can be handed out; gives the places of the new stints."""
        new = []
        while (handed := self.foreman.next()) is not None:
            new.append(handed)
        self.sent += new
        return [stint.slots for stint, _ in new]

    def make(self, number=0, seconds=inf, busy=1e-6):
        """Make a stint that was sent, and take what comes back; gives the places that it left.

        How long it may take, and took, is said and not measured: else it depends on the machine.
        """
        stint, known = self.sent.pop(number)
        there = pickle.loads(pickling.dumps((replace(stint, seconds=seconds), known)))
        # Else a row is looked at after a millisecond.
        with mock.patch.object(walk, "_LOOK", walk._LOOK if seconds == inf else 1e-9):
            outcome = perform(self.control, *there)
        outcome = pickle.loads(pickling.dumps(outcome))
        done, bundle = outcome.value, outcome.bundle
        done.busy = busy
        outcome = Outcome(done)
        outcome.bundle = bundle
        assert self.foreman.take(stint, outcome)
        self.done += len(stint.slots) - len(outcome.value.left)
        return outcome.value.left

    def end(self):
        """Make all that is left; gives what was wanted."""
        while not self.foreman.over:
            self.send()
            self.make()
        return [o if isinstance(o, int) else o.value for o in self.foreman.outcome().value.values]


def up(x, by=1):
    return x + by


def add(*values):
    return sum(values)


def crowd(size=300):
    g = Graph("crowd")
    nodes = [g.task(up, k) for k in range(size)]
    return g, nodes, g.task(add, *nodes)


def chain(size=300):
    g = Graph("chain")
    node = g.task(up, 0)
    for _ in range(size - 1):
        node = g.task(up, node)
    return g, node


def test_calls_that_read_nothing_of_one_another_are_made_side_by_side():
    g, _, total = crowd()
    site = Site(g, total)
    assert site.send() == [range(151), range(151, 300)]  # and not the sum, which reads both
    site.make(1)
    assert site.send() == []
    site.make(0)
    assert site.send() == [range(300, 301)]
    site.make()
    assert site.end() == [sum(range(1, 301))]


def test_calls_that_need_one_another_are_all_made_by_one():
    g, last = chain()
    site = Site(g, last)
    assert site.send() == [range(300)]
    assert not site.make()
    assert site.end() == [300]


def test_a_process_gets_a_part_of_its_share_before_the_time_of_calls_is_known():
    g, _, total = crowd()
    assert Site(g, total, first=4).send() == [range(38), range(38, 104)]


def test_what_one_call_alone_reads_and_nothing_else_is_made_with_it():
    """It might not be able to leave its process; wherever it was declared."""
    g = Graph("pairs")
    begun = [g.task(up, k) for k in range(100)]
    ends = [g.task(up, node) for node in begun]
    site = Site(g, *ends)
    assert site.send() == [range(200)]
    h = Graph("apart")
    for k in range(100):
        h.task(up, h.task(up, k))
    assert Site(h).send() == [range(100), range(100, 200)]


def test_the_rest_of_a_row_goes_on_where_a_stint_ended():
    g, last = chain()
    site = Site(g, last)
    site.send()
    assert site.make(seconds=-1.0, busy=1e-6) == range(1, 300)
    assert site.send() == [range(1, 300)]
    site.make()
    assert site.end() == [300]
    assert site.done == 300


def test_calls_are_told_apart_where_a_stint_ends_before_another_one_that_is_under_way():
    g, _, total = crowd()
    site = Site(g, total)
    site.send()
    assert site.make(0, seconds=-1.0) == range(1, 151)
    assert not site.foreman._roster.straight
    assert site.end() == [sum(range(1, 301))]
    assert site.done == 301


def test_what_a_stint_leaves_behind_is_not_packed_one_by_one():
    """There may be thousands of calls that a stint sends back unmade."""
    g, last = chain()
    site = Site(g, last)
    site.send()
    ((stint, known),) = site.sent
    with mock.patch.object(walk, "_LOOK", 1e-9):
        outcome = perform(site.control, replace(stint, seconds=-1.0), known)
    assert len(outcome.value.left) == 299
    assert {type(value) for value in outcome.value.values} == {int, Skip}
    assert outcome.maker == ()


def test_how_long_calls_take_is_known_when_they_are_told_apart():
    """Else the next stint would be a careful one again."""
    g, _, total = crowd()
    site = Site(g, total, first=4)
    assert site.send() == [range(38), range(38, 104)]
    site.make(0, busy=38e-6)
    site.foreman.give_back(site.sent[0][0], frozenset({103}))
    assert not site.foreman._roster.straight
    assert [len(slots) for slots in site.send()] == [197]  # all that is ready, and not a part
    site.make(0, seconds=-1.0)
    assert site.end() == [sum(range(1, 301))]


def test_slow_calls_that_need_one_another_are_no_row():
    g, last = chain()
    site = Site(g, last)
    site.send()
    site.make(seconds=-1.0, busy=1e-2)
    assert not site.foreman._roster.straight
    assert site.end() == [300]


def test_what_is_given_back_is_made_by_others():
    g, nodes, total = crowd()
    site = Site(g, total)
    site.send()
    (stint, known), _ = site.sent
    given_back = frozenset(range(1, 151))
    site.foreman.give_back(stint, given_back)
    assert not site.foreman._roster.straight
    site.make(1)
    (slots,) = site.send()
    assert given_back.issuperset(slots)
    site.make(0, seconds=-1.0)
    assert site.end() == [sum(range(1, 301))]
    assert site.done == 301


@given(st.integers(0, 1 << 32))
def test_each_call_is_made_once_whatever_comes_back_when(seed):
    rng = random.Random(seed)
    g, nodes = Graph("any"), []
    for _ in range(rng.randint(66, 120)):
        some = rng.sample(nodes, min(len(nodes), rng.randint(0, 3)))
        nodes.append(g.task(add, rng.randint(0, 9), *some))
    wanted = [*rng.sample(nodes, 3), g.task(add, *nodes)]
    site = Site(g, *wanted)
    while not site.foreman.over:
        site.send()
        short, slow = rng.random() < 0.3, rng.random() < 0.2
        which = rng.randrange(len(site.sent))
        site.make(which, seconds=-1.0 if short else inf, busy=1e-3 if slow else 1e-6)
    run = g.run(*wanted, scheduler="sync")
    assert sorted(site.end()) == sorted(run.value)
    assert site.done == len(nodes) + 1


# Where it really happens


@pytest.fixture(params=BACKENDS[2:])
def elsewhere(request):
    return backend_named(request.param, request).scheduler


def test_a_row_elsewhere_tells_of_each_call(elsewhere):
    """Failures, retries and skips in the middle of quick calls."""
    tried = []

    def work(k):
        tried.append(k)
        if k == 70 or (k == 20 and tried.count(20) == 1):
            raise ValueError(k)
        return k

    g = Graph("row")
    work = stage(work, retry=Retry(1))
    nodes = [g.task(work, k) for k in range(200)]
    ends = [g.task(add, *nodes[:70], *nodes[71:]), g.task(add, *nodes[60:80])]
    run = g.run(*ends, scheduler=elsewhere, workers=2, on_error="collect")
    assert run[ends[0]] == sum(range(200)) - 70
    (error,) = run.errors
    assert (error.stage, str(error.__cause__)) == ("work", "70")
    stats = run.stats
    assert (stats.completed, stats.failed, stats.skipped, stats.retried) == (200, 1, 1, 2)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("seconds", [0.0, 0.06])
def test_what_cannot_leave_its_process_is_read_there(elsewhere, seconds, apart):
    """Also if calls are given back meanwhile, as one of them is slow."""

    def begin(k):
        if k == 40:
            time.sleep(seconds)
        return os.getpid(), threading.Lock()

    def middle(pair):
        return pair

    def end(pair):
        return pair[0] == os.getpid()

    g = Graph("pairs")
    begun = [g.task(begin, k) for k in range(80)]
    if apart:
        ends = [g.task(end, node) for node in [g.task(middle, node) for node in begun]]
    else:
        ends = [g.task(end, g.task(middle, node)) for node in begun]
    assert g.run(*ends, scheduler=elsewhere, workers=2).value == (True,) * 80


def test_the_first_failure_of_a_row_elsewhere_ends_the_run(elsewhere):
    def work(k):
        if k == 50:
            raise ValueError(k)
        return k

    g = Graph("row")
    total = g.task(add, *[g.task(work, k) for k in range(5000)])
    with pytest.raises(StageError) as caught:
        g.run(total, scheduler=elsewhere, workers=2)
    assert caught.value.stage == "work"
    assert caught.value.run.stats.failed == 1


def test_calls_given_back_behind_a_failure_are_made_once(tmp_path, elsewhere):
    """One is tried again, a slow one has the others given back, and values are no plain ones."""
    journal = Journal(tmp_path)

    def once(k, journal):
        journal.note("once")
        if not journal.has("once", 2):
            raise ValueError(k)
        return k

    def begin(k, journal):
        journal.note("begin", k)
        return (k,)

    def slow(journal):
        journal.note("slow")
        time.sleep(0.15)

    def end(pair, journal):
        journal.note("end", pair[0])
        return pair[0]

    g = Graph("once")
    first = g.task(stage(once, retry=Retry(1)), 1, journal)
    begun = [g.task(begin, k, journal) for k in range(50)]
    waits = g.task(slow, journal)
    ends = [g.task(end, node, journal) for node in begun]
    run = g.run(first, waits, *ends, scheduler=elsewhere, workers=2)
    assert run.value == (1, None, *range(50))
    assert sorted(map(int, journal.items("begin"))) == [*range(50)]
    assert sorted(map(int, journal.items("end"))) == [*range(50)]
    assert (len(journal.items("once")), len(journal.items("slow"))) == (2, 1)


def test_nothing_is_begun_behind_the_failure_that_ends_a_run(tmp_path, elsewhere):
    journal = Journal(tmp_path)

    def begin(k):
        return [k]

    def work(given, journal):
        journal.note("work")
        time.sleep(0.002)
        raise ValueError(given[0])

    g = Graph("ends")
    begun = [g.task(begin, k) for k in range(200)]
    for node in begun:
        g.task(work, node, journal)
    with pytest.raises(StageError) as caught:
        g.run(scheduler=elsewhere, workers=2)
    assert caught.value.stage == "work"
    assert isinstance(caught.value.__cause__, ValueError)
    assert len(journal.items("work")) < 50


def test_a_call_that_hangs_in_a_row_far_away_is_left_behind(client):
    def hang(k):
        if k == 40:
            time.sleep(20)
        return k

    g = Graph("hangs")
    nodes = [g.task(hang, k) for k in range(100)]
    with pytest.raises(StageTimeout):
        g.run(*nodes, scheduler=client, timeout=1)
    begun = time.monotonic()
    assert g.run(nodes[3], scheduler=client).value == 3
    assert time.monotonic() - begun < 10


def test_what_goes_with_a_call_is_found_in_one_pass():
    calls = [SimpleNamespace(needs=(k - 1,) if k else ()) for k in range(50_000)]
    captives = Captives(calls, 0, bytes(50_000))
    begun = time.monotonic()
    assert captives.chain(0) == [*range(1, 50_000)]
    assert time.monotonic() - begun < 5
