"""What stages and nodes say to Dask's scheduler reaches it; local schedulers ignore it."""

from __future__ import annotations

import os
import uuid

import pytest
from distributed.diagnostics.plugin import SchedulerPlugin
from journal import Journal

from flowgraph import Graph, StageTimeout, stage


class Listener(SchedulerPlugin):
    """Notes the annotations of each graph that comes."""

    def __init__(self, name):
        self.name = name
        self.told = {}

    def update_graph(self, scheduler, *, annotations=None, **kwargs):
        for what, values in (annotations or {}).items():
            for key, value in values.items():
                self.told.setdefault(key, {})[what] = value


@pytest.fixture
def told(client):
    """What the scheduler was told of the tasks of a stage."""
    name = uuid.uuid4().hex
    client.register_plugin(Listener(name))

    def annotations_of(stage):
        seen = client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.plugins[name].told)
        return [said for key, said in seen.items() if key[0].startswith(stage + "-")]

    yield annotations_of
    client.unregister_scheduler_plugin(name)


@pytest.fixture
def gpu(client):
    """The address of the one worker that has a resource."""
    address = min(client.scheduler_info(n_workers=-1)["workers"])
    client.run(give_gpu, workers=[address])
    return address


async def give_gpu(dask_worker):
    await dask_worker.set_resources(GPU=1)


def same(x, *_):
    return x


def pid(*_):
    return os.getpid()


def named(name, **options):
    return stage(same, name=name, **options)


def test_options_and_annotations_reach_the_scheduler(client, told, gpu):
    first = named("first", priority=7, resources={"GPU": 1}, workers=gpu)
    g = Graph("told")
    node = g.task(first, 1).annotate(mine={"a": [1]})
    items = g.items(range(4)).map(named("second", priority=3)).annotate(priority=4)
    plain = g.task(named("third"), node)
    assert g.run(plain, items, scheduler=client).value == (1, list(range(4)))
    (said,) = told("first")
    assert (said["priority"], said["resources"], said["mine"]) == (7, {"GPU": 1}, {"a": [1]})
    assert list(said["workers"]) == [gpu]
    assert {said["priority"] for said in told("second")} == {4}
    assert told("third") == []


def test_tasks_run_where_they_may(client, gpu):
    (there,) = client.run(os.getpid, workers=[gpu]).values()
    g = Graph("where")
    nodes = [
        g.items(range(8)).map(stage(pid, workers=gpu)),
        g.items(range(8)).map(stage(pid, resources={"GPU": 1})),
        g.items(range(8)).map(pid).annotate(workers=[gpu]),
    ]
    for pids in g.run(*nodes, scheduler=client).value:
        assert set(pids) == {there}


def test_what_no_worker_has_is_waited_for_as_long_as_the_run_may_take(client, tmp_path):
    journal = Journal(tmp_path)
    g = Graph("nowhere")
    node = g.task(stage(journal.note, resources={"TPU": 1}), "ran")
    with pytest.raises(StageTimeout) as caught:
        g.run(node, scheduler=client, timeout=0.5)
    assert caught.value.run.stats.cancelled == 1
    assert not journal.has("ran")


def test_larger_priorities_are_first(client, gpu, tmp_path):
    """They all wait for the one place that a resource leaves."""
    journal = Journal(tmp_path)

    def holds():
        journal.note("holds")
        journal.wait("go")

    def go():
        journal.wait("holds")
        journal.note("go")

    g = Graph("first")
    held = g.task(stage(holds, resources={"GPU": 1}))
    noted = stage(journal.note, resources={"GPU": 1})
    later = [g.task(noted, f"p{p}", after=held).annotate(priority=p) for p in (1, 5, 2, 4, 3)]
    g.run(g.task(go), *later, scheduler=client)
    order = [entry.what for entry in journal.entries() if entry.what.startswith("p")]
    assert order == ["p5", "p4", "p3", "p2", "p1"]


def test_layers_that_need_each_other_in_a_circle_run(client, told):
    """Each set of annotations is one layer: what follows on what goes to and fro."""
    high, low = named("high", priority=9), named("low", priority=-9)
    g = Graph("circle")
    node, items = g.task(high, 1), g.items(range(3))
    for _ in range(3):
        node = g.task(high, g.task(named("plain"), g.task(low, node)))
        items = items.map(low, node).map(high).map(named("plain"))
    assert g.run(node, items, scheduler=client).value == (1, [0, 1, 2])
    assert {said["priority"] for said in told("high")} == {9}
    assert {said["priority"] for said in told("low")} == {-9}
    assert told("plain") == []
    assert len(told("high")) >= 4 + 3


def test_what_is_annotated_apart_is_not_fused_and_the_rest_is(client, told):
    g = Graph("apart")
    items = g.items(range(2)).map(named("a", priority=1)).map(named("b", priority=1))
    assert g.run(items.map(named("c")), scheduler=client).value == [0, 1]
    assert {said["priority"] for said in told("a+b")} == {1}
    assert told("a+b+c") == told("c") == []


def test_limits_and_annotations_go_together(client, told, tmp_path):
    journal = Journal(tmp_path)

    @stage(sequential=True, priority=2, name="alone")
    def alone(k):
        journal.note("alone", k)

    g = Graph("both")
    g.run(g.items(range(6)).map(named("before", priority=1)).map(alone), scheduler=client)
    assert journal.items("alone") == [str(k) for k in range(6)]
    assert {said["priority"] for said in told("alone")} == {2}
    assert {said["priority"] for said in told("before")} == {1}


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_local_schedulers_ignore_them(scheduler):
    g = Graph("local")
    items = g.items(range(3)).map(named("a", priority=1, workers="nobody")).annotate(mine=1)
    node = g.task(named("b", resources={"GPU": 7}), items)
    run = g.run(items, node, scheduler=scheduler, workers=2)
    assert run.value == ([0, 1, 2], [0, 1, 2])
