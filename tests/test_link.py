"""A stage of a chain calls in chunks, and what comes of each item is as if it were called alone."""

from __future__ import annotations

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notebook import Clock, ctrl_c, new_link

from flowgraph.errors.wording import mends
from flowgraph.runtime.bind import DRAWN, Stream
from flowgraph.runtime.watch import SLOW

SECONDS = st.sampled_from([0, 1e-6, 1e-4, 2e-4, 9e-4, 2e-3])
"""What a call may take."""


class Timed:
    """A function that takes its time, by the clock, and notes its calls; fails as it is told."""

    def __init__(self, clock, seconds, bad=()):
        self.clock = clock
        self.seconds = seconds
        self.bad = bad
        self.begun = []

    def __call__(self, k):
        self.begun.append((k, self.clock.time))
        self.clock.time += self.seconds[k]
        if k in self.bad:
            raise ValueError(k)
        return -k


def to_the_end(link, items):
    """Results of all items, with None for one that failed; and how each stretch ended."""
    results, ends = [], []
    while len(results) < len(items):
        done = []
        end = link.extend(done, items[len(results) :])
        results += done
        ends.append((len(results), end))
        if end.error is not None:
            results.append(None)
    return results, ends


# The law


@given(st.lists(st.tuples(SECONDS, st.booleans()), max_size=60))
def test_each_item_is_called_once_and_in_order_whatever_the_chunks(calls):
    clock = Clock()
    bad = {k for k, (_, fails) in enumerate(calls) if fails}
    work = Timed(clock, [seconds for seconds, _ in calls], bad)
    results, ends = to_the_end(new_link("map", work, clock=clock), range(len(calls)))
    assert results == [None if k in bad else -k for k in range(len(calls))]
    assert [k for k, _ in work.begun] == list(range(len(calls)))
    assert [k for k, end in ends if end.error is not None] == sorted(bad)
    assert not any(end.early and end.error for _, end in ends)


@given(st.lists(SECONDS, min_size=1, max_size=60))
def test_no_block_goes_on_behind_a_slow_call_or_when_it_was_long(seconds):
    """A few quick items may have been called since the clock was looked at."""
    clock = Clock()
    work = Timed(clock, seconds)
    link = new_link("map", work, clock=clock)
    had = 0
    while had < len(seconds):
        begun, done = clock.time, []
        end = link.extend(done, range(had, len(seconds)))
        had += len(done)
        assert end.early == (had < len(seconds))
        if end.early:
            assert clock.time - begun >= SLOW


def test_slow_items_are_called_one_by_one():
    clock = Clock()
    work = Timed(clock, [0.01] * 4)
    _, ends = to_the_end(new_link("map", work, clock=clock), range(4))
    assert [(k, end.early, end.since) for k, end in ends] == [
        (1, True, pytest.approx(0.00)),
        (2, True, pytest.approx(0.01)),
        (3, True, pytest.approx(0.02)),
        (4, False, pytest.approx(0.03)),
    ]


@pytest.mark.parametrize("slow", [0.5, 0.001])
def test_of_a_slow_call_behind_quick_ones_the_time_is_its_own(slow):
    clock = Clock()
    work = Timed(clock, [0] * 99 + [slow], bad=[99])
    done = []
    end = new_link("map", work, clock=clock).extend(done, range(100))
    assert len(done) == 99
    assert end.since == pytest.approx(dict(work.begun)[99])


def test_quick_calls_share_the_time_between_two_looks_at_the_clock():
    clock = Clock()
    link = new_link("map", Timed(clock, [1e-5] * 10, bad=[9]), clock=clock)
    link.chunk = 10
    end = link.extend([], range(10))
    assert end.since == pytest.approx(9e-5)


# What ends a block before its last item


@pytest.mark.parametrize("operation", ["map", "filter", "flat_map"])
def test_a_stop_iteration_is_an_error_of_its_item(operation):
    done = []
    link = new_link(operation, lambda k: [next(iter([k] * (k != 2)))])
    end = link.extend(done, range(5))
    assert (len(done), end.early) == (2, False)
    assert type(end.error) is StopIteration


def test_a_long_stream_is_the_last_result_of_its_block():
    done = []
    link = new_link("flat_map", lambda k: iter(range(k)))
    end = link.extend(done, [1, DRAWN - 1, DRAWN, 2])
    assert (len(done), end.error, end.early) == (3, None, False)
    assert list(map(len, done[:2])) == [1, DRAWN - 1]
    assert type(done[2]) is Stream
    assert (len(done[2].head), done[2].draw()) == (DRAWN, [])


@pytest.mark.parametrize("function", [str.split, str.splitlines, bytes.split])
def test_functions_that_only_give_lists_are_called_like_others(function):
    text = str if function in (str.split, str.splitlines) else str.encode
    block = [text(line) for line in ("a b", "", "c")]
    done = []
    end = new_link("flat_map", function).extend(done, [*block, None])
    assert done == [function(line) for line in block]
    assert isinstance(end.error, TypeError)


def test_what_has_no_items_says_whose_it_was_and_what_to_do():
    end = new_link("starmap", max).extend([], [(1, 2), 7])
    assert mends(end.error) == [
        "It got a value of type int, which has no items: starmap takes tuples, map any item."
    ]
    end = new_link("flat_map", lambda k: None).extend([], [1])
    assert mends(end.error) == ["It gave None, which has no items: return a list, or use map."]


def test_a_traceback_begins_where_the_users_code_does():
    def load(item):
        raise ValueError(item)

    for operation in ("map", "filter", "flat_map", "values"):
        error = new_link(operation, load).extend([], [(1, 2)]).error
        assert [f.name for f in traceback.extract_tb(error.__traceback__)] == ["load"]


def test_an_interrupt_leaves_the_block():
    def interrupt(item):
        raise KeyboardInterrupt

    with ctrl_c(), pytest.raises(KeyboardInterrupt):
        new_link("map", interrupt).extend([], [1])


def test_what_a_generator_function_gives_to_a_map_is_listed():
    def twice(item):
        yield item
        yield item

    done = []
    new_link("map", twice).extend(done, [1, 2])
    assert done == [[1, 1], [2, 2]]
