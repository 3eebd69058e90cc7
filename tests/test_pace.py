"""Attempts of one lane start at least an interval apart, and none waits longer than it must."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notebook import Clock, new_link, new_scope, new_site

from flowgraph import Retry
from flowgraph.runtime.attempt import attempt
from flowgraph.runtime.flow import Flow
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.pace import Pace
from flowgraph.runtime.partition import Partition
from flowgraph.runtime.sink import Keeping

GAPS = st.lists(st.integers(0, 20), min_size=1, max_size=20)
INTERVALS = st.integers(1, 9)


@given(INTERVALS, st.integers(0, 9), st.integers(0, 99), GAPS)
def test_each_start_is_as_soon_as_it_may_be(interval, first, now, gaps):
    """Given when each is asked for: nobody is held up who comes late."""
    pace, free = Pace(interval, first), now + first
    for gap in gaps:
        start = now + pace.reserve(now)
        assert start == max(now, free)
        free = start + interval
        now = start + gap


@given(INTERVALS, st.integers(1, 9))
def test_places_are_taken_in_advance(interval, count):
    """Coroutines ask side by side, and each gets a time of its own."""
    pace = Pace(interval)
    assert [pace.reserve(3) for _ in range(count)] == [k * interval for k in range(count)]


def ended(paced):
    outcome = Outcome(None)
    outcome.paced = paced
    return outcome


@pytest.fixture
def wall(monkeypatch):
    """The time since the epoch, as the test says."""
    clock = Clock()
    clock.time = 1000.0
    monkeypatch.setattr(time, "time", clock.now)
    return clock


@pytest.mark.parametrize(
    ("before", "wait"),
    [
        ([], 0),
        ([None], 0),  # it made no attempt
        ([990], 0),
        ([998], 3),
        ([990, None, 999, 997], 4),  # the latest counts
        ([5000], 5),  # another machine's clock is ahead: never longer than that
    ],
)
def test_a_task_keeps_its_distance_to_those_before_it_in_its_lane(wall, before, wait):
    assert Pace.behind(5, [ended(paced) for paced in before]).reserve(7) == wait


def test_the_last_start_is_told_to_whoever_comes_next(wall):
    pace = Pace(5)
    assert pace.last is None
    pace.reserve(70)
    assert pace.last == 1000
    pace.reserve(71)
    assert pace.last == 1004  # it waits for four seconds first
    following = Pace.behind(5, [ended(pace.last)])
    assert following.reserve(71) == 5


def paced(site, interval):
    site.pace = Pace(interval)
    return site


def test_every_attempt_has_its_time_and_the_wait_of_a_retry_counts(wall):
    clock, begun = Clock(), []

    def call():
        begun.append(clock.time)
        raise ValueError

    site = paced(new_site(retry=Retry(3, delays=[1, 7, 0])), 4)
    attempt(new_scope(clock), site, call)
    assert begun == [0, 4, 11, 15]


def test_items_of_a_chain_start_one_by_one_at_their_times():
    clock, begun = Clock(), []

    def call(item):
        begun.append((item, clock.time))
        clock.time += item
        return item

    link = new_link("map", call, clock=clock)
    paced(link.site, 4)
    sink = Keeping()
    Flow(new_scope(clock), [link], sink).run(Partition([1, 6, 0, 0], range(4)))
    assert sink.result().values == [1, 6, 0, 0]
    assert begun == [(1, 0), (6, 4), (0, 10), (0, 14)]


@given(st.lists(st.integers(0, 2), max_size=8), st.booleans())
def test_no_two_attempts_of_a_chain_are_closer_than_the_interval(failures, in_order):
    clock, begun, left = Clock(), [], dict(enumerate(failures))

    def call(item):
        begun.append(clock.time)
        if left[item]:
            left[item] -= 1
            raise ValueError

    link = new_link("map", call, Retry(2, delays=[3]), clock=clock)
    paced(link.site, 2)
    part = Partition(list(left), range(len(left)))
    Flow(new_scope(clock), [link], Keeping(), in_order=in_order).run(part)
    assert len(begun) == len(failures) + sum(failures)
    assert all(later - start >= 2 for start, later in zip(begun, begun[1:], strict=False))
