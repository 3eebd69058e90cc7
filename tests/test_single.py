"""A plan of one task runs without a scheduler, and nobody sees a difference."""

from __future__ import annotations

import threading
import time

import pytest

from flowgraph import Graph, Retry, SchedulerError, StageError, StageTimeout, stage
from flowgraph.backends import local

PLACES = ["sync", "threads", "processes"]


def flaky(path, times):
    with open(path, "a", encoding="utf-8") as file:
        file.write("x")
    if path.stat().st_size <= times:
        raise OSError("busy")
    return path.stat().st_size


@pytest.fixture(autouse=True)
def no_scheduler(monkeypatch):
    """Dask's local scheduler is not asked."""

    def get_async(*args, **kwargs):
        raise AssertionError("a plan of one task went to a scheduler")

    monkeypatch.setattr(local, "get_async", get_async)


@pytest.mark.parametrize("scheduler", PLACES)
def test_its_value_its_record_and_its_progress_are_there(scheduler):
    g = Graph("one")
    told = []
    run = g.run(g.task(divmod, 7, 2), scheduler=scheduler, workers=2, progress=told.append)
    assert run.value == (3, 1)
    assert [(r.stage, r.count, r.attempt, r.outcome) for r in run.attempts] == [
        ("divmod", 1, 1, "ok")
    ]
    assert [(p.successful, p.total) for p in told] == [(1, 1)]


@pytest.mark.parametrize("scheduler", PLACES)
def test_each_attempt_has_a_record(scheduler, tmp_path):
    g = Graph("flaky")
    retried = stage(retry=Retry(3, wait=0.0))(flaky)
    run = g.run(g.task(retried, tmp_path / "log", 2), scheduler=scheduler, workers=2)
    assert run.value == 3
    assert [(r.attempt, r.outcome) for r in run.attempts] == [
        (1, "retried"),
        (2, "retried"),
        (3, "ok"),
    ]


@pytest.mark.parametrize("scheduler", PLACES)
def test_its_failure_is_raised_or_collected(scheduler):
    g = Graph("fails")
    node = g.task(divmod, 1, 0)
    with pytest.raises(StageError, match="divmod") as caught:
        g.run(node, scheduler=scheduler, workers=2)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert not caught.value.run.ok
    run = g.run(node, scheduler=scheduler, workers=2, on_error="collect")
    assert [error.stage for error in run.errors] == ["divmod"]


@pytest.mark.parametrize("scheduler", PLACES)
def test_what_progress_raises_ends_the_run(scheduler):
    g = Graph("watched")

    def refuse(progress):
        raise LookupError(progress.stage)

    with pytest.raises(LookupError, match="abs"):
        g.run(g.task(abs, -1), scheduler=scheduler, workers=2, progress=refuse)


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_a_call_that_hangs_is_left_behind(scheduler):
    g = Graph("hangs")
    begun = time.monotonic()
    with pytest.raises(StageTimeout) as caught:
        g.run(g.task(time.sleep, 5), scheduler=scheduler, workers=2, timeout=0.3)
    assert time.monotonic() - begun < 3
    assert not caught.value.run.attempts
    assert g.run(g.task(abs, -1), scheduler=scheduler, workers=2, timeout=30).value == 1


def test_a_run_that_was_stopped_meanwhile_ends_as_such():
    g = Graph("stopped")
    stop = threading.Event()
    plan = g.compile(g.task(stop.set), workers=1)
    with pytest.raises(SchedulerError, match="stopped"):
        local.Sync().run(plan, lambda key, outcome: None, stop, halts=True)


def test_a_value_that_is_known_needs_no_process():
    """A parameter's value, say: it is handed out where it is."""
    g = Graph("known")
    assert g.run(g.param("x"), params={"x": 3}, scheduler="processes", workers=1).value == 3


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_many_calls_that_are_all_one_task_are_handed_out_without_dasks_scheduler(
    scheduler, monkeypatch
):
    monkeypatch.setattr(local, "get_async", None)
    g = Graph("many")
    total = g.task(sum, [g.task(abs, -k) for k in range(200)])
    assert g.run(total, scheduler=scheduler, workers=2).value == 19900
