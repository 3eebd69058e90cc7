"""Regions on a cluster: their stints, what stays on the workers, and workers that go away."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import time
from contextlib import suppress

import distributed
import pytest
from dask.sizeof import sizeof
from hypothesis import HealthCheck, given, settings
from journal import Journal
from strategies import cases

from flowgraph import (
    Graph,
    SchedulerError,
    SkippedError,
    StageError,
    StageTimeout,
    WorkerDied,
    stage,
)
from flowgraph.backends import crew
from flowgraph.backends.crew import Crew
from flowgraph.backends.flight import Flight
from flowgraph.backends.underway import Underway
from flowgraph.compiler.batches import Shape
from flowgraph.compiler.freeze import bind, freeze
from flowgraph.compiler.gather import gather
from flowgraph.compiler.regions import regions
from flowgraph.compiler.shipping import seal
from flowgraph.compiler.steps import Constant, Region, needs_of, sharers
from flowgraph.runtime.code import Control
from flowgraph.runtime.handover import Borrowed, Done, Known, LostValue, opened
from flowgraph.runtime.light import Give
from flowgraph.runtime.onecall import UNREACHED
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.region import Region as RegionWork
from flowgraph.runtime.stint import Stint

HEAVY = 300_000


def add(*numbers):
    return sum(numbers)


def regions_of(graph, *targets, **params):
    dag = freeze(graph.name, graph.steps, tuple(node.name for node in targets))
    dag = gather(bind(dag, params))
    made = regions(dag, Shape(2, hands_out=True, far=True))
    return [step for step in made.steps if isinstance(step, Region)]


def crowd(function=add, size=200, *args):
    g = Graph("crowd")
    return g, [g.task(function, k, *args) for k in range(size)]


@pytest.fixture
def stints(monkeypatch):
    """The stints that are handed out."""
    seen: list[Stint] = []
    launch = Flight.launch

    def spy(self, launched):
        seen.extend(each.stint for each in launched)
        return launch(self, launched)

    monkeypatch.setattr(Flight, "launch", spy)
    return seen


@pytest.fixture
def receipts(monkeypatch):
    """Bytes of what the stints tell the driver."""
    seen: list[int] = []
    heard = Crew.heard

    def spy(self, bundle, task, part, done):
        seen.append(len(pickle.dumps(done)))
        return heard(self, bundle, task, part, done)

    monkeypatch.setattr(Crew, "heard", spy)
    return seen


# Which calls are a region there


def test_calls_that_only_need_one_another_and_constants_are_one_region():
    g = Graph("apart")
    n = g.param("n")
    nodes = [g.task(add, n, k) for k in range(100)]
    other = g.items(range(5)).map(abs).reduce(add)
    joins = g.task(add, *nodes), g.task(sum, nodes * 10)
    (region,) = regions_of(g, *joins, other, n=1)
    assert len(region.calls) == 102


def test_calls_that_need_other_steps_or_are_needed_by_them_are_none():
    g = Graph("mixed")
    total = g.items(range(5)).map(abs).reduce(add)
    behind = [g.task(add, total, k) for k in range(100)]
    assert regions_of(g, *behind) == []
    before = [g.task(add, k) for k in range(100)]
    squares = g.items(g.task(list, before)).map(pow, 2)
    assert regions_of(g, squares) == []


def test_calls_with_a_time_limit_are_one_region_and_keep_it(client):
    def work(k, stop):
        time.sleep(30 if k == stop else 0)
        return k

    g, nodes = crowd(stage(work, timeout=0.5), 200, 150)
    assert len(regions_of(g, *nodes)) == 1
    begun = time.monotonic()
    run = g.run(*nodes, scheduler=client, on_error="collect")
    assert time.monotonic() - begun < 20
    (error,) = run.errors
    assert isinstance(error.__cause__, StageTimeout)
    assert run.stats.completed == 199


def test_calls_with_annotations_or_heavy_arguments_are_none():
    for options in ({"priority": 1}, {"resources": {"gpu": 1}}):
        g, nodes = crowd(stage(add, **options))
        assert regions_of(g, *nodes) == []
    g, nodes = crowd(lambda k, table: table[k], 200, list(range(10_000)))
    assert regions_of(g, *nodes) == []
    g, nodes = crowd(lambda k, table: table[0][k], 200, {0: list(range(200))})
    assert len(regions_of(g, *nodes)) == 1


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_nothing_but_constants_is_on_either_side_of_a_region(case):
    steps = case.graph.steps
    dag = gather(bind(freeze("random", steps, tuple(steps)), case.params))
    made = regions(dag, Shape(0, hands_out=True, far=True))
    constants = {step.name for step in made.steps if isinstance(step, Constant)}
    inside = {name for step in made.steps for name in sharers(step)}
    for step in made.steps:
        around = {*needs_of(step), *step.after} - constants
        assert not around if isinstance(step, Region) else inside.isdisjoint(around)


# Stints


def test_quick_calls_are_few_stints(client, stints):
    g = Graph("layers")
    layer = [g.task(add, k) for k in range(50)]
    for _ in range(40):
        layer = [g.task(add, layer[k - 1], node) for k, node in enumerate(layer)]
    run = g.run(g.task(add, *layer), scheduler=client)
    assert run.value == sum(range(50)) * 2**40
    assert sum(len(stint.slots) for stint in stints) >= 2051
    assert len(stints) <= 40


def test_slow_calls_keep_all_workers_busy(client):
    def nap(k):
        time.sleep(0.05)
        return k

    g, nodes = crowd(nap, 70)
    run = g.run(g.task(add, *nodes), scheduler=client)
    assert run.value == sum(range(70))
    spans = [(a.start, a.end) for a in run.attempts if a.stage == "nap"]
    assert len(spans) == 70
    took = max(end for _, end in spans) - min(start for start, _ in spans)
    assert sum(end - start for start, end in spans) > 1.2 * took


def test_quick_calls_do_not_wait_for_a_slow_one(client, tmp_path):
    """The slow call ends when those that were ready at its side, and all behind them, have."""
    journal = Journal(tmp_path)

    def work(k, *_):
        if k == 0:
            journal.wait("last")
        if k == "last":
            journal.note("last")
        return k

    g, nodes = crowd(work, 100)
    rest = nodes[50:]  # the first half is in the slow call's stint
    for _ in range(5):
        rest = [g.task(work, 1, node, rest[k - 1]) for k, node in enumerate(rest)]
    last = g.task(work, "last", *rest)
    assert g.run(last, nodes[0], scheduler=client).value == ("last", 0)


def test_an_event_that_is_lost_costs_a_question(client, monkeypatch):
    """What the stint made, and its report, are on the worker."""
    heard, lost = Crew.heard, []

    def deaf(self, bundle, task, part, done):
        if not lost:
            lost.append(part)
            return True
        return heard(self, bundle, task, part, done)

    monkeypatch.setattr(Crew, "heard", deaf)
    g, nodes = crowd()
    run = g.run(g.task(add, *nodes), scheduler=client)
    assert run.value == sum(range(200))
    assert run.stats.completed == 201
    assert len(lost) == 1


def test_very_many_calls_are_cut_before_anybody_knows_them(client, stints, monkeypatch):
    monkeypatch.setattr(crew, "_MOST", 1000)
    fetched = []
    monkeypatch.setattr(Underway, "fetch", lambda self, sent: fetched.append(sent))
    g, nodes = crowd(size=5000)
    assert g.run(*nodes, scheduler=client).value == tuple(range(5000))
    assert max(len(stint.slots) for stint in stints) <= 1000
    assert not fetched


# Constants, and what weighs much


def test_constants_go_along_or_lie_ready(client):
    g = Graph("constants")
    small, large = g.param("small"), g.param("large")
    nodes = [g.task(lambda s, m, k: s + m[k], small, large, k) for k in range(100)]
    total = g.task(add, *nodes)
    table = list(range(100_000))
    run = g.run(total, scheduler=client, params={"small": 3, "large": table})
    assert run.value == 300 + sum(range(100))


def test_heavy_code_goes_to_a_worker_once(client, stints):
    table = bytes(range(256)) * 4096
    g, nodes = crowd(lambda k: table[k], 200)
    run = g.run(g.task(add, *nodes), scheduler=client)
    assert run.value == sum(range(200))
    assert stints


def blob(k):
    return bytes([k % 256]) * HEAVY


def join(*parts):
    return bytes([sum(part[0] for part in parts) % 256]) * HEAVY


def tree_of_blobs(size=256):
    g = Graph("blobs")
    nodes = [g.task(blob, k) for k in range(size)]
    wanted = sum(k % 256 for k in range(size)) % 256
    while len(nodes) > 1:
        nodes = [g.task(join, *nodes[k : k + 2]) for k in range(0, len(nodes), 2)]
    return g, nodes[0], bytes([wanted]) * HEAVY


def test_heavy_values_stay_on_the_workers(client, receipts, monkeypatch):
    brought = []
    fetch = Underway.fetch

    def spy(self, sent):
        if not sent.is_asked:
            brought.append(sent.kept)
        return fetch(self, sent)

    monkeypatch.setattr(Underway, "fetch", spy)
    monkeypatch.setattr(crew, "_SECONDS", 0.005)
    g, last, wanted = tree_of_blobs()
    run = g.run(last, scheduler=client)
    assert run.value == wanted
    assert run.stats.completed == 511
    assert sum(receipts) < 511 * 1000
    assert sum(brought) < 511 * HEAVY / 3


def test_a_failure_among_heavy_values_skips_what_needs_it(client):
    def make(k):
        time.sleep(0.001)
        if k % 7 == 3:
            raise ValueError(k)
        return blob(k)

    g, nodes = crowd(make)
    readers = [g.task(len, node) for node in nodes for _ in range(2)]
    run = g.run(*readers, scheduler=client, on_error="collect")
    failed = sum(k % 7 == 3 for k in range(200))
    stats = run.stats
    assert (stats.failed, stats.skipped) == (failed, 2 * failed)
    assert stats.completed == 600 - 3 * failed
    assert {run[node] for k, node in enumerate(readers) if k // 2 % 7 != 3} == {HEAVY}


def test_quick_calls_behind_heavy_ones_are_few_stints_again(client, stints):
    g, nodes = crowd(blob, 80)
    one, two = g.task(lambda *blobs: 1, *nodes), g.task(int, 2)
    for _ in range(500):
        one, two = two, g.task(min, one, two)
    assert g.run(two, *[g.task(len, node) for node in nodes], scheduler=client).value[0] == 1
    assert len(stints) < 120


def test_heavy_values_that_are_lost_for_good_are_failures(own_client, tmp_path, monkeypatch):
    """Each that is wanted has an error, and is counted as failed."""
    own_client.cluster.scheduler.allowed_failures = 0
    journal = Journal(tmp_path)

    def make(k):
        journal.note(k)
        if journal.has(f"{k}", 2):  # it is made anew
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.001)
        return blob(k)

    def dies(*blobs):
        os.kill(os.getpid(), signal.SIGKILL)

    g, nodes = crowd(make)
    run = g.run(*nodes, g.task(dies, *nodes), scheduler=own_client, on_error="collect")
    lost = [node for node in nodes if not is_there(run, node)]
    stats = run.stats
    assert stats.failed == len(run.errors) > len(lost) > 0
    assert stats.completed + stats.failed + stats.skipped == 201


def is_there(run, node):
    try:
        return len(run[node]) == HEAVY
    except StageError:
        return False


def test_very_heavy_values_are_not_brought_to_the_driver(client, monkeypatch):
    monkeypatch.setattr(crew, "_BROUGHT", HEAVY)
    brought = []
    fetch = Underway.fetch

    def spy(self, sent):
        brought.append(sent.stint.part)
        return fetch(self, sent)

    monkeypatch.setattr(Underway, "fetch", spy)
    g, last, wanted = tree_of_blobs()
    assert g.run(last, scheduler=client).value == wanted
    assert not brought


def test_a_value_that_is_lost_and_not_made_again_fails_what_reads_it():
    """A stint that ends by the clock may be made anew on a slower worker."""
    stint = Outcome(Done([1, UNREACHED], frozenset({8}), 0.1))
    known = Known({7: Borrowed(0, 0), 8: Borrowed(0, 1)}, {})
    values, missing, unreadable = opened(known, [stint])
    assert (values, missing) == ({7: 1}, {})
    assert isinstance(unreadable[8], LostValue)


def test_all_heavy_values_are_there_if_they_are_wanted(client):
    g = Graph("wanted")
    nodes = [g.task(blob, k) for k in range(200)]
    lengths = [g.task(len, node) for node in nodes]
    run = g.run(*nodes, *lengths, scheduler=client)
    assert run.value == (*(blob(k) for k in range(200)), *(HEAVY,) * 200)


def test_heavy_values_are_made_anew_when_their_worker_dies(own_client, tmp_path, monkeypatch):
    """What a worker kept is lost with it; Dask makes the same stints again."""
    monkeypatch.setattr(crew, "_SECONDS", 0.005)
    journal = Journal(tmp_path)

    def dies(*parts):
        if not journal.has("died"):
            journal.note("died")
            os.kill(os.getpid(), signal.SIGKILL)
        return join(*parts)

    g = Graph("anew")
    nodes = [g.task(blob, k) for k in range(256)]
    for _ in range(3):
        nodes = [g.task(join, *nodes[k : k + 2]) for k in range(0, len(nodes), 2)]
    last = g.task(join, g.task(dies, *nodes[:16]), *nodes[16:])
    run = g.run(last, scheduler=own_client)
    assert run.value[0] == (2 * 0 + sum(k % 256 for k in range(256))) % 256
    assert run.ok


def test_dask_is_told_what_a_stint_weighs():
    packed = Outcome(bytes(HEAVY))
    packed.seal()
    made = Outcome(Done([packed, 1], frozenset(), 0.1))
    assert HEAVY < sizeof(made) < 1.1 * HEAVY
    assert HEAVY < sizeof(packed) < 1.1 * HEAVY


def test_a_region_does_not_start_again_with_what_it_reads(client, monkeypatch):
    """Its stints are no tasks of the plan: they hear by themselves that an input is lost."""
    g = Graph("lent")
    table = g.param("table")
    nodes = [g.task(lambda t, k: t[k], table, k) for k in range(100)]
    total = g.items(g.task(list, table)).map(abs).reduce(add)
    targets = (*nodes, total)
    shape = Shape(2, hands_out=True, far=True)
    plan = g._compile(targets, {"table": list(range(100_000))}, shape)
    seal(plan.code, plan.cargo)
    (given,) = [n for n, job in enumerate(plan.jobs) if isinstance(job.work, Give)]
    readers = [job for job in plan.jobs if given in job.needs]
    assert any(isinstance(job.work, RegionWork) for job in readers)
    flight = Flight(client, plan, Control(plan.code), print)
    again = []
    monkeypatch.setattr(flight, "_submit", again.extend)
    flight.give_up({given: WorkerDied("list", 4, "tcp://x")})
    assert given in again
    assert not [n for n in again if isinstance(plan.jobs[n].work, RegionWork)]


# Workers that die of a call, and schedulers that go away


# On a busy machine a worker may take seconds to come back.
@pytest.mark.filterwarnings("ignore:the Dask scheduler .* has no workers:RuntimeWarning")
def test_a_call_that_kills_its_workers_fails_alone(own_client):
    """Those of its stint are made again, a few at a time."""
    own_client.cluster.scheduler.allowed_failures = 0

    def dies(k):
        if k == 150:
            os.kill(os.getpid(), signal.SIGKILL)
        return k

    g, nodes = crowd(dies)
    doubles = [g.task(add, node, nodes[k - 1]) for k, node in enumerate(nodes)]
    run = g.run(*nodes, *doubles, scheduler=own_client, on_error="collect")
    assert all(isinstance(error.__cause__, WorkerDied) for error in run.errors)
    with pytest.raises(StageError):
        run[nodes[150]]
    stats, failed = run.stats, len(run.errors)
    assert 1 <= failed <= 10  # a few may be at its side
    assert (stats.failed, stats.completed + stats.skipped) == (failed, 400 - failed)
    assert stats.skipped <= 2 * failed
    with pytest.raises(SkippedError):
        run[doubles[150]]


def test_what_was_given_back_is_made_once_though_its_worker_dies(own_client, tmp_path):
    """Dask makes all of the stint anew, which then gives back more or less than before."""
    journal = Journal(tmp_path)

    def work(k):
        journal.note("called")
        if k == 0 and not journal.has("died"):
            time.sleep(0.4)
            journal.note("died")
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.3 if k == 0 else 0.01)
        return k

    g, nodes = crowd(work)
    pairs = [g.task(add, nodes[k - 1], node) for k, node in enumerate(nodes)]
    run = g.run(g.task(add, *pairs), *nodes, scheduler=own_client)
    assert run.value == (2 * sum(range(200)), *range(200))
    assert run.stats.completed == 401
    assert len(journal.entries("called")) <= 205


def test_a_call_that_kills_its_workers_fails_without_those_that_were_given_back(own_client):
    def work(k):
        if k == 0:
            time.sleep(0.6)
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.002)
        return k

    g, nodes = crowd(work)
    run = g.run(*nodes, scheduler=own_client, on_error="collect")
    with pytest.raises(StageError):
        run[nodes[0]]
    assert run.stats.failed == len(run.errors) <= 10
    assert run.stats.completed == 200 - len(run.errors)
    assert all("ran stage 'work'" in str(error.__cause__) for error in run.errors)


def test_a_region_ends_when_the_scheduler_goes_away(tmp_path):
    def nap(k):
        time.sleep(0.02)
        return k

    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as cluster:
        client = distributed.Client(cluster, set_as_default=False)
        g, nodes = crowd(nap, 300)
        seen = []

        def progress(_):
            if not seen:
                seen.append(1)
                client.close()

        with pytest.raises(SchedulerError, match="went away") as caught:
            g.run(*nodes, scheduler=client, progress=progress)
    run = caught.value.run
    finished = 0
    for k, node in enumerate(nodes):
        with suppress(SkippedError):
            assert run[node] == k
            finished += 1
    assert finished == run.stats.completed > 0


def test_a_failure_ends_what_is_under_way(client, tmp_path):
    journal = Journal(tmp_path)

    def work(k):
        journal.note("called")
        time.sleep(0.01)
        return 1 // (k - 30)

    g, nodes = crowd(work, 400)
    with pytest.raises(StageError):
        g.run(*nodes, scheduler=client)
    gc.collect()  # the error's traceback
    called, before = len(journal.entries("called")), -1
    while called > before:  # how long the workers take to hear of it is the machine's business
        time.sleep(0.3)
        before, called = called, len(journal.entries("called"))
    assert called < 400
    assert not [key for key in client.futures if "work" in str(key)]


def test_several_runs_at_once_and_inside_one_another(client):
    def inner(k):
        g = Graph("inner")
        return g.run(g.task(add, *[g.task(add, k, n) for n in range(100)])).value

    g, nodes = crowd(inner, 70)
    run = g.run(g.task(add, *nodes), scheduler=client)
    assert run.value == sum(100 * k + sum(range(100)) for k in range(70))
