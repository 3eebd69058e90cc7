"""What a condition lets be called: with its own options and limits, on every backend."""

from __future__ import annotations

import time

import pytest

from flowgraph import Graph, Retry, StageError, stage
from flowgraph.testing import run_plain


def add(x=0, y=1):
    return x + y


def fail(*_):
    raise ValueError("no")


def test_only_one_of_both_is_called_with_its_own_options(backend, tmp_path):
    def noted(name, failing):
        log = tmp_path / name
        log.write_text(log.read_text() + "x" if log.exists() else "x")
        if failing and len(log.read_text()) < 3:
            raise OSError(name)
        return name

    yes = stage(noted, name="yes")
    no = stage(noted, name="no", retry=Retry(2, wait=0, on=OSError))
    g = Graph("calls")
    node = g.when(g.task(bool), yes, "it", True, otherwise=no, name="node")
    run = backend.run(g, node)
    assert (run.value, (tmp_path / "it").read_text()) == ("it", "xxx")
    with pytest.raises(StageError, match="^stage 'no' failed after 3 attempts"):
        backend.run(g, g.when(g.task(bool), add, otherwise=stage(fail, name="no", retry=2)))


async def later(x):
    return x


def test_coroutines_are_called_under_conditions(backend):
    g = Graph("coroutines")
    nodes = (g.when(g.task(bool), add, 3, otherwise=later), g.when(g.task(len, "a"), later, 4))
    assert backend.run(g, *nodes).value == run_plain(g, *nodes) == (3, 4)


def test_limits_hold_for_what_is_called_otherwise(backend, tmp_path):
    def alone(k):
        busy = tmp_path / "busy"
        busy.mkdir()
        time.sleep(0.002)
        busy.rmdir()
        return k

    limited = stage(alone, max_concurrency=1)
    g = Graph("limits")
    no = g.task(bool)
    nodes = [g.when(no, add, k, otherwise=limited, name=f"node-{k}") for k in range(100)]
    assert backend.run(g, *nodes).value == tuple(range(100))
