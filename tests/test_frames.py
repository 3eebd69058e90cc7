"""A traceback begins where the user's code does, whoever called it."""

from __future__ import annotations

import traceback
from functools import partial

import pytest
from notebook import new_scope, new_site

from flowgraph import Graph, stage
from flowgraph.runtime.attempt import attempt, own_frames_off
from flowgraph.runtime.call import Nest, fill


def test_tracebacks_begin_where_the_users_code_does():
    def load():
        return parse()

    def parse():
        raise ValueError

    error = attempt(new_scope(), new_site(), load).errors[0]
    assert [frame.name for frame in traceback.extract_tb(error.__traceback__)] == ["load", "parse"]


def raised_through_the_runtime(first):
    """An error with a frame of the runtime between two of the user's, from that place on."""

    def inner(items):
        raise ValueError

    with pytest.raises(ValueError) as caught:
        fill(Nest(inner, ()), [])
    frames = caught.value.__traceback__
    for _ in range(first):
        frames = frames.tb_next
    return caught.value.with_traceback(frames)


@pytest.mark.parametrize(
    ("first", "left"),
    [
        (0, ["raised_through_the_runtime", "fill", "inner"]),  # the user's own call of it
        (1, ["inner"]),
        (2, ["inner"]),
    ],
)
def test_own_frames_are_taken_off_in_front_of_the_users(first, left):
    raised = raised_through_the_runtime(first)
    error = own_frames_off(raised)
    assert error is raised
    assert [frame.name for frame in traceback.extract_tb(error.__traceback__)] == left


def test_an_error_of_a_builtin_has_no_frames():
    (error,) = attempt(new_scope(), new_site(), partial(int, "x")).errors
    assert type(error) is ValueError
    assert error.__traceback__ is None


def test_an_error_without_frames_stays_as_it_is():
    assert own_frames_off(ValueError()).__traceback__ is None


# In a run


def bad(item: object) -> None:
    raise ValueError(item)


def bad_stream(item: object):
    yield item
    raise ValueError(item)


def bad_pair(left: object, right: object) -> None:
    raise ValueError(left)


@pytest.mark.parametrize("timeout", [None, 60])
def test_a_traceback_begins_where_the_users_code_does(timeout):
    g = Graph("frames")
    g.task(stage(bad, timeout=timeout), 1)
    g.items([1]).map(stage(bad, timeout=timeout))
    g.items([1]).flat_map(stage(bad_stream, timeout=timeout))
    g.items([1, 2]).reduce(stage(bad_pair, timeout=timeout))
    g.items(["x"]).map(stage(int, timeout=timeout))
    run = g.run(scheduler="sync", on_error="collect")
    assert len(run.errors) == 5
    for error in run.errors:
        frames = traceback.extract_tb(error.__cause__.__traceback__)
        assert [f.name for f in frames] == ([] if error.stage == "int" else [error.stage])
