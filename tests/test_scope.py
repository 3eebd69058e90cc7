"""A task's notebook: what is noted is what is read, and waiting ends with the run."""

from __future__ import annotations

import os
import pickle
import socket
import threading
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notebook import Clock, Flag, Note, new_scope, notes

from flowgraph.results.stats import count
from flowgraph.runtime import report as report_module
from flowgraph.runtime import scope as scope_module
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.report import (
    OK,
    RETRIED,
    SKIPPED,
    Bundle,
    attempts_in,
    read_bundles,
)
from flowgraph.runtime.scope import Halt, Scope, SystemClock, here

INTS = st.integers(0, 2**31 - 1)
PLACES = st.integers(0, 2**63 - 1)
INDICES = st.none() | PLACES | st.lists(PLACES, min_size=1, max_size=3).map(tuple)
TIMES = st.floats(0, 1e6)
ROWS = st.tuples(INTS, INDICES, INDICES, INTS, INTS, st.integers(1, 6), TIMES, TIMES)
"""What has no outcome of quick calls, which share a record."""
BUNDLES = st.builds(
    Bundle,
    INTS,
    st.text(max_size=20),
    st.floats(0, 1e10),
    st.floats(0, 1e10),
    st.binary(max_size=50),
    # A Skip stands in for a Failure, which is equal to none but itself.
    st.lists(st.builds(Skip, st.text(max_size=5)), max_size=3).map(tuple),
)


@pytest.fixture
def epoch(monkeypatch):
    """The task begins at second 5000 of the epoch, at 20 by its own clock."""
    monkeypatch.setattr(scope_module, "time", SimpleNamespace(time=lambda: 5000.0))
    clock = Clock()
    clock.time = 20.0
    return clock


def failure():
    return Failure("load", "load", None, 1, "host", (ValueError(),))


# Records


def outer(index):
    return -1 if index is None else index if isinstance(index, int) else index[0]


@given(st.lists(ROWS, max_size=5))
def test_records_are_read_as_they_were_noted(wanted):
    """Items below a flat_map by the first number of their position, no item as -1."""
    scope = new_scope()
    epoch = scope._epoch
    for row in wanted:
        scope.note(*row)
    assert list(scope.bundle().records()) == [
        (node, outer(first), outer(last), *counts, start + epoch, end - start)
        for node, first, last, *counts, start, end in wanted
    ]


def noted(scope):
    """First and last item, calls, and seconds of each record."""
    return [(*row[1:4], round(row[7], 6)) for row in scope.bundle().records()]


def test_quick_calls_of_a_moment_share_a_record():
    """A fiftieth of a second from its start on; each stage has its own."""
    scope = new_scope()
    for k in range(63):
        scope.note(7, k, k, 1, 1, OK, k / 1024, k / 1024 + 0.0005)
        scope.note(8, k, k, 1, 1, OK, k / 1024, k / 1024 + 0.0001)
    assert [row[0] for row in scope.bundle().records()] == [7, 8] * 3
    assert noted(scope)[::2] == [(0, 20, 21, 0.0105), (21, 41, 21, 0.0105), (42, 62, 21, 0.0105)]


@pytest.mark.parametrize(
    ("attempt", "outcome", "seconds"), [(1, OK, 0.001), (2, OK, 1e-6), (1, RETRIED, 1e-6)]
)
def test_other_calls_have_records_of_their_own(attempt, outcome, seconds):
    """A slow one, one that was tried before, one that failed: quick ones are apart around it."""
    scope = new_scope()
    for k in range(2):
        for node in (6, 7):
            scope.note(node, k, k, 1, 1, OK, 0.002 * k, 0.002 * k + 1e-6)
        scope.note(7, 9, 9, 1, attempt, outcome, 0.002 * k, 0.002 * k + seconds)
    assert noted(scope) == [
        made for k in range(2) for made in (*[(k, k, 1, 1e-6)] * 2, (9, 9, 1, seconds))
    ]


def test_an_item_that_comes_late_has_a_record_of_its_own():
    """Its place is before theirs: an item that was tried again at the stage before."""
    scope = new_scope()
    for k in (4, 6, 5, 7):
        scope.note(7, k, k, 1, 1, OK, 0.001 * k, 0.001 * k + 1e-6)
    assert noted(scope) == [(4, 6, 2, 2e-6), (5, 7, 2, 2e-6)]


@pytest.mark.parametrize(("calls", "sharing"), [(10, 4), (2, 1)])
def test_parts_of_a_reduction_count_as_no_call(calls, sharing):
    """Whether they are quick is told by how many calls there really were."""
    scope = new_scope()
    for k in range(4):
        scope.note(7, None, None, 0, 1, OK, 0.002 * k, 0.002 * k + 0.004, calls)
    bundle = scope.bundle()
    assert [row[7] for row in bundle.records()] == pytest.approx([0.004 * sharing] * (4 // sharing))
    assert sum(attempts_in(row[3]) for row in bundle.records()) == 4
    counts = {}
    count(bundle, counts, lambda node: False)
    assert counts[7].completed == 0


def test_what_was_noted_before_a_mark_is_not_changed_behind_it():
    scope = new_scope()
    scope.note(7, 0, 0, 1, 1, OK, 0, 1e-6)
    mark = scope.mark()
    scope.note(7, 1, 1, 1, 1, OK, 1e-3, 1e-3 + 1e-6)
    scope.note(7, 2, 2, 1, 1, OK, 2e-3, 2e-3 + 1e-6)
    assert noted(scope) == [(0, 0, 1, 1e-6), (1, 2, 2, 2e-6)]
    scope.rollback(mark)
    scope.note(7, 3, 3, 1, 1, OK, 3e-3, 3e-3 + 1e-6)
    assert noted(scope) == [(0, 0, 1, 1e-6), (3, 3, 1, 1e-6)]


def test_times_are_seconds_of_the_epoch(epoch):
    scope = new_scope(epoch, task=3)
    scope.note(1, None, None, 1, 1, OK, 21.0, 23.5)
    epoch.time = 30.0
    bundle = scope.bundle()
    assert [row[6:] for row in bundle.records()] == [(5001.0, 2.5)]
    assert (bundle.task, bundle.started, bundle.ended) == (3, 5000.0, 5010.0)
    assert bundle.worker == here()


def test_without_a_clock_a_task_takes_the_machines():
    assert Scope(new_scope().control, 1).clock is SystemClock
    assert SystemClock.now() <= SystemClock.now()


def test_skipped_calls_are_noted_unless_there_are_none():
    scope = new_scope()
    scope.skip(4, (2, 9))
    scope.skip(5, None, 7)
    scope.skip(6, None, 0)
    assert notes(scope) == [Note(4, 2, 2, 1, 0, SKIPPED), Note(5, -1, -1, 7, 0, SKIPPED)]


def test_what_is_struck_out_leaves_what_was_before():
    scope = new_scope()
    scope.skip(1, 1)
    scope.fail(first := failure())
    mark = scope.mark()
    scope.skip(2, 2)
    scope.fail(failure())
    scope.rollback(mark)
    assert [note.node for note in notes(scope)] == [1]
    assert scope.bundle().failures == (first,)


# Bundles


@given(st.lists(BUNDLES, max_size=4))
def test_bundles_are_read_as_they_were_packed_one_after_the_other(bundles):
    assert list(read_bundles(b"".join(bundle.pack() for bundle in bundles))) == bundles


@given(BUNDLES)
def test_bundles_arrive_as_they_were_sent(bundle):
    assert pickle.loads(pickle.dumps(bundle)) == bundle


def test_a_bundle_without_failures_unpickles_nothing(monkeypatch):
    data = Bundle(1, "host", 0.0, 1.0, b"").pack()
    monkeypatch.setattr(report_module, "pickle", None)
    assert next(read_bundles(data)).failures == ()


# The end of a run


def test_a_failure_ends_the_task_only_if_it_ends_the_run():
    going, halting = new_scope(), new_scope(halts=True)
    going.fail(failure())
    with pytest.raises(Halt):
        halting.fail(failed := failure())
    assert len(going.failures) == 1
    assert halting.failures == [failed]


def test_a_halt_is_no_exception_that_a_stage_would_catch():
    assert not issubclass(Halt, Exception)


def test_a_task_leaves_when_its_run_is_over():
    stop = Flag()
    scope = new_scope(stop=stop)
    scope.check()
    stop.up = True
    with pytest.raises(Halt):
        scope.check()


def test_a_task_that_cannot_see_the_end_waits_in_one_go():
    clock = Clock()
    scope = new_scope(clock)
    scope.check()
    scope.sleep(2.5)
    scope.sleep(0)
    assert clock.waits == [2.5]


@given(st.floats(0, 3))
def test_a_task_that_can_see_the_end_looks_ten_times_a_second(seconds):
    clock = Clock()
    new_scope(clock, stop=Flag()).sleep(seconds)
    assert sum(clock.waits) == pytest.approx(seconds)
    assert all(0 < wait <= 0.1 for wait in clock.waits)


def test_a_wait_ends_with_the_run():
    stop, clock = Flag(), Clock()

    def sleep(seconds):
        Clock.sleep(clock, seconds)
        stop.up = len(clock.waits) == 3

    clock.sleep = sleep
    with pytest.raises(Halt):
        new_scope(clock, stop=stop).sleep(1000)
    assert clock.waits == [0.1, 0.1, 0.1]


def test_a_wait_that_ends_early_goes_on():
    clock = Clock()

    def sleep(seconds):
        Clock.sleep(clock, seconds / 2 if len(clock.waits) == 0 else seconds)

    clock.sleep = sleep
    new_scope(clock).sleep(8)
    assert clock.waits == [4, 4]


# Names


def test_a_worker_is_named_by_host_process_and_thread():
    names = []
    thread = threading.Thread(target=lambda: names.append(here()), name="helper")
    thread.start()
    thread.join()
    process = f"{socket.gethostname()}:{os.getpid()}"
    assert names == [f"{process}:helper"]
    assert here() == f"{process}:{threading.current_thread().name}"


def test_a_forked_process_has_its_own_name(monkeypatch):
    before = here()
    monkeypatch.setattr(os, "getpid", lambda: -5)
    assert here() == before.replace(f":{before.split(':')[1]}:", ":-5:")


def test_outcomes_have_numbers_of_their_own():
    names = [name for name in report_module.__all__ if name.isupper()]
    assert len({getattr(report_module, name) for name in names}) == len(names) == 6
