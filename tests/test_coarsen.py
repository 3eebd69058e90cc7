"""Many small calls share tasks, and nobody sees it but the clock."""

from __future__ import annotations

import os
import threading
import time

import pytest

from flowgraph import Graph, Retry, SkippedError, StageError, stage
from flowgraph.backends.pool import Pool
from flowgraph.compiler.batches import Shape
from flowgraph.compiler.coarsen import coarsen
from flowgraph.compiler.freeze import freeze
from flowgraph.compiler.fuse import fuse
from flowgraph.compiler.steps import Group


def add(*numbers):
    return sum(numbers)


def crowd(function=add, size=200, **options):
    g = Graph("crowd")
    wrapped = stage(function, **options) if options else function
    nodes = [g.task(wrapped, k) for k in range(size)]
    return g, nodes


def groups_of(target, workers=2):
    dag = freeze("crowd", target.graph.steps, (target.name,))
    return [s for s in coarsen(fuse(dag), Shape(workers)).steps if isinstance(s, Group)]


def test_calls_of_a_crowded_level_share_a_few_tasks_for_each_worker():
    g, nodes = crowd()
    groups = groups_of(g.task(add, *nodes))
    sizes = [len(group.members) for group in groups]
    assert sum(sizes) == 200
    assert sizes == sorted(sizes, reverse=True)
    assert 4 <= len(groups) <= 16


def test_calls_that_all_workers_need_one_by_one_stay_apart():
    g, nodes = crowd(size=64)
    assert groups_of(g.task(add, *nodes)) == []
    g, nodes = crowd(size=80)
    assert groups_of(g.task(add, *nodes), workers=3) == []


@pytest.mark.parametrize("options", [{"timeout": 60}, {"sequential": True}, {"max_concurrency": 2}])
def test_calls_with_a_limit_stay_apart(options):
    g, nodes = crowd(**options)
    assert groups_of(g.task(add, *nodes)) == []


def test_values_errors_and_records_are_as_if_each_had_its_task(backend):
    def work(k):
        if k % 50 == 7:
            raise KeyError(k)
        return 2 * k

    g, nodes = crowd(work)
    after = [g.task(add, node, 1) for node in nodes]
    total = g.task(add, *nodes[20:30])
    run = backend.run(g, total, after[5], after[7], nodes[57], *after[8:200], on_error="collect")
    assert run[total] == sum(2 * k for k in range(20, 30))
    assert run[after[5]] == 11
    assert sorted(str(error.__cause__) for error in run.errors) == ["107", "157", "57", "7"]
    with pytest.raises(StageError, match="KeyError"):
        run[nodes[57]]
    assert (run.stages[0].completed, run.stages[0].failed) == (190, 4)
    assert sum(record.count for record in run.attempts) == run.stats.total


def test_the_first_failure_ends_the_run(backend):
    def work(k):
        return 1 // (k - 3)

    g, nodes = crowd(work)
    with pytest.raises(StageError) as caught:
        backend.run(g, g.task(add, *nodes))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_call_that_waits_for_a_retry_holds_up_no_other():
    order, failed = [], threading.Event()

    def work(k):
        if k == 0 and not failed.is_set():
            failed.set()
            raise OSError
        order.append(k)
        return k

    g, nodes = crowd(work, retry=Retry(1, delays=[0.2]))
    run = g.run(g.task(add, *nodes), scheduler="sync")
    assert run.value == sum(range(200))
    assert run.stats.retried == 1
    assert order.index(0) > 0


def test_what_cannot_leave_its_process_fails_alone():
    def work(k):
        return threading.Lock() if k == 3 else k

    g, nodes = crowd(work)
    targets = [g.task(add, nodes[0], nodes[1]), g.task(id, nodes[3]), g.task(list, nodes[3:])]
    run = g.run(*targets, scheduler="processes", workers=2, on_error="collect")
    assert run[targets[0]] == 1
    assert [error.stage for error in run.errors] == ["work"]
    assert (run.stages[0].completed, run.stages[0].failed) == (198, 1)


def test_workers_stay_busy_whatever_calls_cost():
    def nap(k):
        time.sleep(0.02)
        return k

    g, nodes = crowd(nap, size=70)
    run = g.run(g.task(add, *nodes), scheduler="threads", workers=2)
    assert run.stats.wall < 5 * 70 * 0.02 / 2
    assert run.stats.efficiency > 0.5


def test_what_a_group_finished_is_there_when_a_call_of_it_ends_the_run(backend):
    def fails(k):
        if k == 60:
            raise ValueError(k)
        return k

    g = Graph("halted")
    nodes = [g.task(fails, k, name=f"n{k}") for k in range(200)]
    with pytest.raises(StageError) as caught:
        backend.run(g, *nodes)
    run = caught.value.run
    finished = 0
    for k, node in enumerate(nodes):
        if k == 60:
            with pytest.raises(StageError):
                run[node]
            continue
        try:
            assert run[node] == k
            finished += 1
        except SkippedError:
            pass
    # A cluster's tasks may end when nobody asks for their values any more.
    assert (backend.name != "distributed") <= finished <= run.stats.completed
    if backend.name in ("sync", "threads"):
        assert finished == run.stats.completed


def test_each_call_of_a_task_whose_process_dies_fails_by_itself():
    def dies(k):
        if k == 10:
            os._exit(1)
        return k

    g = Graph("dies")
    nodes = [g.task(dies, k, name=f"n{k}") for k in range(100)]
    run = g.run(*nodes, scheduler="processes", workers=2, on_error="collect")
    failed = []
    for node in nodes:
        try:
            run[node]
        except StageError as error:
            failed.append(error)
    assert 1 <= len(failed) == len(run.errors) == run.stats.failed < 100
    assert run.stats.skipped == 0


def test_of_a_large_group_only_what_is_read_is_sent(monkeypatch):
    sent = []
    send = Pool.send

    def noted(self, payload, buffers=(), **options):
        sent.append(sum(memoryview(part).nbytes for part in (payload, *buffers)))
        return send(self, payload, buffers, **options)

    monkeypatch.setattr(Pool, "send", noted)
    g = Graph("large")
    made = [g.task(bytes, 50_000) for _ in range(200)]
    length = stage(len, timeout=60)  # a time limit keeps the readers out of groups
    readers = [g.task(length, each) for each in (*made, *made)]
    run = g.run(*readers, scheduler="processes", workers=2)
    assert run.value == (50_000,) * 400
    assert max(sent) < 100_000
