"""A stint in another process gives back what it has not begun, while it is at a slow call."""

from __future__ import annotations

import os
import signal
import time

import pytest

from flowgraph import Graph, Retry, stage

AWAY = ["processes", "cluster"]
WAIT = 30.0


@pytest.fixture(params=AWAY)
def away(request):
    if request.param == "cluster":
        return {"scheduler": request.getfixturevalue("client")}
    return {"scheduler": "processes", "workers": 2}


def wait_for(path):
    """True once there is a file."""
    until = time.monotonic() + WAIT
    while not os.path.exists(path):
        if time.monotonic() > until:
            return False
        time.sleep(0.005)
    return True


def touch(path, k):
    with open(path, "w"):
        return k


def same(k):
    return k


@pytest.mark.parametrize("place", [0, 40, 150])
def test_a_slow_call_holds_up_nothing_behind_it(away, tmp_path, place):
    """It waits for the last one: whoever has it in the same stint must let it go."""
    path = str(tmp_path / "there")
    g = Graph("waits")
    nodes = [g.task(same, k) for k in range(place)]
    nodes.append(g.task(wait_for, path))
    nodes += [g.task(same, k) for k in range(200)]
    nodes.append(g.task(touch, path, 7))
    run = g.run(*nodes, **away)
    assert run.value == (*range(place), True, *range(200), 7)
    assert (run.stats.completed, run.stats.total) == (place + 202, place + 202)


def test_what_is_tried_again_beside_a_slow_call_counts_once(away, tmp_path):
    path, marks = str(tmp_path / "there"), str(tmp_path)

    @stage(retry=Retry(2, wait=0.01))
    def flaky(k):
        mark = os.path.join(marks, f"{k}")
        if k % 10 == 3 and not os.path.exists(mark):
            touch(mark, k)
            raise OSError(k)
        return k

    g = Graph("flaky")
    nodes = [g.task(flaky, k) for k in range(60)]
    nodes.append(g.task(wait_for, path))
    nodes += [g.task(flaky, k) for k in range(60, 200)]
    nodes.append(g.task(touch, path, 7))
    run = g.run(*nodes, **away)
    assert run.value == (*range(60), True, *range(60, 200), 7)
    assert (run.stats.completed, run.stats.retried) == (202, 20)


def test_a_process_that_dies_at_a_slow_call_takes_nothing_along_that_it_gave_back(tmp_path):
    """Others have made that by then."""
    path = str(tmp_path / "there")

    def dies():
        wait_for(path)
        os.kill(os.getpid(), signal.SIGKILL)

    g = Graph("dies")
    nodes = [g.task(dies), *(g.task(same, k) for k in range(200))]
    last = g.task(lambda *values: touch(path, sum(values)), *nodes[100:], name="last")
    run = g.run(*nodes, last, scheduler="processes", workers=2, on_error="collect")
    stats = run.stats
    assert run[last] == sum(range(99, 200))
    assert stats.completed + stats.failed + stats.skipped == stats.total == 202
    assert 1 <= stats.failed <= 100
    assert run.errors[0].stage == "dies"
    assert stats.failed == 1 or "it ran one of" in str(run.errors[0])
