"""A deep traceback, as of a RecursionError: both ends of it travel."""

from __future__ import annotations

import copyreg
import pickle
import sys

import pytest
from tblib import pickling_support

from flowgraph import Graph, stage
from flowgraph.runtime.failure import Failure, text_of


def down(depth):
    """Two functions in turn: Python's own text shortens only a line that repeats itself."""
    return up(depth - 1) if depth else int("x")


def up(depth):
    return down(depth - 1) if depth else int("x")


def caught(function, *args):
    try:
        function(*args)
    except Exception as error:
        return error


@pytest.mark.parametrize("depth", [400, None], ids=["400", "recursion"])
def test_of_a_deep_traceback_both_ends_travel(depth):
    error = caught(down, sys.getrecursionlimit() if depth is None else depth)
    data = pickle.dumps(Failure("load", "load", 3, 1, "host", (error,)))
    assert len(data) < 50_000
    (back,) = pickle.loads(data).errors
    assert type(back) is type(error)
    text = text_of(error)[2]
    assert "levels left out>" in text
    assert text.count("  File ") == 101
    assert error.__traceback__ is not None


def test_what_tblib_pickles_of_a_deep_traceback_does_not_matter():
    """Dask's workers have it installed, for all exceptions."""
    error = caught(down, 950)
    kept = dict(copyreg.dispatch_table)
    try:
        pickling_support.install(error)
        (back,) = pickle.loads(pickle.dumps(Failure("a", "a", 0, 1, "host", (error,)))).errors
    finally:
        copyreg.dispatch_table.clear()
        copyreg.dispatch_table.update(kept)
    assert type(back) is type(error)


def dig(x):
    return down(100_000) if x == 2 else x


def test_a_recursion_error_keeps_its_place_and_is_tried_again(backend):
    g = Graph("deep")
    run = backend.run(g, g.items(range(4)).map(stage(dig, retry=1)), on_error="collect")
    (error,) = run.errors
    assert (error.index, error.attempts, run.stats.retried) == (2, 2, 1)
    assert isinstance(error.__cause__, RecursionError)
