"""The hot loop and the watch, looked at from near: time, waits, helper threads."""

from __future__ import annotations

import threading
import time

import pytest
from notebook import mapped

from flowgraph import Graph, Retry, StageTimeout, stage
from flowgraph.runtime.attempt import Site
from flowgraph.runtime.bind import DRAWN, bind
from flowgraph.runtime.code import Control, Stage
from flowgraph.runtime.flow import Flow
from flowgraph.runtime.link import Link
from flowgraph.runtime.partition import Partition
from flowgraph.runtime.positions import Kept, at, cut
from flowgraph.runtime.report import FAILED
from flowgraph.runtime.scope import Halt, Scope
from flowgraph.runtime.sink import Counting, Keeping
from flowgraph.runtime.watch import Watch


class FakeClock:
    """Time passes only when somebody waits, or says so."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def link(number: int, operation: str, function, *, clock: FakeClock, retry=None, watch=None):
    entry = Stage(function.__name__, function, retry, None, False)
    return Link(
        Site(entry, number, function.__name__),
        operation,
        bind(operation, function, [], {}),
        clock.now,
        watch,
    )


def test_nobody_waits_for_items_that_were_struck_out():
    """A stream that fails takes back what came of it, also what waits for a retry."""
    clock = FakeClock()

    def halfway(k):
        yield from range(2 * DRAWN)
        raise ValueError("half-way")

    def once(k):
        if k == 10:
            raise OSError("once")
        return k

    spread = link(0, "flat_map", halfway, clock=clock)
    flaky = link(1, "map", once, clock=clock, retry=Retry(1, delays=[30.0]))
    scope = Scope(Control(None), 0, clock)
    Flow(scope, [spread, flaky], Counting()).run(Partition([1], range(1)))
    assert clock.time < 1
    assert [row[0] for row in scope.bundle().records()] == [0, 1]
    assert [failure.stage for failure in scope.failures] == ["halfway"]


def test_a_helper_left_behind_ends_with_its_call():
    gate = threading.Event()

    @stage(timeout=0.02)
    def slow(k):
        gate.wait(30)

    before = set(threading.enumerate())
    g = Graph("helpers")
    run = g.run(g.items(range(5)).map(slow), scheduler="sync", on_error="collect")
    assert run.stats.failed == 5
    helpers = set(threading.enumerate()) - before
    assert len(helpers) == 5
    gate.set()
    for helper in helpers:
        helper.join(10)
    assert not [helper for helper in helpers if helper.is_alive()]


# Blocks that turn slow


def turned(clock: FakeClock, slow_from: int, called: list[int], bad: dict[int, float]):
    """Calls of 0.1 µs, from an item on of 10 ms; a bad one fails the first time, after so long."""

    def turns(k):
        called.append(k)
        clock.time += 0.01 if k >= slow_from else 1e-7
        if called.count(k) == 1 and k in bad:
            clock.time += bad[k]
            raise OSError(k)
        return k

    return turns


def test_a_block_that_turns_slow_ends_there():
    """Its items are timed one by one, and the run can stop between any two."""
    clock, called, stop = FakeClock(), [], threading.Event()
    turns = turned(clock, 15_000, called, {})

    def stopping(k):
        if k == 16_000:
            stop.set()
        return turns(k)

    scope = Scope(Control(None, stop=stop), 0, clock)
    with pytest.raises(Halt):
        Flow(scope, [link(0, "map", stopping, clock=clock)], Counting()).run(
            Partition(range(60_000), range(60_000))
        )
    assert called == list(range(16_001))
    noted = list(scope.bundle().records())
    assert max(row[3] for row in noted) > 5_000
    alone = [row for row in noted if row[1] >= 15_500]
    assert len(alone) > 400
    assert all(row[3] == 1 and row[7] == pytest.approx(0.01) for row in alone)


def test_an_item_that_waits_has_its_turn_in_a_block_that_turned_slow():
    clock, called = FakeClock(), []
    turns = turned(clock, 15_000, called, {0: 0.0})
    again = link(0, "map", turns, clock=clock, retry=Retry(1, delays=[20.0]))
    sink = Keeping()
    Flow(Scope(Control(None), 0, clock), [again], sink).run(Partition(range(20_000), range(20_000)))
    assert 16_000 < called.index(0, 1) < 18_000
    assert list(sink.result().values) == list(range(20_000))


@pytest.mark.parametrize("first", [2_000, 0])
def test_a_failed_attempt_is_timed_from_its_own_start(first):
    """Also when a thousand quick items came before it in its block."""
    clock = FakeClock()
    turns = turned(clock, 10**9, [], {first: 5.0})
    scope = Scope(Control(None), 0, clock)
    Flow(scope, [link(0, "map", turns, clock=clock)], Counting()).run(
        Partition(range(9_000), range(9_000))
    )
    (failed,) = [row for row in scope.bundle().records() if row[5] == FAILED]
    assert failed[1] == first
    assert failed[7] == pytest.approx(5.0, rel=1e-3)
    assert sum(row[7] for row in scope.bundle().records()) == pytest.approx(clock.time)


def test_an_attempt_that_timed_out_took_its_time():
    g = Graph("timed out")
    gate = threading.Event()

    @stage(timeout=0.2)
    def stuck(k):
        if k == 900:
            gate.wait(30)

    run = g.run(g.items(range(5_000)).map(stuck), scheduler="sync", on_error="collect")
    gate.set()
    (late,) = [record for record in run.attempts if record.outcome == "timed out"]
    assert late.items == (900, 900)
    assert late.end - late.start >= 0.2


def test_a_watched_block_that_turns_slow_ends_there():
    clock, done = FakeClock(), []

    def turns(k):
        clock.time += 0.01 if k >= 10 else 1e-7
        return k

    with Watch("turns", 60.0, clock) as watch:
        end = watch.extend(done, mapped(turns), range(1_000))
    assert (done, end.error, end.early) == (list(range(11)), None, True)
    assert end.since == pytest.approx(10e-7)


def test_the_time_limit_holds_for_an_attempt_however_long_its_stream():
    @stage(timeout=0.3)
    def drip(_):
        for k in range(100 * DRAWN):
            if k % DRAWN == 0:
                time.sleep(0.2)
            yield k

    g = Graph("drip")
    run = g.run(g.items([1]).flat_map(drip), scheduler="sync", on_error="collect")
    (error,) = run.errors
    assert isinstance(error.__cause__, StageTimeout)


def test_what_is_left_of_a_block_can_be_cut_as_often_as_one_likes():
    where = Kept(range(50_000), [True] * 50_000)
    for _ in range(20_000):
        where = cut(where, 1, 10**6)
    assert at(where, 5) == 20_005
