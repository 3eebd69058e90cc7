"""Coroutine stages that fail or take too long, on every backend."""

from __future__ import annotations

import asyncio
import time

import pytest
from journal import PATIENCE, Journal

from flowgraph import Graph, Retry, StageError, StageTimeout, stage


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path)


async def double(x):
    return 2 * x


async def fails_at(k, *at):
    await asyncio.sleep(0)
    if k in at:
        raise KeyError(k)
    return k


def test_a_failed_item_keeps_its_place(backend):
    g = Graph("collect")
    run = backend.run(g, g.items(range(6)).map(fails_at, 2, 5).map(double), on_error="collect")
    assert [v if isinstance(v, int) else v.index for v in run.value] == [0, 2, 2, 6, 8, 5]
    assert {(e.stage, e.index, type(e.__cause__)) for e in run.errors} == {
        ("fails_at", 2, KeyError),
        ("fails_at", 5, KeyError),
    }
    assert (run.stats.completed, run.stats.failed, run.stats.skipped) == (8, 2, 2)


def test_the_first_failure_is_raised_with_the_users_traceback_only(backend):
    g = Graph("raise")
    with pytest.raises(StageError) as caught:
        backend.run(g, g.items(range(4)).map(fails_at, 3))
    frames, trace = [], caught.value.__cause__.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert frames[-1] == "fails_at"


def test_each_attempt_has_its_record(backend, journal):
    @stage(retry=Retry(2, delays=[0]))
    async def flaky(k):
        journal.note(f"item-{k}")
        await asyncio.sleep(0.001)
        if len(journal.entries(f"item-{k}")) <= k % 4:
            raise OSError

    g = Graph("records")
    run = backend.run(g, g.items(range(12)).map(flaky), on_error="collect")
    seen = sorted((r.items[0], r.attempt, r.outcome) for r in run.attempts)
    wanted = [
        (k, n, "ok" if n > k % 4 else "failed" if n == 3 else "retried")
        for k in range(12)
        for n in range(1, min(k % 4 + 1, 3) + 1)
    ]
    assert seen == wanted
    assert all(r.count == 1 and r.end - r.start >= 0.0009 for r in run.attempts)


# Time


def test_a_timeout_cancels(backend, journal):
    @stage(timeout=0.1, retry=Retry(1, delays=[0]))
    async def waits(k):
        try:
            await asyncio.sleep(PATIENCE if k == 1 else 0)
        except asyncio.CancelledError:
            journal.note("cancelled", k)
            raise
        return k

    g = Graph("timeout")
    nodes = g.items(range(3)).map(waits), g.task(waits, 1), g.items([5, 1]).reduce(slow_pair)
    begun = time.monotonic()
    run = backend.run(g, *nodes, on_error="collect")
    assert time.monotonic() - begun < PATIENCE / 2
    assert run[nodes[0]][::2] == [0, 2]
    assert {type(error.__cause__) for error in run.errors} == {StageTimeout}
    assert sorted(error.attempts for error in run.errors) == [1, 2, 2]
    journal.wait("cancelled", 4)


@stage(timeout=0.1)
async def slow_pair(left, right):
    await asyncio.sleep(PATIENCE)


def test_what_swallows_its_cancellation_is_left_behind(backend, journal):
    @stage(timeout=0.1)
    async def stubborn(k):
        while not journal.has("end"):
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                journal.note("no")

    g = Graph("stubborn")
    run = backend.run(g, g.items(range(2)).map(stubborn), on_error="collect")
    assert [type(error.__cause__) for error in run.errors] == [StageTimeout] * 2
    journal.wait("no", 2)
    journal.note("end")
