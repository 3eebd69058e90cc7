"""What ends coroutines early: their own errors, their time limits, and the end of the run."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest
from notebook import Clock, Flag, Note, new_scope, notes
from waiting import Flaky, new_link, turns, waited

from flowgraph import Retry
from flowgraph.errors import StageTimeout
from flowgraph.runtime.failure import Failure
from flowgraph.runtime.pace import Pace
from flowgraph.runtime.report import TIMED_OUT
from flowgraph.runtime.scope import Halt, here

PATIENCE = 30


def test_a_failure_names_the_task_and_not_the_loop_it_ran_on():
    scope = new_scope()
    waited([new_link("map", Flaky(str, lambda k: k == 1))], range(2), scope)
    (failed,) = scope.failures
    assert (failed.stage, failed.index, failed.attempts) == ("work", 101, 1)
    assert failed.worker == here()


def test_what_is_too_long_at_one_item_is_cancelled_and_the_others_go_on():
    cancelled = []

    async def work(item):
        if item == 1:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                cancelled.append(item)
        return item

    scope = new_scope()
    out = waited([new_link("map", work, timeout=0.02)], range(3), scope)
    assert out == [(100, 0), (101, Failure), (102, 2)]
    assert cancelled == [1]
    assert type(scope.failures[0].errors[0]) is StageTimeout
    assert Note(7, 101, 101, 1, 1, TIMED_OUT) in notes(scope)


def hanging(cancelled, begun=lambda: None):
    async def work(item):
        try:
            begun()
            await (turns() if item == 2 else asyncio.get_running_loop().create_future())
        except asyncio.CancelledError:
            cancelled.release()
            raise
        raise ValueError(item)

    return work


def test_the_first_failure_of_a_run_that_ends_with_it_cancels_the_others():
    cancelled = threading.Semaphore(0)
    with pytest.raises(Halt):
        waited([new_link("map", hanging(cancelled))], range(4), new_scope(halts=True))
    for _ in (0, 1, 3):
        assert cancelled.acquire(timeout=PATIENCE)


def test_the_end_of_the_run_cancels_all_and_asyncio_has_nothing_to_complain_of(caplog):
    cancelled, stop, is_last = threading.Semaphore(0), Flag(), iter([False, True])
    work = hanging(cancelled, lambda: setattr(stop, "up", next(is_last)))
    with pytest.raises(Halt):
        waited([new_link("map", work)], [0, 1], new_scope(stop=stop))
    for _ in range(2):
        assert cancelled.acquire(timeout=PATIENCE)
    waited([new_link("map", Flaky(str))], [3])  # what is due on the loop has happened by then
    gc.collect()
    assert [record.getMessage() for record in caplog.records] == []


def test_it_works_inside_a_running_loop():
    async def cell():
        return waited([new_link("map", Flaky(str))], range(2))

    assert asyncio.run(cell()) == [(100, "0"), (101, "1")]


def test_attempts_of_a_lane_have_each_their_time(monkeypatch):
    link, pauses = new_link("map", Flaky(str, lambda k: k == 0), Retry(1, delays=[0])), []
    link.site.pace = Pace(0.001)
    reserve = link.site.pace.reserve
    monkeypatch.setattr(Pace, "reserve", lambda pace, now: pauses.append(reserve(now)) or 0)
    waited([link], range(3), new_scope(Clock()))
    assert pauses == pytest.approx([0, 0.001, 0.002, 0.003])
