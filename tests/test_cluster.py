"""What goes wrong on a cluster: dead workers, no workers."""

from __future__ import annotations

import os
import signal
import threading

import dask
import distributed
import pytest

from flowgraph import Graph, SchedulerError, SkippedError, StageError


def deadly(x):
    if x == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


@pytest.fixture
def own_client():
    """A cluster of this test's own: its workers are killed."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


def test_an_item_that_kills_its_worker_is_a_failure_and_the_rest_is_there(own_client):
    """What other workers had done and lost is made again; the guilty task is named."""
    g = Graph("deadly")
    items = g.items(range(6)).map(deadly)
    harmless = g.items(range(100, 103)).map(abs)
    run = g.run(items, harmless, scheduler=own_client, on_error="collect")
    assert run[harmless] == [100, 101, 102]
    assert [error.stage for error in run.errors] == ["deadly"]
    assert isinstance(run.errors[0].__cause__, distributed.KilledWorker)
    with pytest.raises(StageError):
        run[items]


@pytest.mark.parametrize("workers", [None, 2])
def test_a_scheduler_without_workers_is_refused(workers):
    """Also when the number of workers is given: it would wait for ever."""
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
    assert [str(error) for error in errors] == [
        f"the Dask scheduler at {address} has no workers.\nStart one: dask worker {address}"
    ]


def test_a_skipped_target_of_a_plan_is_named():
    """``plan.dask`` gives values; of a skipped one it says which node, and because of what."""
    g = Graph("skipped")
    node = g.task(abs, g.items([]).reduce(max), name="reader")
    plan = g.compile(node)
    with pytest.raises(SkippedError) as caught:
        dask.get(plan.dask, plan.keys)
    assert (caught.value.node, caught.value.because) == ("reader", "max")
