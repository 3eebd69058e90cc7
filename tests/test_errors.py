"""What errors say: the reason, the mend, and never a crash of their own."""

from __future__ import annotations

import sys
import threading
import types

import pytest

from flowgraph import Graph, Retry, StageError, stage
from flowgraph.errors import RemoteError

ELSEWHERE = ["sync", "threads", "processes"]


def failing(fn, *args, scheduler="sync", **options):
    """The StageError of one call."""
    g = Graph("failing")
    g.task(fn, *args)
    with pytest.raises(StageError) as caught:
        g.run(scheduler=scheduler, workers=1, **options)
    return caught.value


class Unkind(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")

    def __reduce__(self):  # as Python's own, whatever tblib makes of it
        return type(self), self.args


class Secret(Exception):
    def __init__(self):
        super().__init__("locked")
        self.lock = threading.Lock()


class Shy(Exception):
    def __repr__(self):
        raise OSError("not now")

    __str__ = __repr__


def raise_unkind():
    raise Unkind(1, 2)


def raise_secret():
    raise Secret


def raise_shy():
    raise Shy


def test_an_exception_that_cannot_be_unpickled_says_why():
    error = failing(raise_unkind, scheduler="processes")
    cause = error.__cause__
    assert isinstance(cause, RemoteError)
    assert "Unkind: 1 and 2 (the exception itself could not be sent: unpickling it" in str(cause)
    assert "missing 1 required positional argument: 'two'" in str(error)
    assert "__reduce__" in str(error)
    assert "raise_unkind" in cause.traceback_text


def test_an_exception_that_cannot_be_pickled_says_why():
    cause = failing(raise_secret, scheduler="processes").__cause__
    assert isinstance(cause, RemoteError)
    assert "pickling it raised TypeError: cannot pickle '_thread.lock' object" in str(cause)


@pytest.mark.parametrize("scheduler", ELSEWHERE)
def test_a_broken_retry_condition_is_in_the_message(scheduler):
    def broken(error):
        raise KeyError("oh")

    error = failing(stage(raise_secret, retry=Retry(2, on=broken)), scheduler=scheduler)
    assert str(error).endswith(
        "\nThe retry condition of stage 'raise_secret' raised KeyError('oh')."
    )


def test_a_result_that_cannot_travel_is_told_with_its_mend():
    error = failing(threading.Lock, scheduler="processes")
    assert 'or use scheduler="threads"' in str(error)


def test_the_users_own_notes_stay_out_of_the_message():
    def noted():
        error = ValueError("x")
        error.add_note("seen on Monday")
        raise error

    assert str(failing(noted)) == "stage 'noted' failed after 1 attempt: ValueError('x')"


@pytest.mark.parametrize("scheduler", ELSEWHERE)
def test_an_exception_that_cannot_be_shown(scheduler):
    error = failing(raise_shy, scheduler=scheduler)
    assert "Shy" in str(error)
    assert "raised OSError" in str(error)


def test_an_object_that_cannot_be_shown_can_still_be_refused():
    class Odd:
        __repr__ = Shy.__repr__

    g = Graph("odd")
    with pytest.raises(Exception, match="<Odd object whose repr\\(\\) raised OSError> is not a f"):
        g.task(Odd())
    with pytest.raises(Exception, match="cannot be iterated"):
        g.items(Odd())


# Values that are no collections


@pytest.mark.parametrize("scheduler", ELSEWHERE)
def test_a_starmap_of_what_cannot_be_spread(scheduler):
    for more in ((), (3,)):
        g = Graph("spread")
        g.items([(2, 3), 4]).starmap(pow, *more, name="power")
        with pytest.raises(StageError) as caught:
            g.run(scheduler=scheduler, workers=1)
        assert caught.value.index == 1
        assert str(caught.value).startswith("stage 'pow' failed on item 1")
        assert str(caught.value).endswith(
            "\nIt got a value of type int, which has no items: starmap takes tuples, map any item."
        )


def test_a_starmap_whose_function_fails_is_not_told_of_tuples():
    g = Graph("spread")
    g.items([(2, "a")]).starmap(pow)
    with pytest.raises(StageError) as caught:
        g.run(scheduler="sync")
    assert "starmap" not in str(caught.value)


@pytest.mark.parametrize("scheduler", ELSEWHERE)
def test_a_flat_map_that_gives_no_items(scheduler):
    g = Graph("flat")
    g.items([1, 2]).flat_map(lambda x: None, name="nothing")
    with pytest.raises(StageError) as caught:
        g.run(scheduler=scheduler, workers=1)
    assert str(caught.value).startswith("stage 'nothing' failed on item 0")
    assert str(caught.value).endswith(
        "\nIt gave None, which has no items: return a list, or use map."
    )


@pytest.mark.parametrize("scheduler", ELSEWHERE)
def test_items_of_a_node_that_has_none(scheduler):
    g = Graph("items")
    g.items(g.task(len, "abc"), name="letters").map(str)
    with pytest.raises(StageError) as caught:
        g.run(scheduler=scheduler, workers=1)
    assert str(caught.value).endswith(
        "\n'len' gave a value of type int, which has no items: "
        "return a list, or another iterable, as 'letters' takes its items from it."
    )


# What a worker lacks


def test_a_module_that_a_worker_lacks(monkeypatch):
    module = types.ModuleType("lacking")
    exec("def double(x):\n    return 2 * x", vars(module))
    monkeypatch.setitem(sys.modules, "lacking", module)
    error = failing(module.double, 2, scheduler="processes")
    assert isinstance(error.__cause__, ModuleNotFoundError)
    first, mend = str(error).split("\n")
    assert first.endswith("ModuleNotFoundError(\"No module named 'lacking'\")")
    assert mend.startswith(f"Worker {error.worker} lacks module 'lacking'")
    assert mend.endswith("install it on every worker.")


# Ctrl-C


@pytest.mark.parametrize("progress", [None, lambda _: None])
def test_ctrl_c_leaves_what_was_finished(progress):
    def interrupt():
        raise KeyboardInterrupt

    g = Graph("interrupted")
    first = g.task(abs, -1)
    last = g.task(interrupt, after=first)
    with pytest.raises(KeyboardInterrupt) as caught:
        g.run(first, last, scheduler="sync", progress=progress)
    run = caught.value.run
    assert run[first] == 1
    assert [(row.stage, row.completed) for row in run.stages] == [("abs", 1), ("interrupt", 0)]
