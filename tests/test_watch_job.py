"""One block of calls under a time limit, without its threads."""

from __future__ import annotations

import pytest
from notebook import Clock, mapped

from flowgraph.runtime.watch import _Job


@pytest.fixture
def clock():
    return Clock()


def test_a_block_that_expires_before_its_first_call_makes_none(clock):
    """A machine so busy that the helper did not start in time: item 0 is to blame."""
    calls = []
    job = _Job(mapped(calls.append), [1, 2], clock.now)
    assert not job.expired(5)
    clock.time = 5
    assert job.expired(5)
    assert job.at == 0
    job.run()
    assert calls == []
    assert job.finished.is_set()


def test_a_block_that_has_ended_does_not_expire(clock):
    job = _Job(mapped(abs), [1, -2], clock.now)
    job.run()
    clock.time = 9
    assert not job.expired(5)
    assert job.results == [1, 2]


def test_a_block_that_is_ending_early_does_not_expire(clock):
    """Its last call is done, though its helper has not come to say so yet."""
    ended = []

    def fill(done, block):
        for item in block:
            clock.time += 1
            done.append(item)
        clock.time += 9
        ended.append(job.expired(5))

    job = _Job(fill, [1, 2], clock.now)
    job.run()
    assert ended == [False]
    assert (job.results, job.early) == ([1], True)


def test_time_left_is_that_of_the_current_call(clock):
    left = []

    def call(item):
        clock.time += 0.25
        left.append(job.left(5))
        clock.time -= 0.2499  # as quick as a call is that does not end its block

    job = _Job(mapped(call), range(3), clock.now)
    job.run()
    assert left == pytest.approx([4.75] * 3)
    assert job.left(5) == pytest.approx(5 - 0.0001)
    clock.time += 99
    assert job.left(5) == 0.001
