"""Clusters that lose workers, all of them or again and again, and clients that are of no use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import distributed
import pytest
from dask_processes import REPOSITORY, dask_processes

from flowgraph import Graph, SchedulerError, SkippedError, StageError, WorkerDied
from flowgraph.backends import connect, pulse
from flowgraph.check import check


def die_of(x, bad):
    if x in bad:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


@pytest.fixture
def frail(own_client):
    """Where a task that kills a worker once is given up."""
    own_client.cluster.scheduler.allowed_failures = 0
    return own_client


# What is behind a task that is given up


def test_what_depends_on_a_task_that_kills_its_workers_gets_what_the_others_made(frail):
    """The guilty stage is named, the counts agree, and what reads successes reads them."""
    g = Graph("behind")
    items = g.items(range(12)).map(die_of, {5})
    run = g.run(items.count(), items.collect(), scheduler=frail, on_error="collect")
    assert {error.stage for error in run.errors} == {"die_of"}
    failed = sorted(error.index for error in run.errors)
    assert 5 in failed
    total, listed = run["count"], run["collect"]
    assert total == 12 - len(failed)
    assert [k for k in range(12) if listed[k] != k] == failed
    (row,) = run.stages
    assert (row.total, row.completed, row.failed, row.cancelled) == (12, total, len(failed), 0)


def test_two_tasks_that_kill_their_workers_are_both_failures(frail):
    g = Graph("two")
    c = g.task(die_of, 2, {0, 1}, name="c")
    # Behind c: else Dask may blame it for having been on a worker that died.
    a, b = (g.task(die_of, k, {0, 1}, name=name, after=[c]) for k, name in enumerate("ab"))
    ac, bc = g.task(max, a, c, name="ac"), g.task(max, b, c, name="bc")
    run = g.run(ac, bc, c, scheduler=frail, on_error="collect")
    assert run["c"] == 2
    for name in ("ac", "bc"):
        with pytest.raises(SkippedError):
            run[name]
    assert [(row.stage, row.completed, row.failed, row.skipped) for row in run.stages] == [
        ("die_of", 1, 2, 0),
        ("max", 0, 0, 2),
    ]


def test_the_error_says_what_the_workers_died_of(frail):
    g = Graph("told")
    with pytest.raises(StageError) as caught:
        g.run(g.task(abs, g.task(die_of, 1, {1})), scheduler=frail)
    cause = caught.value.__cause__
    assert isinstance(cause, WorkerDied)
    assert (caught.value.stage, cause.deaths, cause.worker[:4]) == ("die_of", 1, "tcp:")
    assert "a Dask worker died 1 time while it ran stage 'die_of'" in str(cause)
    assert "WorkerState" not in str(caught.value)


# Nobody is there


def slow(x):
    time.sleep(0.3)
    return x


def lose_workers(processes, began):
    began.wait(60)
    processes.kill_workers()


def help_when(told, processes):
    until = time.monotonic() + 30
    while not told and time.monotonic() < until:
        time.sleep(0.02)
    processes.add_worker()


@pytest.mark.parametrize("again", [False, True], ids=["for ever", "for a while"])
def test_a_cluster_that_loses_all_workers(tmp_path, monkeypatch, again):
    monkeypatch.setattr(pulse, "_WARN", 0.5)
    monkeypatch.setattr(pulse, "_GIVE_UP", 60.0 if again else 2.0)
    began = threading.Event()
    with dask_processes(tmp_path) as processes:
        processes.await_workers()  # else it would give up before they come
        thread = threading.Thread(target=lose_workers, args=(processes, began))
        thread.start()
        g = Graph("lonely")
        items = g.items(range(12)).map(slow)

        def progress(_):
            began.set()

        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            if again:
                helper = threading.Thread(target=help_when, args=(told, processes))
                helper.start()
                run = g.run(items, scheduler=processes.address, progress=progress)
                assert run.value == list(range(12))
                helper.join()
            else:
                with pytest.raises(SchedulerError, match="has had no workers for"):
                    g.run(items, scheduler=processes.address, progress=progress)
        thread.join()
    assert any("has no workers: the run waits for one" in str(each.message) for each in told)


def test_a_cluster_that_grows_from_nothing_when_there_is_work(monkeypatch):
    monkeypatch.setattr("flowgraph.backends.cluster._PATIENCE", 0.2)
    with (
        distributed.LocalCluster(
            n_workers=0, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        cluster.adapt(minimum=0, maximum=1, interval="100ms")
        g = Graph("grown")
        assert g.run(g.items(range(4)).map(abs), scheduler=client).value == [0, 1, 2, 3]


def test_a_check_says_that_there_are_no_workers(monkeypatch):
    monkeypatch.setattr("flowgraph.backends.cluster._PATIENCE", 0.2)
    g = Graph("idle")
    g.task(abs, 1)
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0") as cluster:
        with pytest.raises(SchedulerError, match="has no workers"):
            check(g, {}, cluster.scheduler_address, None)


# Clients and addresses


def test_a_closed_client_is_refused(frail):
    client = distributed.Client(frail.cluster, set_as_default=False)
    client.close()
    g = Graph("closed")
    g.task(abs, 1)
    with pytest.raises(SchedulerError, match="the Dask client is closed"):
        g.run(scheduler=client)


@pytest.mark.parametrize("address", ["tcp://", "tcp://host", "nonsense://host:1", "://"])
def test_what_is_no_address_is_refused_and_leaves_nothing_behind(address):
    """A client that is half made complains when it is deleted."""
    code = f"""
from flowgraph import Graph, SchedulerError
g = Graph("x")
g.task(abs, 1)
try:
    g.run(scheduler={address!r})
except SchedulerError as error:
    print(str(error).splitlines()[0])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": REPOSITORY},
    )
    assert f"'{address}' is no address of a Dask scheduler" in done.stdout
    assert done.stderr == ""


TABLE = """Mismatched versions found

+---------+--------+-----------+---------+
| Package | Client | Scheduler | Workers |
+---------+--------+-----------+---------+
| numpy   | 2.3    | None      | None    |
{more}+---------+--------+-----------+---------+"""


@pytest.mark.parametrize("package", [None, "dask", "python", "msgpack"])
def test_versions_are_told_if_they_matter(package):
    from distributed.versions import VersionMismatchWarning

    more = f"| {package:<7} | 1 | 2 | 2 |\n" if package else ""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with connect._quiet_on_versions():
            warnings.warn(VersionMismatchWarning(TABLE.format(more=more)), stacklevel=1)
    assert len(told) == (package is not None)
