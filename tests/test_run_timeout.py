"""A run that may take so long, and no longer; and what it shows of its progress."""

from __future__ import annotations

import asyncio
import time

import pytest
from journal import PATIENCE, Journal

from flowgraph import Graph, SkippedError, StageError, StageTimeout, stage


@pytest.fixture
def journal(tmp_path):
    """Calls that hang wait for an end that comes with that of the test."""
    journal = Journal(tmp_path)
    yield journal
    journal.note("end")


@pytest.fixture
def parallel(backend):
    if backend.name == "sync":
        pytest.skip("a call in the caller's own thread is waited for")
    return backend


def hangs(k, journal):
    journal.note("hangs", k)
    journal.wait("end")


def out_of_time(backend, g, *targets, **options):
    """The error of a run that hangs, and how long it took to be raised."""
    begun = time.monotonic()
    with pytest.raises(StageTimeout) as caught:
        backend.run(g, *targets, **options)
    assert time.monotonic() - begun < PATIENCE / 2
    return caught.value


def test_a_run_that_hangs_ends_with_a_timeout_that_has_what_was_finished(parallel, journal):
    g = Graph("hangs")
    done = g.task(pow, 2, 3)
    late = g.task(hangs, done, journal)
    after = g.task(abs, late)
    error = out_of_time(parallel, g, done, late, after, timeout=1)
    assert isinstance(error, TimeoutError)
    assert "'hangs'" in str(error)
    assert "1" in str(error)
    assert error.run[done] == 8
    assert journal.items("hangs") == ["8"]
    stats = error.run.stats
    assert (stats.total, stats.completed, stats.failed, stats.cancelled) == (3, 1, 0, 2)
    for node in (late, after):
        with pytest.raises(SkippedError, match=node.name):
            error.run[node]


def test_items_that_were_done_are_counted(parallel, journal):
    g = Graph("items")
    quick = g.items(range(4)).map(abs)
    slow = g.items([9]).map(hangs, journal)
    error = out_of_time(parallel, g, quick, slow, timeout=2, on_error="collect")
    rows = {row.stage: (row.completed, row.failed, row.cancelled) for row in error.run.stages}
    assert rows == {"abs": (4, 0, 0), "hangs": (0, 0, 1)}, error.run.attempts
    assert error.run[quick] == [0, 1, 2, 3]


def test_the_next_run_has_its_workers(parallel, journal):
    """What hangs is left behind: it does not hold up, or end, what comes later."""
    g = Graph("first")
    out_of_time(parallel, g, g.task(hangs, 1, journal), timeout=0.5)
    journal.wait("hangs")
    g = Graph("next")
    items = g.items(range(20)).map(abs)
    assert parallel.run(g, items, timeout=PATIENCE / 2).value == list(range(20))
    assert not journal.has("end")


def test_the_next_run_has_its_workers_when_all_of_them_hang(parallel, journal):
    for _ in range(2):
        g = Graph("first")
        out_of_time(parallel, g, g.items(range(6)).map(hangs, journal), timeout=0.5)
        g = Graph("next")
        items = g.items(range(20)).map(abs)
        assert parallel.run(g, items, timeout=PATIENCE / 2).value == list(range(20))
    assert not journal.has("end")


def hangs_in_pairs(left, right):
    right.wait("end")


@pytest.mark.parametrize("kind", ["reduce", "reduce_by", "timeout"])
def test_wherever_it_hangs_the_next_run_has_its_workers(parallel, journal, kind):
    g = Graph("first")
    match kind:
        case "reduce":
            node = g.items([journal] * 4).reduce(hangs_in_pairs)
        case "reduce_by":
            node = g.items([journal] * 4).reduce_by(type, hangs_in_pairs)
        case _:
            node = g.items([1]).map(stage(hangs, timeout=PATIENCE), journal)
    out_of_time(parallel, g, node, timeout=0.5)
    g = Graph("next")
    assert parallel.run(g, g.items(range(20)).map(abs), timeout=PATIENCE / 2).ok


def test_a_coroutine_that_hangs_is_cancelled(parallel, journal):
    async def waits(k):
        journal.note("begins")
        try:
            await asyncio.Event().wait()
        finally:
            journal.note("cancelled")

    g = Graph("coroutine")
    out_of_time(parallel, g, g.items(range(2)).map(waits), timeout=1)
    journal.wait("cancelled", len(journal.entries("begins")))


def test_nothing_new_starts_past_the_timeout(backend, journal):
    """Sync too, which ends between two calls."""

    def crawls(k):
        journal.note("crawls", k)
        time.sleep(0.02)

    g = Graph("crawl")
    error = out_of_time(backend, g, g.items(range(5_000)).map(crawls), timeout=0.5)
    stats = error.run.stats
    assert stats.total == 5_000
    assert stats.cancelled > 0
    assert len(journal.entries("crawls")) < 2_500


def test_a_failure_before_the_timeout_is_what_the_run_ends_with(backend):
    g = Graph("fails")
    with pytest.raises(StageError, match="int"):
        backend.run(g, g.task(int, "x"), timeout=PATIENCE)


def test_a_run_in_time_knows_of_no_timeout(backend):
    g = Graph("quick")
    run = backend.run(g, g.items(range(3)).map(abs), timeout=PATIENCE)
    assert (run.value, run.ok) == ([0, 1, 2], True)


def test_a_stage_that_runs_a_graph_may_time_out_itself(parallel, journal):
    """The inner run's timeout is an error of the outer stage."""

    def inner():
        g = Graph("inner")
        return g.run(g.task(hangs, 1, journal), scheduler="threads", workers=1, timeout=0.3)

    g = Graph("outer")
    run = parallel.run(g, g.task(inner), on_error="collect")
    assert [type(error.__cause__) for error in run.errors] == [StageTimeout]
    assert run.stats.failed == 1


# progress=True


def fails_at_two(k):
    if k == 2:
        raise ValueError(k)


def test_progress_in_a_log_says_at_the_end_how_far_each_stage_came(backend, capsys):
    g = Graph("shown")
    first = g.items(range(5)).map(stage(fails_at_two, name="first"))
    second = g.items(g.task(range, 3)).map(abs)
    backend.run(g, first, second, on_error="collect", progress=True)
    told = capsys.readouterr()
    assert told.out == ""
    last = told.err.splitlines()[-1].split(", ")
    assert sorted(last) == ["abs 3", "first 5/5 (1 failed)", "range 1/1"]
