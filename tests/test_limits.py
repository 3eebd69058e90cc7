"""Limits on stages hold over the whole run, on every backend."""

from __future__ import annotations

import asyncio
import time

import pytest
from journal import Journal, in_any_second

from conftest import Backend
from flowgraph import Graph, Retry, stage
from flowgraph.runtime.light import Rest


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path)


@pytest.fixture(scope="session")
def wide_client():
    """More places to work at than the limits allow."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(params=["sync", "threads", "processes", "distributed"])
def wide(request):
    if request.param == "distributed":
        return Backend(request.param, request.getfixturevalue("wide_client"), None)
    return Backend(request.param, request.param, 4)


# rate


def hold_the_rate(journal, starts, backend, rate=20):
    times = journal.times("starts")
    assert len(times) == starts
    lanes = 1 if backend.name == "sync" else 2
    assert in_any_second(times) <= rate + lanes
    took, ideal = times[-1] - times[0], (starts - 1) / rate
    print(f"{backend.name}: {took / ideal:.2f} of the time that the rate asks for")
    assert took < 5 * ideal


def test_a_rate_holds_in_every_second_and_is_reached(backend, journal):
    g = Graph("rate")
    items = g.items(range(40)).map(stage(lambda k: journal.note("starts", k), rate=20))
    backend.run(g, items)
    hold_the_rate(journal, 40, backend)


def test_retries_are_paced_too(backend, journal):
    @stage(rate=20, retry=Retry(1, delays=[0.001]))
    def flaky(k):
        journal.note("starts", k)
        if journal.items("starts").count(str(k)) == 1:
            raise OSError(k)

    g = Graph("rate")
    run = backend.run(g, g.items(range(12)).map(flaky))
    assert run.stats.retried == 12
    hold_the_rate(journal, 24, backend)


def test_a_rate_is_that_of_all_nodes_of_a_stage(backend, journal):
    limited = stage(lambda k: journal.note("starts", k), rate=20)
    g = Graph("rate")
    items = g.items(range(12)).map(limited)
    backend.run(g, items, g.items(range(6)).map(limited), *[g.task(limited, k) for k in range(6)])
    hold_the_rate(journal, 24, backend)


def test_coroutines_that_a_busy_loop_held_up_do_not_start_all_at_once(backend, journal):
    @stage(rate=20)
    async def blocks(k):
        journal.note("starts", k)
        if k == 0:
            time.sleep(0.6)

    g = Graph("rate")
    backend.run(g, g.items(range(30)).map(blocks))
    hold_the_rate(journal, 30, backend)


def test_a_rate_holds_from_the_first_start(wide, journal):
    g = Graph("rate")
    items = g.items(range(8)).map(stage(lambda k: journal.note("starts", k), rate=8))
    wide.run(g, items)
    times = journal.times("starts")
    assert times[-1] - times[0] > 7 / 8 - 0.2
    assert in_any_second([time for time in times if time < times[0] + 0.3]) <= 4


def test_a_rate_holds_over_partitions_that_are_empty(backend, journal):
    g = Graph("rate")
    some = g.items(range(24)).filter(lambda k: k % 4 == 0)
    backend.run(g, some.map(stage(lambda k: journal.note("starts", k), rate=10)))
    times = journal.times("starts")
    assert len(times) == 6
    assert times[-1] - times[0] > 5 / 10 - 0.1


# max_concurrency


def meeting(journal, times, **options):
    """A stage whose first calls wait until so many of them are inside."""

    def inside(k):
        journal.note("begins", k)
        journal.wait("begins", times)
        time.sleep(0.005)
        journal.note("ends", k)
        return k

    return stage(inside, **options)


def test_never_more_attempts_at_once_than_allowed_and_as_many(wide, journal):
    most = 1 if wide.name == "sync" else 2
    g = Graph("two")
    items = g.items(range(20)).map(meeting(journal, most, max_concurrency=2))
    assert wide.run(g, items).value == list(range(20))
    assert journal.most_at_once() == most


def test_all_nodes_of_a_stage_share_its_places(wide, journal):
    most = 1 if wide.name == "sync" else 2
    limited = meeting(journal, most, max_concurrency=2)
    g = Graph("shared")
    calls = [g.task(limited, k) for k in range(6)]
    wide.run(g, g.items(range(8)).map(limited), g.items(range(8)).map(limited), *calls)
    assert len(journal.entries("ends")) == 22
    assert journal.most_at_once() == most


# sequential


def test_a_sequential_stage_keeps_the_order_while_the_one_before_it_works(backend, journal):
    """The last item leaves the first stage only when the first one is in the second."""

    def before(k):
        if k == 19 and backend_is_parallel:
            journal.wait("begins")
        journal.note("before", k)
        return k

    def alone(k):
        journal.note("begins", k)
        time.sleep(0.001)
        journal.note("ends", k)

    backend_is_parallel = backend.name != "sync"
    g = Graph("alone")
    backend.run(g, g.items(range(20)).map(before).map(stage(alone, sequential=True)))
    assert journal.items("begins") == journal.items("ends") == [str(k) for k in range(20)]
    assert journal.most_at_once() == 1
    if backend_is_parallel:
        assert journal.times("begins")[0] < journal.times("before")[-1]


# batch_size, pause


def items_of_tasks(run, node=0):
    """How many items of a node were done in each Dask task that did any."""
    bundles = run._account.bundles.values()
    counts = [sum(row[3] for row in b.records() if row[0] == node) for b in bundles]
    return sorted(filter(None, counts), reverse=True)


@pytest.mark.parametrize("length_is_known", [True, False])
def test_a_task_has_as_many_items_as_the_stage_says(backend, length_is_known):
    g = Graph("batches")
    source = list(range(30))
    items = g.items(source if length_is_known else g.task(list, source))
    sized = items.map(stage(abs, batch_size=7))
    run = backend.run(g, sized)
    assert run.value == source
    number = [info.name for info in run._account.nodes].index("abs")
    assert items_of_tasks(run, number) == [7, 7, 7, 7, 2]


def test_a_pause_lies_between_batches_and_not_inside(backend, journal):
    """The two of a batch wait for each other."""
    pause = 0.15
    at_once = 1 if backend.name == "sync" else 2

    def inside(k):
        journal.note("begins", k)
        journal.note(f"batch-{k // 2}", k)
        journal.wait(f"batch-{k // 2}", at_once)
        journal.note("ends", k)

    g = Graph("pauses")
    backend.run(g, g.items(range(8)).map(stage(inside, batch_size=2, pause=pause)))
    begins, ends = journal.times("begins"), journal.times("ends")
    gaps = [begins[k] - ends[k - 1] for k in (2, 4, 6)]
    assert len(begins) == 8
    assert min(gaps) > pause - 0.01
    assert max(gaps) < 5 * pause + 1
    assert journal.most_at_once() == at_once


# deadline


def test_there_is_no_attempt_past_the_deadline(backend, journal):
    @stage(retry=Retry(1_000, delays=[0.1]), deadline=1)
    def fails(k):
        journal.note(k)
        raise OSError(k)

    g = Graph("deadline")
    run = backend.run(g, g.items(["a"]).map(fails), g.task(fails, "b"), on_error="collect")
    for error in run.errors:
        item = None if error.index is None else (0, 0)
        starts = [record.start for record in run.attempts if record.items == item]
        assert len(starts) == error.attempts >= 2
        assert starts[-1] - starts[0] < 1
        assert len(journal.entries(str(error.__cause__))) == error.attempts
    assert len(run.errors) == run.stats.failed == 2


@pytest.mark.parametrize(("count", "pauses"), [(0, 0), (2, 0), (6, 1)])
def test_there_are_no_pauses_where_there_is_nothing_between(backend, monkeypatch, count, pauses):
    slept = []
    monkeypatch.setattr(Rest, "run", rest_noted(slept))
    g = Graph("unknown")
    items = g.items(g.task(range, count)).map(stage(abs, batch_size=3, pause=0.01))
    assert backend.run(g, items).value == list(range(count))
    if backend.name in ("sync", "threads"):  # elsewhere it is another process that rests
        assert slept == [0.01] * pauses


class Noted:
    """Where a pause is noted instead of waited for."""

    def __init__(self, slept):
        self.sleep = slept.append


def rest_noted(slept):
    original = Rest.run

    def run(self, scope, inputs):
        return original(self, Noted(slept), inputs)

    return run


def test_an_item_that_is_late_since_others_took_long_has_no_further_attempt(backend, journal):
    @stage(batch_size=2, retry=Retry(1, delays=[0.01]), deadline=0.1)
    def fails(k):
        journal.note(k)
        if k:
            time.sleep(0.3)  # it takes the time of the other's second attempt
            return k
        raise OSError

    g = Graph("late")
    run = backend.run(g, g.items([0, 1]).map(fails), on_error="collect")
    assert run.value[1] == 1
    assert [error.attempts for error in run.errors] == [1]
    assert len(journal.entries("0")) == 1
    (record,) = [record for record in run.attempts if record.outcome == "failed"]
    assert (run.stats.failed, run.stats.retried) == (1, 0)


def test_a_coroutine_that_gets_its_place_back_too_late_has_no_further_attempt(backend, journal):
    @stage(batch_size=2, max_concurrency=1, retry=Retry(1, delays=[0.01]), deadline=0.1)
    async def fails(k):
        journal.note(k)
        if k:
            await asyncio.sleep(0.3)
            return k
        raise OSError

    g = Graph("late")
    run = backend.run(g, g.items([0, 1]).map(fails), on_error="collect")
    assert run.value[1] == 1
    assert len(journal.entries("0")) == 1
    assert (run.stats.failed, run.stats.retried) == (1, 0)
