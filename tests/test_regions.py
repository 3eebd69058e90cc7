"""Single calls in one task, handed out in stints: nobody sees it but the clock."""

from __future__ import annotations

import gc
import itertools
import os
import pickle
import threading
import time
import weakref

import pytest
from hypothesis import HealthCheck, given, settings
from journal import Journal
from strategies import cases

from conftest import BACKENDS, backend_named
from flowgraph import Graph, Retry, SkippedError, StageError, StageTimeout, stage
from flowgraph.backends import local
from flowgraph.backends.foreman import Foreman
from flowgraph.backends.rule import Rule
from flowgraph.compiler.batches import Shape
from flowgraph.compiler.freeze import freeze
from flowgraph.compiler.gather import gather
from flowgraph.compiler.regions import regions
from flowgraph.compiler.steps import Constant, Region, needs_of, sharers
from flowgraph.compiler.validate import validate
from flowgraph.runtime.code import Code, Control, Parcel
from flowgraph.runtime.code import Stage as StageEntry
from flowgraph.runtime.onecall import OneCall
from flowgraph.runtime.place import Place
from flowgraph.runtime.region import Region as RegionWork
from flowgraph.runtime.scope import Scope
from flowgraph.runtime.work import lost


def add(*numbers):
    return sum(numbers)


def crowd(function=add, size=200, **options):
    g = Graph("crowd")
    wrapped = stage(function, **options) if options else function
    return g, [g.task(wrapped, k) for k in range(size)]


def made_of(graph, *targets, workers=2):
    dag = freeze(graph.name, graph.steps, tuple(node.name for node in targets))
    return regions(gather(dag), Shape(workers, hands_out=True))


def regions_of(graph, *targets, **shape):
    return [step for step in made_of(graph, *targets, **shape).steps if isinstance(step, Region)]


def test_calls_that_need_one_another_are_one_region():
    g, nodes = crowd()
    (region,) = regions_of(g, g.task(add, *nodes))
    assert len(region.calls) == 201
    assert region.needs == ()


def test_few_calls_stay_apart():
    g, nodes = crowd(size=63)
    total = g.task(add, *nodes)
    assert regions_of(g, total) == []
    assert len(regions_of(g, total, g.task(add))) == 1


@pytest.mark.parametrize("options", [{"timeout": 60}, {"sequential": True}, {"max_concurrency": 2}])
def test_calls_with_a_limit_stay_apart(options):
    g, nodes = crowd(**options)
    assert regions_of(g, *nodes) == []


def test_a_region_waits_for_nothing_that_one_of_its_calls_does_not_wait_for(backends):
    """Two collections, and calls that need one, the other, or both."""
    g = Graph("two")
    one, other = (g.items(range(k)).map(abs).reduce(add) for k in (5, 6))
    ones = [g.task(add, one, k) for k in range(100)]
    others = [g.task(add, other, k) for k in range(100)]
    both = [g.task(add, a, b) for a, b in zip(ones, others, strict=True)]
    made = regions_of(g, *both)
    assert [len(region.calls) for region in made] == [100, 100, 100]
    for backend in backends:
        run = backend.run(g, *both)
        assert run.value == tuple(25 + 2 * k for k in range(100))


def test_what_reads_some_calls_does_not_wait_for_the_others():
    g = Graph("some")
    early = [g.task(add, k) for k in range(100)]
    late = [g.task(add, early[k], k) for k in range(100)]
    squares = g.items(g.task(list, early[:50])).map(pow, 2)
    made = regions_of(g, squares, *late)
    insides = [{call.name for call in region.calls} for region in made]
    read = {node.name for node in early[:50]}
    assert all(inside <= read or inside.isdisjoint(read) for inside in insides)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_all_calls_of_a_region_have_the_same_steps_before_and_behind_them(case):
    steps = case.graph.steps
    dag = gather(freeze("random", steps, tuple(steps)))
    made = validate(regions(dag, Shape(0, hands_out=True)))
    assert regions(made, Shape(0, hands_out=True)) == made
    before, behind = {}, {}
    for step in dag.steps:
        above = {*needs_of(step), *step.after}
        before[step.name] = above.union(*(before[name] for name in above))
    for step in reversed(dag.steps):
        own = behind.setdefault(step.name, set())
        for name in (*needs_of(step), *step.after):
            behind.setdefault(name, set()).update(own, (step.name,))
    inside = {name for step in made.steps for name in sharers(step)}
    outside = {s.name for s in dag.steps if s.name not in inside and not isinstance(s, Constant)}
    free = {step.name for step in made.steps if isinstance(step, Region)}
    assert len(inside) + len(made.steps) - len(free) == len(dag.steps)
    for region in made.steps:
        if isinstance(region, Region):
            first = region.calls[0].name
            for call in region.calls:
                assert before[call.name] & outside == before[first] & outside
                assert behind[call.name] & outside == behind[first] & outside


@pytest.fixture(params=BACKENDS)
def scheduler(request):
    return backend_named(request.param, request).scheduler


@pytest.fixture(params=BACKENDS[1:])
def parallel(request):
    """Where a call does not hold up the driver."""
    return backend_named(request.param, request).scheduler


def test_a_run_tells_of_its_progress_before_a_region_is_done(tmp_path, parallel):
    """One call waits until the progress of another was seen."""
    journal = Journal(tmp_path)

    def waits(k, journal):
        if k == 99:
            journal.wait("seen")
        return k

    g = Graph("progress")
    nodes = [g.task(waits, k, journal) for k in range(100)]
    run = g.run(*nodes, scheduler=parallel, workers=2, progress=lambda _: journal.note("seen"))
    assert run.value == tuple(range(100))


def test_what_progress_raises_ends_the_run(scheduler):
    def stop(progress):
        raise KeyError(progress.stage)

    g, nodes = crowd()
    with pytest.raises(KeyError, match="add"):
        g.run(*nodes, scheduler=scheduler, workers=2, progress=stop)
    assert g.run(nodes[7], scheduler=scheduler, workers=2).value == 7


def test_a_run_whose_time_is_up_has_what_was_finished(tmp_path, parallel):
    journal = Journal(tmp_path)

    def hangs(k, journal):
        if k == 99:
            journal.wait("end")
        return k

    g = Graph("hangs")
    nodes = [g.task(hangs, k, journal) for k in range(100)]
    with pytest.raises(StageTimeout) as caught:
        g.run(*nodes, scheduler=parallel, workers=2, timeout=2)
    run, finished = caught.value.run, 0
    for k, node in enumerate(nodes):
        try:
            assert run[node] == k
            finished += 1
        except SkippedError:
            pass
    assert 0 < finished == run.stats.completed < 100
    assert run.stats.cancelled == 100 - finished
    journal.note("end")


def test_slow_calls_among_quick_ones_keep_all_workers_busy():
    """Ten thousand quick calls tell nothing of the slow ones behind them."""

    def work(k):
        if k >= 1000:
            time.sleep(0.1)
        return k

    g, nodes = crowd(work, size=1050)
    begun = time.perf_counter()
    g.run(*nodes, scheduler="threads", workers=10)
    assert time.perf_counter() - begun < 2.5  # one after the other takes 5 s


def test_a_failure_skips_only_what_needs_it(scheduler):
    def fails(k):
        if k == 30:
            raise ValueError(k)
        return k

    g, nodes = crowd(fails)
    doubles = [g.task(add, node, node) for node in nodes]
    run = g.run(*doubles, scheduler=scheduler, workers=2, on_error="collect")
    for k, node in enumerate(doubles):
        if k != 30:
            assert run[node] == 2 * k
    with pytest.raises(SkippedError, match="fails-31"):
        run[doubles[30]]
    assert [str(error.__cause__) for error in run.errors] == ["30"]
    stats = run.stats
    assert (stats.completed, stats.failed, stats.skipped, stats.cancelled) == (398, 1, 1, 0)


def test_every_call_has_its_retries(scheduler, tmp_path):
    journal = Journal(tmp_path)

    def flaky(k, journal):
        if k % 10 == 3 and not journal.has(f"{k}"):
            journal.note(f"{k}")
            raise OSError(k)
        return k

    g = Graph("flaky")
    flakes = stage(flaky, retry=Retry(1, delays=[0.01]))
    nodes = [g.task(flakes, k, journal) for k in range(200)]
    run = g.run(g.task(add, *nodes), scheduler=scheduler, workers=2)
    assert run.value == sum(range(200))
    assert (run.stats.retried, run.stats.completed) == (20, 201)


class Heavy:
    """A value that is let go of when nobody needs it any more."""


def test_a_value_is_let_go_of_when_all_have_read_it():
    seen = []

    def make(k):
        value = Heavy()
        seen.append(weakref.ref(value))
        return value

    def read(value, k):
        time.sleep(0.005)  # longer than a stint
        return k

    def alive(*_):
        gc.collect()
        return sum(ref() is not None for ref in seen)

    g = Graph("heavy")
    makes = [g.task(make, k) for k in range(100)]
    reads = [g.task(read, made, k) for k, made in enumerate(makes)]
    again = [g.task(read, made, k) for k, made in enumerate(makes)]
    left = g.task(alive, *reads, *again)
    assert g.run(left, scheduler="threads", workers=2).value <= 2


class Guest:
    """Notes in which processes it is unpacked."""

    def __init__(self, folder):
        self.folder = folder

    def __setstate__(self, state):
        self.__dict__ = state
        Journal(self.folder).note("unpacked", os.getpid())


def test_the_driver_unpacks_no_value_of_a_slow_call(tmp_path):
    def make(k, folder):
        time.sleep(0.005)
        return Guest(folder)

    def read(*guests):
        time.sleep(0.005)
        return len(guests)

    g = Graph("guests")
    makes = [g.task(make, k, tmp_path) for k in range(70)]
    reads = [g.task(read, *makes[k : k + 2]) for k in range(0, 70, 2)]
    run = g.run(*reads, scheduler="processes", workers=2)
    assert run.value == (2,) * 35
    unpacked = Journal(tmp_path).items("unpacked")
    assert 0 < len(unpacked) <= 70
    assert str(os.getpid()) not in unpacked


def test_calls_in_a_row_stay_in_one_process():
    """What only the next one reads goes to no other process."""

    def begin(k):
        time.sleep(0.003)
        return os.getpid(), threading.Lock()  # which cannot leave it

    def end(pair):
        return pair[0] == os.getpid()

    g = Graph("rows")
    ends = [g.task(end, g.task(begin, k)) for k in range(70)]
    assert g.run(*ends, scheduler="processes", workers=2).value == (True,) * 70


def test_what_cannot_leave_its_process_fails_alone(scheduler):
    def work(k):
        time.sleep(0.002 * (k % 3))
        return threading.Lock() if k == 3 else k

    g, nodes = crowd(work, size=100)
    total = g.task(add, *nodes[10:])
    run = g.run(total, nodes[3], *nodes[4:], scheduler=scheduler, workers=2, on_error="collect")
    assert run[total] == sum(range(10, 100))
    failed = 0 if scheduler in ("sync", "threads") else 1
    assert (run.stages[0].completed, run.stages[0].failed) == (97 - failed, failed)


def measure(value, _):
    return len(value)


class Trap:
    """Cannot be unpacked in the process that made it."""

    def __setstate__(self, state):
        raise ValueError("no unpacking")

    def __getstate__(self):
        return {"a": 1}


@pytest.mark.parametrize("parallel", BACKENDS[2:], indirect=True)
def test_a_value_that_cannot_be_unpacked_fails_only_what_reads_it(parallel):
    def make(k):
        time.sleep(0.001)  # else all would be made in one row
        return Trap() if k == 30 else (k,)

    g, nodes = crowd(make)
    # In another stint than the first ones: behind calls of both workers.
    all_made = g.task(lambda *made: 0, *nodes[:30], *nodes[31:])
    lengths = [g.task(measure, node, all_made) for node in nodes]
    run = g.run(*lengths, scheduler=parallel, workers=2, on_error="collect")
    made = [k for k, node in enumerate(lengths) if run_has(run, node)]
    assert made == [k for k in range(200) if k != 30]
    (error,) = run.errors
    assert error.stage == "measure"
    assert "can be pickled, but not unpickled" in str(error)


def run_has(run, node):
    try:
        return run[node] == 1
    except (StageError, SkippedError):
        return False


@pytest.mark.parametrize("deaths", [(10,), (10, 190), (0, 190)])
def test_all_calls_are_accounted_for_when_processes_die(deaths):
    def dies(k):
        if k in deaths:
            os._exit(1)
        return k

    g, nodes = crowd(dies)
    run = g.run(*nodes, scheduler="processes", workers=2, on_error="collect")
    failed = [node for node in nodes if not is_there(run, node)]
    stats = run.stats
    assert len(deaths) <= len(failed) == len(run.errors) == stats.failed < 200
    assert (stats.completed, stats.skipped, stats.cancelled) == (200 - len(failed), 0, 0)


def is_there(run, node):
    try:
        run[node]
    except StageError:
        return False
    return True


def test_nothing_is_handed_out_when_the_run_is_over():
    told = threading.Event()

    def nap(k):
        time.sleep(0.002)
        return k

    def busy(_):
        if not told.is_set():
            told.set()
            time.sleep(1)  # the time limit comes while the driver is at something else

    g, nodes = crowd(nap, size=2000)
    with pytest.raises(StageTimeout) as caught:
        g.run(*nodes, scheduler="threads", workers=2, timeout=0.2, progress=busy)
    run = caught.value.run
    assert len(run._account.bundles) < 2000
    assert run.stats.completed < 2000


def test_a_stint_that_is_lost_tells_nothing_of_how_long_calls_take():
    code = Code((StageEntry("abs", abs, None, None, False),), pickle.dumps, pickle.dumps)
    calls = tuple(OneCall(0, k, f"n{k}", (k,), (), ()) for k in range(100))
    options = {"task": 0, "node": 0, "name": "n0", "stage": "abs", "stages": {0: "abs"}}
    givers = tuple(Place(k, f"n{k}", "abs") for k in range(100))
    work = RegionWork(
        calls=Parcel(calls, pickle.dumps), gives=tuple(range(100)), givers=givers, **options
    )
    control = Control(code, seals=True)
    foreman = Foreman(control, work, [], Rule(workers=1, seconds=1), travels=True)
    stint, _ = foreman.next()
    outcome = lost(Scope(control, 0), stint, EOFError("died"), "w1")
    foreman.take(stint, outcome)
    assert len(foreman.next()[0].slots) <= len(stint.slots) == 25


def test_a_fault_in_handing_out_ends_the_run(monkeypatch, parallel):
    """Nobody waits for a stint that is never made."""
    asked = itertools.count()
    hand_out = Foreman.next

    def breaks(self, **options):
        if next(asked) == 5:
            raise RuntimeError("no more threads")
        return hand_out(self, **options)

    monkeypatch.setattr(Foreman, "next", breaks)
    g, nodes = crowd(lambda k: time.sleep(0.003), size=200)
    with pytest.raises(RuntimeError, match="no more threads"):
        g.run(*nodes, scheduler=parallel, workers=2)


def test_as_many_stints_as_calls(monkeypatch):
    """However many follow one another in the caller's own thread."""
    monkeypatch.setattr(local, "_LONG", 1e-12)
    g, nodes = crowd(size=3000)
    assert g.run(g.task(add, *nodes), scheduler="sync").value == sum(range(3000))


def test_a_failure_ends_a_region(scheduler):
    def fails(k):
        return 1 // (k - 90)

    g, nodes = crowd(fails)
    with pytest.raises(StageError) as caught:
        g.run(*nodes, scheduler=scheduler, workers=2)
    run = caught.value.run
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert run.stats.failed == 1
    assert run.stats.cancelled > 0
