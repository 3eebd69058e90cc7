"""A plan is a Dask graph that any of Dask's schedulers runs, and says how it came to be."""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import Any

import dask
import dask.threaded
import pytest
from dask.task_spec import GraphNode
from dask.utils import key_split

from flowgraph import Graph, StageError, stage
from flowgraph.compiler.plan import Job
from flowgraph.runtime.sections import Section
from flowgraph.testing import run_plain

PASSES = [
    *(
        "prune",
        "keyed",
        "realign",
        "gather",
        "regions",
        "fuse",
        "coarsen",
        "abreast",
        "partition",
        "tree",
        "limits",
        "validate",
    ),
    "lower",
]


def square(x: int) -> int:
    return x * x


def add(a: int, b: int) -> int:
    return a + b


def odd(x: int) -> bool:
    return x % 2 == 1


@pytest.fixture
def graph() -> Graph:
    g = Graph("plan")
    squares = g.items(range(100)).map(square)
    g.items(g.task(range, g.param("n", default=50))).filter(odd).count()
    g.output(squares, squares.reduce(add, name="total"), g.nodes["count"])
    return g


VALUES = ([k * k for k in range(100)], sum(k * k for k in range(100)), 25)


@pytest.mark.parametrize("get", [dask.get, dask.threaded.get])
def test_dask_alone_runs_a_plan(graph, get):
    plan = graph.compile(workers=2)
    assert get(plan.dask, plan.keys) == VALUES


def test_a_client_runs_a_plan(graph, client):
    plan = graph.compile(workers=2)
    assert tuple(client.get(plan.dask, plan.keys)) == VALUES


def test_parameters_are_bound_when_it_is_compiled(graph):
    plan = graph.compile(graph.nodes["count"], params={"n": 10}, workers=2)
    assert dask.get(plan.dask, plan.keys) == (5,)


def test_a_plan_raises_the_stage_error_when_dask_runs_it():
    g = Graph("fails")
    plan = g.compile(g.items([1, 0]).map((1).__truediv__), workers=2)
    (value,) = dask.get(plan.dask, plan.keys)
    assert value[0] == 1
    assert isinstance(value[1], StageError)
    plan = g.compile(g.task((1).__floordiv__, 0), workers=2)
    with pytest.raises(StageError, match="ZeroDivisionError") as caught:
        dask.get(plan.dask, plan.keys)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_every_task_is_a_node_of_dasks_task_specification(graph):
    plan = graph.compile(workers=2)
    assert all(isinstance(node, GraphNode) for node in plan.dask.values())
    assert all(node.key == key for key, node in plan.dask.items())
    assert set(plan.keys) <= plan.dask.keys()
    needed = {need for node in plan.dask.values() for need in node.dependencies}
    assert needed <= plan.dask.keys()


def test_no_two_plans_share_a_key(graph):
    first, second = graph.compile(workers=2), graph.compile(workers=2)
    assert not first.dask.keys() & second.dask.keys()


def test_dasks_dashboard_shows_the_names_of_the_stages(graph):
    plan = graph.compile(workers=2)
    shown = {key_split(key) for key in plan.dask}
    assert {"square", "add", "range"} <= shown


@pytest.mark.parametrize("workers", [1, 2, 64])
def test_a_million_items_become_few_tasks_quickly(workers):
    g = Graph("million")
    total = g.items(range(10**6)).map(square).filter(odd).reduce(add)
    begun = time.perf_counter()
    plan = g.compile(total, workers=workers)
    assert time.perf_counter() - begun < 1
    assert len(plan.dask) < 70 * workers


def test_a_million_items_of_unknown_length_become_few_tasks():
    g = Graph("million")
    total = g.items(g.task(range, 10**6)).map(square).filter(odd).reduce(add)
    plan = g.compile(total, workers=2)
    assert len(plan.dask) < 140
    assert dask.get(plan.dask, plan.keys) == (sum(k * k for k in range(1, 10**6, 2)),)


def test_the_plan_says_what_each_pass_did(graph):
    graph.items([1]).map(stage(square, name="unused", sequential=True))
    text = graph.compile(workers=3).explain()
    lines = text.splitlines()
    assert lines[0] == "plan of graph 'plan' for 3 workers"
    starts = [line.split()[0] for line in lines[1:] if line[2] != " "]
    assert starts == PASSES
    assert "unused" in text


def test_the_plan_names_what_is_limited():
    g = Graph("limited")
    plan = g.compile(g.items([1]).map(stage(square, sequential=True)), workers=2)
    assert "square: one task after the other, in item order" in plan.explain()


# Dask orders ready tasks itself: these notice if it ever changes how.


def began(folder: str, part: int) -> int:
    (Path(folder) / f"{part}").write_text(str(time.monotonic_ns()))
    return part


def order_of_starts(folder: Path, parts: int) -> list[int]:
    return sorted(range(parts), key=lambda k: int((folder / f"{k}").read_text()))


def partitions(folder: Path, parts: int) -> tuple[Graph, Any]:
    """A graph whose items are each a partition of their own."""
    g = Graph("order")
    return g, g.items(range(parts)).map(lambda k: began(str(folder), k)).map(square)


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_partitions_start_in_order(tmp_path, scheduler):
    g, items = partitions(tmp_path, 20)
    plan = g.compile(items, workers=1)
    assert len(plan.jobs) == 20
    g.run(items, scheduler=scheduler, workers=1)
    assert order_of_starts(tmp_path, 20) == list(range(20))


@pytest.mark.parametrize("unfused", [False, True])
def test_partitions_start_in_order_on_a_cluster(tmp_path, unfused):
    """With one worker of one thread."""
    from distributed import Client, LocalCluster

    g, items = partitions(tmp_path, 8)
    targets = (items, items.map(square)) if unfused else (items,)
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        g.run(*targets, scheduler=client)
    assert order_of_starts(tmp_path, 8) == list(range(8))


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_a_target_that_is_given_twice_comes_twice(scheduler):
    calls = []
    g = Graph("twice")
    y = g.items([7, 8]).map(abs)
    z = g.task(lambda: calls.append(1) or 5, name="z")
    a, b, c = g.run(y, z, y, scheduler=scheduler, workers=1).value
    assert (a, b, c) == ([7, 8], 5, [7, 8])
    calls.clear()
    g.run(z, z, scheduler="sync")
    assert len(calls) == 1
    assert run_plain(g, y, y) == ([7, 8], [7, 8])
    plan = g.compile(y, y)
    assert dask.get(plan.dask, plan.keys) == ([7, 8], [7, 8])
    g.output(z, z)
    assert g.run(scheduler="sync").value == run_plain(g) == (5, 5)


def test_a_plan_that_nobody_holds_is_gone_at_once():
    """In a circle of references the user's items would wait for a garbage collection."""
    g = Graph("squares")
    squares = g.items(range(50)).map(square)
    total = squares.take(3).concat(squares.filter(bool).take(2)).reduce(add)
    gc.collect()
    gc.disable()
    try:
        assert g.run(total, squares, scheduler="sync").ok
        left = [thing for thing in gc.get_objects() if isinstance(thing, (Job, Section))]
    finally:
        gc.enable()
    assert left == []
