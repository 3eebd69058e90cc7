"""What goes wrong on a cluster: dead workers, no workers."""

from __future__ import annotations

import os
import re
import signal
import threading
import time

import dask
import distributed
import pytest

from flowgraph import (
    Graph,
    SchedulerError,
    SkippedError,
    StageError,
    StageTimeout,
    WorkerDied,
    stage,
)
from flowgraph.backends import connect, pulse
from flowgraph.runtime import worker
from flowgraph.runtime.report import read_bundles
from flowgraph.runtime.worker import TOPIC


def deadly(x):
    if x == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def test_an_item_that_kills_its_worker_is_a_failure_and_the_rest_is_there(own_client):
    """What other workers had done and lost is made again; the guilty task is named."""
    g = Graph("deadly")
    items = g.items(range(6)).map(deadly)
    harmless = g.items(range(100, 103)).map(abs)
    run = g.run(items, harmless, scheduler=own_client, on_error="collect")
    assert run[harmless] == [100, 101, 102]
    assert [error.stage for error in run.errors] == ["deadly"]
    assert isinstance(run.errors[0].__cause__, WorkerDied)
    assert [k for k in range(6) if run[items][k] != k] == [3]
    assert isinstance(run[items][3], StageError)


@pytest.mark.parametrize("workers", [None, 2])
def test_a_scheduler_without_workers_is_given_up(workers, monkeypatch):
    """Also when the number of workers is given: it would wait for ever."""
    monkeypatch.setattr("flowgraph.backends.cluster._PATIENCE", 0.5)
    monkeypatch.setattr(pulse, "_GIVE_UP", 1.0)
    g = Graph("idle")
    g.task(abs, 1)
    errors = []
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0") as cluster:

        def run():
            try:
                g.run(scheduler=cluster.scheduler_address, workers=workers)
            except SchedulerError as error:
                errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(30)
        address = cluster.scheduler_address
    (error,) = errors
    assert re.fullmatch(
        rf"the Dask scheduler at {address} has had no workers for \d+ s.\n"
        rf"Start one: dask worker {address}",
        str(error),
    )


def test_a_skipped_target_of_a_plan_is_named():
    """``plan.dask`` gives values; of a skipped one it says which node, and because of what."""
    g = Graph("skipped")
    node = g.task(abs, g.items([]).reduce(max), name="reader")
    plan = g.compile(node)
    with pytest.raises(SkippedError) as caught:
        dask.get(plan.dask, plan.keys)
    assert (caught.value.node, caught.value.because) == ("reader", "max")


# Reports


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def second(a, b):
    return b


def test_what_was_done_before_a_worker_died_is_told(own_client):
    """Records go ahead of the values: a later task takes none of them with it."""
    own_client.cluster.scheduler.allowed_failures = 0
    g = Graph("late")
    a, b = (g.task(abs, -k, name=f"before-{k}") for k in range(2))
    run = g.run(g.task(die, a, b), scheduler=own_client, on_error="collect")
    assert [(row.stage, row.completed, row.failed) for row in run.stages] == [
        ("abs", 2, 0),
        ("die", 0, 1),
    ]


def ladder(depth):
    """Two rungs that cross: no two of its tasks can be fused, nor be handed out together."""
    apart = stage(second, priority=1)
    g = Graph("ladder")
    a, b = g.task(int, 1, name="x"), g.task(int, 2, name="y")
    for _ in range(depth):
        a, b = b, g.task(apart, a, b)
    return g, b


def test_each_task_reports_for_itself_and_once(client):
    """What a run reports grows with its tasks, not with the square of their depth."""
    g, last = ladder(100)
    run = g.run(last, scheduler=client)
    assert run.stats.completed == 102
    tasks = run._account.tasks
    token = tasks[0].key[0].rsplit("-", 1)[1]
    said = [event["bundle"] for _, event in client.get_events(TOPIC) if event["run"] == token]
    assert sum(map(len, said)) < 300 * len(tasks)
    numbers = [bundle.task for packed in said for bundle in read_bundles(packed)]
    assert sorted(numbers) == list(range(len(tasks)))


def test_runs_at_the_same_time_hear_their_own_reports_only(client):
    """One topic for all runs: the scheduler keeps it for ever, and its last events."""
    told = {}

    def run(number):
        g = Graph(f"run-{number}")
        items = g.items(range(20 + number)).map(abs)
        told[number] = g.run(items, scheduler=client, progress=lambda _: None)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {n: each.stats.completed for n, each in told.items()} == {n: 20 + n for n in range(4)}
    assert [topic for topic in client.get_events() if topic.startswith("flowgraph")] == [TOPIC]


def test_a_worker_loads_neither_the_compiler_nor_what_users_declare_with(own_client):
    g = Graph("small")
    g.run(g.items(range(4)).map(abs), scheduler=own_client)
    loaded = own_client.run(eval, "sorted(__import__('sys').modules)")
    for names in loaded.values():
        assert "flowgraph.runtime.work" in names
        heavy = ("flowgraph.compiler", "flowgraph.declare", "flowgraph.backends")
        assert [name for name in names if name.startswith(heavy)] == []


# Starting


def test_a_cluster_whose_start_fails_is_closed(monkeypatch):
    class Cluster:
        closed = 0

        def __init__(self, **_):
            pass

        def close(self):
            Cluster.closed += 1

    def refuse(*_, **__):
        raise OSError("no socket left")

    monkeypatch.setattr(distributed, "LocalCluster", Cluster)
    monkeypatch.setattr(distributed, "Client", refuse)
    with pytest.raises(OSError, match="no socket left"):
        connect.local_cluster(2)
    assert Cluster.closed == 1


# Values that cannot travel


def slow_lock():
    time.sleep(0.3)
    return threading.Lock()


def both(a, b):
    return "never"


@pytest.mark.parametrize("on_error", ["raise", "collect"])
def test_a_value_that_is_lost_on_the_way_to_another_worker_is_a_failure(client, on_error):
    """It is found when Dask moves it, after its task has reported: its reader reports it."""
    g = Graph("locks")
    a, b = g.task(slow_lock, name="a"), g.task(slow_lock, name="b")
    readers = [g.task(both, a, b), g.task(both, b, a)]
    if on_error == "raise":
        with pytest.raises(StageError, match="slow_lock"):
            g.run(*readers, scheduler=client)
        return
    run = g.run(*readers, scheduler=client, on_error="collect")
    assert not run.ok
    assert {error.stage for error in run.errors} == {"slow_lock"}
    row = run.stages[0]
    assert row.failed == len(run.errors)
    assert row.completed == 2 - row.failed
    with pytest.raises(SkippedError):
        run.value


# The end of a run


def crawl(x, log):
    with open(log, "a") as file:
        file.write("x")
    time.sleep(1)
    return x


def fail_after(log):
    while not os.path.exists(log):
        time.sleep(0.01)
    raise ValueError("boom")


def test_a_task_that_runs_stops_when_its_run_has_failed(client, tmp_path):
    """It asks Dask's worker, between items: a partition here would take 20 s."""
    log = str(tmp_path / "log")
    g = Graph("stop")
    slow = g.items(range(160)).map(crawl, log)
    with pytest.raises(StageError, match="boom"):
        g.run(slow, g.task(fail_after, log), scheduler=client)
    while any(client.run(lambda dask_worker: len(dask_worker.active_threads)).values()):
        time.sleep(0.05)
    assert os.path.getsize(log) < 20


def test_a_task_that_dask_wants_after_all_is_made_anew(monkeypatch):
    """What a stopped task gives must not be taken for its result."""
    asked = []

    def is_set(self):
        asked.append(self._key)
        return len(asked) <= 2

    monkeypatch.setattr(worker._Unwanted, "is_set", is_set)
    with (
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            dashboard_address=":0",
            silence_logs=50,
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        g = Graph("again")
        assert g.run(g.items(range(3)).map(abs), scheduler=client).value == [0, 1, 2]
    assert asked[0] in asked[2:]


BEATS = '''
    import asyncio

    import distributed

    from flowgraph import Graph


    def beats(k):
        """From now on its worker's heart beats as fast as it can."""
        worker = distributed.get_worker()

        async def beat():
            while worker.status.name != "closed":
                await worker.heartbeat()
                await asyncio.sleep(0)

        for _ in range(20):
            worker.loop.add_callback(beat)
        return k


    if __name__ == "__main__":
        g = Graph("beats")
        run = g.run(g.items(range(20)).map(beats), scheduler="distributed", workers=2)
        print(sum(run.value))
'''


def test_the_workers_of_a_run_leave_without_a_word(shell, write):
    """Though a heartbeat of theirs breaks off in the middle."""
    write(BEATS, "beats.py")
    done = shell("beats.py")
    assert (done.returncode, done.stdout, done.stderr) == (0, "190\n", "")


def table_and_its_readers(g):
    table = g.items(range(100)).reduce_by(lambda x: x % 7, lambda a, b: a + b, name="table")
    return table, table.map(lambda pair: time.sleep(1.5), name="slow").reduce(max)


def calls_and_their_readers(g):
    nodes = [g.task(abs, -k) for k in range(200)]
    total = g.task(lambda *values: sum(values), *nodes, name="total")
    slow = g.task(lambda x: time.sleep(1.5), total, name="slow")
    return total, nodes[3], slow


@pytest.mark.parametrize("declare", [table_and_its_readers, calls_and_their_readers])
def test_a_client_goes_on_after_a_run_that_was_broken_off_among_targets_with_readers(
    own_client, declare
):
    for _ in range(3):
        g = Graph("broken off")
        with pytest.raises(StageTimeout):
            g.run(*declare(g), scheduler=own_client, timeout=0.7)
        after = Graph("after")
        assert after.run(after.task(abs, -5), scheduler=own_client, timeout=30).value == 5
