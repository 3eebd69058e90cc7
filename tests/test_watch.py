"""A time limit, told by a clock that the calls themselves set: nothing here waits for time to pass.

The limit is a millisecond, so that the watching thread looks as often; it
expires only when a call has set the clock.
"""

from __future__ import annotations

import threading
import weakref
from contextvars import ContextVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notebook import Clock, mapped

from flowgraph.errors import StageTimeout
from flowgraph.runtime.watch import LONG, SLOW, Watch

LIMIT = 0.001
PATIENCE = 30
"""Seconds until a test gives up on a thread that should have come long ago."""

setting = ContextVar("setting", default="none")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def watch(clock):
    with Watch("load", LIMIT, clock) as watch:
        yield watch


class Hang:
    """A call that takes an age, by the clock, and in truth until it is let go."""

    def __init__(self, clock, hang_at=0):
        self.clock = clock
        self.hang_at = hang_at
        self.go = threading.Event()
        self.seen = []
        self.threads = []

    def __call__(self, item):
        self.seen.append(item)
        self.threads.append(threading.current_thread())
        if item == self.hang_at:
            self.clock.time += 1
            assert self.go.wait(PATIENCE)
        return -item

    def fill(self, done, block):
        done.extend(map(self, block))

    def end(self, thread):
        self.go.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def raises(error):
    raise error


def test_value_of_a_call(watch):
    assert watch.call(lambda: 7) == 7


@pytest.mark.parametrize("kind", [ValueError, StopIteration, SystemExit, KeyboardInterrupt])
def test_what_a_call_raises_is_raised_here(watch, kind):
    error = kind("x")
    with pytest.raises(kind) as caught:
        watch.call(lambda: raises(error))
    assert caught.value is error


def test_calls_share_one_helper_that_has_the_tasks_name(watch):
    threads = [watch.call(threading.current_thread) for _ in range(3)]
    assert len({thread.ident for thread in threads}) == 1
    assert threads[0] is not threading.current_thread()
    assert threads[0].name == threading.current_thread().name
    assert threads[0].daemon


def test_a_call_sees_the_tasks_context_and_cannot_change_it(watch):
    token = setting.set("mine")
    try:
        assert watch.call(setting.get) == "mine"
        watch.call(lambda: setting.set("theirs"))
        assert setting.get() == "mine"
        assert watch.call(setting.get) == "mine"
    finally:
        setting.reset(token)


def test_results_go_on_behind_those_that_are_there(watch):
    done = ["before"]
    end = watch.extend(done, mapped(abs), [-1, -2])
    assert (end.error, end.early) == (None, False)
    assert done == ["before", 1, 2]


def test_an_error_leaves_the_results_of_the_items_before_it(watch):
    done = []
    end = watch.extend(done, mapped(int), ["1", "2", "x", "4"])
    assert isinstance(end.error, ValueError)
    assert not end.early
    assert done == [1, 2]


def test_a_stop_iteration_ends_the_block_unseen(watch):
    """Which is why a single call has a wrapper, and a link counts its results."""
    done = []
    end = watch.extend(done, mapped(next), [iter("a"), iter(""), iter("b")])
    assert (end.error, end.early) == (None, False)
    assert done == ["a"]


def called(watch, clock, seconds):
    """Results of items that take so many seconds, and how many there were at each early end."""

    def slow(item):
        clock.time += item
        return -item

    done, ends = [], []
    while True:
        end = watch.extend(done, mapped(slow), seconds[len(done) :])
        assert end.error is None
        if not end.early:
            return done, ends
        ends.append(len(done))


def test_limit_holds_for_each_call_not_for_the_block(watch, clock):
    assert called(watch, clock, [0.7 * LIMIT] * 5) == ([-0.7 * LIMIT] * 5, [])


def test_a_block_ends_behind_a_slow_call_and_when_it_was_long_enough(clock):
    with Watch("load", 9, clock) as watch:
        assert called(watch, clock, [0, SLOW, 0, 0])[1] == [2]
        assert called(watch, clock, [0, SLOW])[1] == []  # nothing is left
        assert called(watch, clock, [0.3 * LONG] * 3)[1] == [1, 2]
        quick = 0.9 * SLOW
        assert called(watch, clock, [quick] * 9)[1] == [5]


@given(st.lists(st.sampled_from([0, 1e-4, 1e-3, 5e-3]), max_size=30))
def test_what_is_left_at_an_early_end_can_be_called_as_it_is(seconds):
    clock = Clock()
    with Watch("load", 9, clock) as watch:
        assert called(watch, clock, seconds)[0] == [-item for item in seconds]


def test_an_end_says_when_the_last_call_began(clock):
    with Watch("load", 9, clock) as watch:
        clock.time = 7
        end = watch.extend([], mapped(str), range(3))
        assert (end.error, end.since, end.early) == (None, 7, False)
        end = watch.extend([], clock_set_to(clock, {0: 7.0005, 1: 8}), range(3))
        assert (end.since, end.early) == (7.0005, True)


def clock_set_to(clock, times):
    return mapped(lambda item: setattr(clock, "time", times[item]))


def test_a_call_that_takes_too_long_is_left_to_itself(watch, clock):
    hang = Hang(clock)
    with pytest.raises(StageTimeout, match=r"stage 'load' took longer than its timeout of 0.001 s"):
        watch.call(lambda: hang(0))
    assert hang.threads[0].is_alive()
    hang.end(hang.threads[0])


def test_expiry_keeps_earlier_results_and_begins_no_later_item(watch, clock):
    hang, done = Hang(clock, hang_at=2), []
    end = watch.extend(done, hang.fill, range(5))
    error = end.error
    assert not end.early
    assert (type(error), error.stage, error.seconds) == (StageTimeout, "load", LIMIT)
    assert done == [0, -1]
    # What comes of the call later is nobody's, and the items behind it are its successor's.
    helper = hang.threads[0]
    assert watch.extend(done, hang.fill, [3, 4]).error is None
    hang.end(helper)
    assert hang.seen == [0, 1, 2, 3, 4]
    assert done == [0, -1, -3, -4]
    assert hang.threads[3] is hang.threads[4] is not helper


def test_leaving_ends_the_helper(clock):
    with Watch("load", LIMIT, clock) as watch:
        helper = watch.call(threading.current_thread)
        assert helper.is_alive()
    helper.join(PATIENCE)
    assert not helper.is_alive()


def test_an_idle_helper_holds_no_data(watch):
    class Item:
        pass

    gone, item = threading.Event(), Item()
    weakref.finalize(item, gone.set)
    watch.extend([], mapped(id), [item])
    del item
    assert gone.wait(PATIENCE)
