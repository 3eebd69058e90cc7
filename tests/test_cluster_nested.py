"""Runs that are made inside the tasks of a cluster, for the same cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import distributed
import pytest
from dask_processes import REPOSITORY, dask_processes

from flowgraph import Graph, StageError, stage


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """One worker with one slot."""
    with dask_processes(tmp_path_factory.mktemp("dask"), workers=1) as processes:
        yield processes.address


def bounded(function, seconds=60):
    """What a function gives; a run that hangs must not hang the tests."""
    given = []
    thread = threading.Thread(target=lambda: given.append(function()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert given, "it hangs"
    return given[0]


def inner(x, address, depth=0):
    h = Graph("inner")
    items = h.items([x, x + 1])
    if depth:
        return h.run(items.map(inner, address, depth - 1).reduce(max), scheduler=address).value
    return h.run(items.map(abs).reduce(max), scheduler=address).value


async def inner_of_coroutine(x, address):
    return inner(x, address)


@pytest.mark.parametrize(
    "function",
    [inner, stage(inner, timeout=30), inner_of_coroutine],
    ids=["plain", "timeout", "coroutine"],
)
def test_a_stage_runs_a_graph_on_its_own_cluster(address, function):
    g = Graph("outer")
    items = g.items(range(3)).map(function, address)
    assert bounded(lambda: g.run(items, scheduler=address).value) == [1, 2, 3]


def test_a_graph_in_a_graph_in_a_graph(address):
    g = Graph("outermost")
    node = g.task(inner, 1, address, depth=2)
    assert bounded(lambda: g.run(node, scheduler=address).value) == 4


def test_a_plain_dask_task_runs_a_graph_and_the_worker_is_as_before(address):
    def free(dask_worker):
        state = dask_worker.state
        return len(state.executing), len(state.long_running), dask_worker.executor._max_workers

    with distributed.Client(address, set_as_default=False) as client:
        assert bounded(client.submit(inner, 5, address).result) == 6
        until = time.monotonic() + 20
        while (found := list(client.run(free).values())) != [(0, 0, 1)]:
            assert time.monotonic() < until, found
            time.sleep(0.1)


def test_inside_a_stage_the_scheduler_that_is_left_out_is_threads(address):
    """A worker has no active client."""

    def where(_):
        h = Graph("default")
        return h.run(h.task(threading.current_thread)).value.name

    g = Graph("outer")
    name = bounded(lambda: g.run(g.task(where, 1), scheduler=address).value)
    assert name.startswith("flowgraph")


def test_of_two_items_of_which_one_fails_inside_the_reason_is_told(address):
    def wrong(x):
        h = Graph("inner")
        return h.run(h.task(int, x), scheduler=address).value

    g = Graph("outer")
    with pytest.raises(StageError, match="stage 'wrong' failed on item 1"):
        bounded_error(lambda: g.run(g.items(["1", "x"]).map(wrong), scheduler=address))


def bounded_error(function):
    def caught():
        try:
            return function()
        except Exception as error:
            return error

    raise bounded(caught)


DRIVER = """
import sys, time
from flowgraph import Graph

def forever(path):
    open(path, "w").close()
    while True:
        time.sleep(0.05)

def middle(path, address):
    h = Graph("inner")
    return h.run(h.task(forever, path), scheduler=address).value

g = Graph("outer")
g.run(g.task(middle, sys.argv[1], sys.argv[2]), scheduler=sys.argv[2])
"""


def test_a_stage_that_waits_for_a_run_leaves_when_its_own_run_is_over(tmp_path):
    """Its driver was killed: nobody would ever tell it."""
    path = tmp_path / "began"
    with dask_processes(tmp_path, workers=1, threads=2) as processes:
        driver = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(path), processes.address],
            env={**os.environ, "PYTHONPATH": REPOSITORY},
        )
        until = time.monotonic() + 60
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.05)
        driver.send_signal(signal.SIGKILL)
        driver.wait()

        def waiting(dask_worker):
            frames = sys._current_frames()
            return [
                name
                for name in ("_watch",)
                for frame in frames.values()
                for code in _codes(frame)
                if code == name
            ]

        def _codes(frame):
            while frame is not None:
                yield frame.f_code.co_name
                frame = frame.f_back

        with distributed.Client(processes.address, set_as_default=False) as client:
            until = time.monotonic() + 30
            while any(found := client.run(waiting).values()):
                assert time.monotonic() < until, found
                time.sleep(0.2)
