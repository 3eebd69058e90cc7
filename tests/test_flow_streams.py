"""Results of a flat_map that are too long to hold: taken on in parts, and counted as a whole."""

from __future__ import annotations

from contextlib import ExitStack
from operator import add

import pytest
from notebook import Clock, Flag, Note, new_control, new_link, new_scope, notes

from flowgraph import Retry
from flowgraph.runtime import bind as bind_module
from flowgraph.runtime.code import Stage
from flowgraph.runtime.failure import Failure
from flowgraph.runtime.flow import Flow
from flowgraph.runtime.keyed import Combiner, KeyedPlan, Keying
from flowgraph.runtime.partition import Partition
from flowgraph.runtime.positions import at
from flowgraph.runtime.report import FAILED, OK, RETRIED
from flowgraph.runtime.scope import Halt, Scope
from flowgraph.runtime.sink import Counting, Folding, Keeping


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Three items are too many to draw at once."""
    monkeypatch.setattr(bind_module, "DRAWN", 3)


@pytest.fixture
def clock():
    return Clock()


def flow(links, items, scope):
    """What comes out: (position, value) of each item."""
    sink = Keeping()
    Flow(scope, links, sink).run(Partition(items, range(len(items))))
    part = sink.result()
    return [(at(part.where, k), value) for k, value in enumerate(part.values)]


def breaking(log, item, end, breaks):
    """A generator that breaks before ``end``, so many times."""

    def function(value):
        log.append(f"open {value}")
        for j in range(end):
            yield 10 * value + j
        if value == item and breaks:
            breaks.pop()
            raise OSError

    return function


def test_a_stream_is_drawn_no_faster_than_it_is_taken():
    log = []

    def numbers(value):
        for j in range(7):
            log.append(f"drawn {j}")
            yield j

    links = [new_link("flat_map", numbers), new_link("map", lambda j: log.append(f"taken {j}"))]
    out = flow(links, [0], new_scope())
    assert [index for index, _ in out] == [(0, j) for j in range(7)]
    stretches = [range(3), range(3, 6), range(6, 7)]
    assert log == [
        f"{what} {j}" for stretch in stretches for what in ("drawn", "taken") for j in stretch
    ]


def test_a_stream_that_breaks_counts_not_at_all_and_is_begun_again(clock):
    scope, log = new_scope(clock), []
    links = [
        new_link("flat_map", breaking(log, 1, 5, [1]), Retry(1, delays=[4]), node=1),
        new_link("map", lambda j: log.append(j) or j, node=2),
    ]
    out = flow(links, [0, 1, 2], scope)
    assert out == [((k, j), 10 * k + j) for k in range(3) for j in range(5)]
    assert log.count("open 1") == log.count(10) == 2  # the calls were made, but count once
    assert clock.waits == [4]
    made = notes(scope)
    assert sum(note.count for note in made if note.node == 2) == 15
    assert [note for note in made if note.node == 1] == [
        Note(1, 0, 0, 1, 1, OK),
        Note(1, 1, 1, 1, 1, RETRIED),
        Note(1, 2, 2, 1, 1, OK),
        Note(1, 1, 1, 1, 2, OK),
    ]


def test_a_stream_that_breaks_for_good_is_one_failed_item():
    scope = new_scope()
    links = [new_link("flat_map", breaking([], 1, 5, [1, 1]), Retry(1, delays=[0]), node=1)]
    out = flow(links, [0, 1, 2], scope)
    (failed,) = [value for index, value in out if index == 1]
    assert isinstance(failed, Failure)
    assert scope.failures == [failed]
    assert len(failed.errors) == failed.attempts == 2
    assert len(out) == 11
    outcomes = [note.outcome for note in notes(scope) if note.first == 1]
    assert outcomes == [RETRIED, FAILED]


def test_failures_of_a_broken_stream_are_struck_out_with_it():
    scope = new_scope()

    def refuse(value):
        if value == 11:
            raise KeyError(value)
        return value

    links = [
        new_link("flat_map", breaking([], 1, 5, [1]), Retry(1, delays=[0])),
        new_link("map", refuse),
    ]
    out = flow(links, [1], scope)
    assert [value for _, value in out if not isinstance(value, Failure)] == [10, 12, 13, 14]
    assert [failed.index for failed in scope.failures] == [(0, 1)]


def test_a_whole_stream_inside_a_broken_one_is_struck_out_with_it():
    links = [
        new_link("flat_map", breaking([], 1, 4, [1]), Retry(1, delays=[0])),
        new_link("flat_map", lambda value: iter([value] * 4)),
    ]
    out = flow(links, [1], new_scope())
    assert out == [((0, j, i), 10 + j) for j in range(4) for i in range(4)]


def test_what_waits_of_a_broken_stream_is_never_tried_again(clock):
    calls = []

    def refuse(value):
        calls.append(value)
        if len(calls) == 1:
            raise KeyError(value)
        return value

    links = [
        new_link("flat_map", breaking([], 1, 4, [1]), Retry(1, delays=[1])),
        new_link("map", refuse, Retry(1, delays=[5])),
    ]
    out = flow(links, [1], new_scope(clock))
    assert [value for _, value in out] == [10, 11, 12, 13]
    # 10 failed and was to come again; its stream broke, and the next one brings its own.
    assert calls == [10, 11, 12, 10, 11, 12, 13]


def test_what_waits_of_a_whole_stream_is_tried_again_in_its_place(clock):
    calls = []

    def refuse(value):
        calls.append(value)
        if len(calls) == 2:
            raise KeyError(value)
        return value

    links = [
        new_link("flat_map", breaking([], 9, 5, [])),
        new_link("map", refuse, Retry(1, delays=[5])),
    ]
    out = flow(links, [1], new_scope(clock))
    assert out == [((0, j), 10 + j) for j in range(5)]
    assert calls == [10, 11, 12, 13, 14, 11]


def test_a_streams_time_is_that_of_its_drawing_not_of_what_follows(clock):
    def numbers(value):
        for j in range(4):
            clock.time += 1
            yield j

    def slow(value):
        clock.time += 100

    scope = new_scope(clock)
    scope._epoch = 0.0  # the machine's would leave no digits for the clock's
    flow([new_link("flat_map", numbers, node=1), new_link("map", slow, node=2)], [0], scope)
    (stream,) = [row for row in scope.bundle().records() if row[0] == 1]
    assert stream[6:] == (0.0, 4.0)


def test_a_run_that_is_over_is_left_between_two_parts():
    stop, seen = Flag(), []

    def see(value):
        seen.append(value)
        stop.up = True

    links = [new_link("flat_map", breaking([], 9, 9, [])), new_link("map", see)]
    with pytest.raises(Halt):
        flow(links, [0], new_scope(stop=stop))
    assert seen == [0, 1, 2]


def combiner():
    """Counts each value."""
    stages = [Stage(f.__name__, f, None, None, False) for f in (int, add, one)]
    scope = Scope(new_control(*stages), 1, Clock())
    return Combiner(scope, ExitStack(), KeyedPlan(7, "by", 0, 1, 2), count=0)


def one(_):
    return 1


@pytest.mark.parametrize(
    ("sink", "wanted"),
    [
        (lambda: Counting(), 400),
        (lambda: Folding(sum), (4 * sum(range(100)),)),
        (lambda: Keying(combiner()), dict.fromkeys(range(100), 4)),
    ],
    ids=["count", "reduce", "reduce_by"],
)
def test_streams_leave_no_more_behind_than_items(sink, wanted):
    """What each gave is put together with what was there, once it has ended well."""
    made, held = sink(), []
    links = [new_link("flat_map", lambda _: held.append(len(made.entries)) or iter(range(100)))]
    Flow(new_scope(), links, made).run(Partition([0] * 4, range(4)))
    assert max(held) == len(made.entries) == 1
    assert made.result() == wanted


def test_a_failure_stays_one_when_streams_are_put_together():
    failure = Failure("first", "by", None, 1, "here", ())
    for sink in (Folding(sum), Keying(combiner())):
        for pair in ((failure, {}), ({}, failure)):
            assert sink.together(*pair) == (failure,)
