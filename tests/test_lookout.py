"""Loops over quick items that turn slow are ended from outside; the calls themselves say when."""

from __future__ import annotations

import os
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notebook import Clock, new_scope, new_site, notes

from flowgraph import Graph, StageError
from flowgraph.runtime import link as link_module
from flowgraph.runtime.bind import bind
from flowgraph.runtime.flow import Flow
from flowgraph.runtime.link import Link
from flowgraph.runtime.lookout import Lookout, Stretch, lookout
from flowgraph.runtime.partition import Partition
from flowgraph.runtime.sink import Keeping

PATIENCE = 30


class Quiet:
    """Nobody looks but the calls themselves: their clocks are not the machine's."""

    def watch(self, stretch):
        pass

    leave = watch


@pytest.fixture
def quiet(monkeypatch):
    monkeypatch.setattr(link_module, "lookout", Quiet())


def function_of(operation, seen):
    """Notes its items, and gives what the operation takes."""

    def work(*item):
        seen.append(item)
        return list(item)

    return work


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("operation", ["map", "starmap", "filter", "flat_map", "values"])
@given(
    kind=st.sampled_from([list, tuple]),
    ends=st.sets(st.integers(0, 29)),
    chunk=st.integers(1, 40),
)
def test_each_item_is_called_once_and_in_order_whoever_ends_the_loops(operation, kind, ends, chunk):
    seen = []
    stretch = Stretch()
    plain = function_of(operation, seen)

    def work(*item):
        if len(seen) in ends:
            stretch.look(1e9)  # much later, by the clock of who looks
        return plain(*item)

    items = kind((k, k) for k in range(30))
    link = Link(new_site(), operation, bind(operation, work, [], {}), Clock().now, None, stretch)
    link.chunk = chunk
    done: list = []
    while len(done) < len(items):
        block = items[len(done) :]
        end = link.extend(done_here := [], block)
        assert end.error is None
        assert end.early == (len(done_here) < len(block))
        done += done_here
    expected: list = []
    bind(operation, function_of(operation, []), [], {})(expected, items)
    assert done == expected
    given_items = [(k,) if operation == "values" else (k, k) for k in range(30)]
    if operation in ("map", "filter", "flat_map"):
        given_items = [((k, k),) for k in range(30)]
    assert seen == given_items


def test_a_range_can_be_ended_too():
    seen = []
    stretch = Stretch()
    items = iter(range(10))
    stretch.begin(items, 0.0)
    for item in items:
        seen.append(item)
        if item == 3:
            stretch.look(1e9)
    assert seen == [0, 1, 2, 3]
    assert stretch.stop()


def test_only_what_lasts_too_long_is_ended():
    stretch = Stretch()
    items = iter([1, 2, 3])
    stretch.begin(items, 100.0)
    stretch.look(100.019)
    assert next(items) == 1
    stretch.look(100.021)
    assert list(items) == []
    assert stretch.stop()
    assert not stretch.stop()  # nothing is on its way any more
    again = iter([1])
    stretch.begin(again, 100.0)
    assert not stretch.stop()
    stretch.look(200.0)
    assert list(again) == [1]


@pytest.mark.usefixtures("quiet")
def test_an_error_of_the_call_at_which_a_loop_is_ended_is_that_items():
    stretch = Stretch()

    def work(item):
        if item == 4:
            stretch.look(1e9)
            raise ValueError(item)
        return item

    link = Link(new_site(), "map", bind("map", work, [], {}), Clock().now, None, stretch)
    link.chunk = 20
    end = link.extend(done := [], range(20))
    assert (done, str(end.error), end.early) == ([0, 1, 2, 3], "4", False)


def test_a_loop_that_is_ended_before_its_first_call_begins_again():
    """Its thread had no turn.  By a clock that stands still each chunk lasts too long at once."""
    stretch = Stretch()
    link = Link(new_site(), "map", bind("map", str, [], {}), Clock().now, None, stretch)
    done: list = []
    for _ in range(200):
        made: list = []
        link.extend(made, range(len(done), len(done) + 50))
        done += made
    assert done == list(map(str, range(len(done))))


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(("before", "alone"), [(0.02, True), (0.4, False)])
def test_a_call_that_took_most_of_the_time_has_a_record_of_its_own(before, alone):
    """``before`` is what had passed when the loop was ended, of half a second."""
    clock, stretch = Clock(), Stretch()

    def work(item):
        if item == 100:
            stretch.look(clock.time + before)
            clock.time += 0.5
        return item

    scope = new_scope(clock)
    link = Link(new_site(), "map", bind("map", work, [], {}), clock.now, None, stretch)
    link.chunk = 4096
    Flow(scope, [link], sink := Keeping()).run(Partition(range(200), range(200)))
    assert list(sink.result().values) == list(range(200))
    slow = [row[1:4] for row in scope.bundle().records() if row[7] > 0.1]
    assert slow == [(100, 100, 1)] if alone else slow[0][2] > 1
    assert sum(note.count for note in notes(scope)) == 200


def test_the_lookout_wakes_up_and_ends_what_hangs_about():
    made, go, seen = Lookout(), threading.Event(), []
    for _ in range(2):  # the second time it may have fallen asleep
        stretch = Stretch()
        items = iter([1, 2, 3])
        stretch.begin(items, time.perf_counter())
        made.watch(stretch)
        until = time.perf_counter() + PATIENCE
        while items.__length_hint__() and time.perf_counter() < until:
            go.wait(0.01)
        seen += list(items)
        made.leave(stretch)
        assert stretch.stop()
    assert seen == []
    assert not made._stretches


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_has_a_lookout_of_its_own():
    stretch = Stretch()
    lookout.watch(stretch)
    try:
        child = os.fork()
        if not child:
            os._exit(0 if not lookout._stretches and lookout._asleep else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        lookout.leave(stretch)


def test_a_run_that_is_over_leaves_items_that_have_turned_slow(tmp_path, backend):
    """A failure ends it while another partition has thousands of slow items behind quick ones."""
    if backend.name == "sync":
        pytest.skip("in the caller's own thread nothing else is under way")
    log = str(tmp_path / "log")

    def work(item):
        if item == 20_000:  # of the second partition
            for _ in range(3_000):
                if os.path.exists(log):
                    raise ValueError
                time.sleep(0.01)
        if 8_000 <= item < 12_500:  # of the first one
            with open(log, "a") as file:
                file.write(".")
            time.sleep(0.01)
        return item

    g = Graph("tail")
    with pytest.raises(StageError, match="item 20000"):
        backend.run(g, g.items(range(100_000)).map(work))
    # Of 4500 in all: it ends within a tenth of a second, or some more on a busy machine.
    had = os.path.getsize(log)
    assert had < 1_000
