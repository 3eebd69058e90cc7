"""A failure is the exception itself in its process, and always arrives in another one."""

from __future__ import annotations

import copyreg
import pickle
import sys
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowgraph.errors import RemoteError
from flowgraph.errors.wording import Mend, mends
from flowgraph.runtime import failure as failure_module
from flowgraph.runtime import pickling
from flowgraph.runtime.failure import Failure, annotate, use_frames


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """As on a worker: no driver's pickler and no driver's library for tracebacks.

    Nor is there Dask's cluster, which tells pickle how all exceptions are to travel.
    """
    for kind in [k for k in copyreg.dispatch_table if issubclass(k, BaseException)]:
        monkeypatch.delitem(copyreg.dispatch_table, kind)
    monkeypatch.setattr(pickling, "_dump", pickle.dumps)
    monkeypatch.setattr(failure_module, "_make_traceback", lambda frames: None)


def raised(error, cause=None):
    try:
        raise error from cause
    except BaseException as caught:
        return caught


def failure(*errors, stage="load", node="load", index=None):
    return Failure(stage, node, index, len(errors), "host:1:main", errors)


def sent(thing):
    return pickle.loads(pickle.dumps(thing))


def arrived(error):
    """The error after a journey, as the only one of a failure."""
    (error,) = sent(failure(error)).errors
    return error


# On its way to another process

TEXTS = st.text(max_size=9)
KINDS = st.sampled_from([ValueError, KeyError, OSError, SystemExit, KeyboardInterrupt])
ERRORS = st.recursive(
    st.builds(lambda kind, text: raised(kind(text)), KINDS, TEXTS),
    lambda errors: st.builds(
        lambda kind, text, cause: raised(kind(text), cause), KINDS, TEXTS, errors
    ),
    max_leaves=3,
)


def told(error):
    """What must arrive of an exception."""
    if error is None:
        return None
    return type(error), error.args, told(error.__cause__), error.__suppress_context__


@given(
    TEXTS,
    TEXTS,
    st.none() | st.integers(0) | st.tuples(st.integers(0), st.integers(0)),
    st.integers(1, 9),
    st.lists(ERRORS, max_size=3),
)
def test_failures_arrive_as_they_were_sent(stage, node, index, attempts, errors):
    there = sent(Failure(stage, node, index, attempts, "host", tuple(errors)))
    assert (there.stage, there.node, there.worker) == (stage, node, "host")
    assert (there.index, there.attempts) == (index, attempts)
    assert [told(error) for error in there.errors] == [told(error) for error in errors]


def noted(error, *notes):
    for note in notes:
        error.add_note(note)
    return error


def test_notes_arrive_and_those_for_the_message_stay_so():
    there = arrived(noted(ValueError("x"), "look here", Mend("Do this.")))
    assert there.__notes__ == ["look here", "Do this."]
    assert str(failure(there).to_error()).splitlines()[1:] == ["Do this."]


def test_context_arrives_and_stays_apart_from_cause():
    error = ValueError()
    error.__cause__, error.__context__ = KeyError("cause"), OSError("context")
    error.__suppress_context__ = False
    there = arrived(error)
    assert repr(there.__cause__) == "KeyError('cause')"
    assert repr(there.__context__) == "OSError('context')"
    assert there.__suppress_context__ is False


def test_errors_that_caused_each_other_end_somewhere():
    first, second = ValueError("first"), KeyError("second")
    first.__cause__, second.__cause__ = second, first
    there = arrived(first)
    assert "second" in str(there.__cause__)  # itself or its stand-in, if tblib pickles causes
    assert there.__cause__.__cause__ is None


def test_frames_arrive_for_whoever_can_make_a_traceback():
    received = []
    use_frames(received.append)  # gives None; the fixture puts back what was there
    error = raised(ValueError())
    line = error.__traceback__.tb_lineno
    arrived(error)
    assert received == [[(__file__, "raised", line)]]


def test_traceback_is_the_one_that_was_made():
    made = raised(ValueError()).__traceback__
    use_frames(lambda frames: made)
    assert arrived(KeyError()).__traceback__ is made


# What cannot arrive as it is


class TwoArguments(Exception):
    """Plain pickle can write it, and cannot read it."""

    def __init__(self, one, two):
        super().__init__(one)


class Disguised(Exception):
    def __reduce__(self):
        return ValueError, ("another",)


class Speechless(Exception):
    def __str__(self):
        raise RuntimeError

    __repr__ = __str__

    def __reduce__(self):
        raise TypeError


class Known(Exception):
    pass


@dataclass(frozen=True)
class Frozen(Exception):
    code: int

    def __reduce__(self):
        return Frozen, (self.code,)


@pytest.mark.parametrize(
    ("error", "text", "reason"),
    [
        (ValueError(lambda: None), "<function", "pickling it raised "),
        (TwoArguments("one", 2), "one", "unpickling it raised TypeError: "),
        (Disguised("me"), "me", "unpickling it gives an object of type ValueError"),
        (Speechless(), "<str() of it raised RuntimeError>", "pickling it raised TypeError"),
    ],
)
def test_a_stand_in_tells_of_an_exception_that_cannot_arrive_and_why(error, text, reason):
    kind = type(error)
    cause = KeyError("cause")
    there = arrived(raised(error, cause))
    assert type(there) is RemoteError
    assert there.type_name == f"{kind.__module__}.{kind.__qualname__}"
    assert there.text.startswith(text)
    assert there.reason.startswith(reason)
    assert "in raised\n" in there.traceback_text
    assert repr(there.__cause__) == repr(cause)


@pytest.mark.parametrize("now", [None, str])
def test_a_class_that_is_another_or_none_on_arrival_has_a_stand_in(monkeypatch, now):
    data = pickle.dumps(failure(noted(Known("x"), Mend("Do this."), "and that")))
    if now is None:
        monkeypatch.delattr(sys.modules[__name__], "Known")
    else:
        monkeypatch.setattr(sys.modules[__name__], "Known", now)
    (there,) = pickle.loads(data).errors
    assert type(there) is RemoteError
    assert (there.type_name, there.text) == (f"{__name__}.Known", "x")
    assert str(there).startswith(f"{__name__}.Known: x")
    assert there.__notes__ == ["Do this.", "and that"]
    assert mends(there) == ["Do this."]
    if now is None:
        assert there.reason.startswith("unpickling it raised AttributeError: ")


def test_an_exception_that_is_a_frozen_dataclass_is_told_and_arrives():
    """Nobody may set an attribute of it: neither a note nor its cause."""
    error = failure(Frozen(3)).to_error()
    assert error.__cause__ == Frozen(3)
    annotate(error.__cause__, "a note")
    there = arrived(raised(Frozen(3), KeyError("cause")))
    assert there == Frozen(3)
    assert repr(there.__cause__) == "KeyError('cause')"


def test_an_exception_without_a_repr_is_told_by_its_class():
    told = str(failure(Speechless()).to_error())
    assert told.startswith("stage 'load' failed after 1 attempt: <Speechless object ")
