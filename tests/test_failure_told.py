"""A failure as users see it: which stage, which item, where, and the exception itself."""

from __future__ import annotations

import copyreg
import pickle
from dataclasses import dataclass

import pytest
from tblib.pickling_support import pickle_exception

from flowgraph.errors import StageError
from flowgraph.runtime.failure import Failure, Skip, twin


def failure(*errors, stage="load", node="load", index=None):
    return Failure(stage, node, index, len(errors), "host:1:main", errors)


def test_error_for_users_tells_all_and_holds_the_exceptions_themselves():
    errors = KeyError("a"), ValueError("b")
    error = failure(*errors, stage="load", node="photos", index=(3, 1)).to_error()
    assert isinstance(error, StageError)
    assert (error.stage, error.index, error.attempts) == ("load", (3, 1), 2)
    assert error.worker == "host:1:main"
    assert error.errors == errors
    assert error.__cause__ is errors[1]


@pytest.mark.parametrize(
    ("where", "note"),
    [
        ({}, "stage 'load', attempt 1, on host:1:main"),
        ({"index": 0}, "stage 'load', item 0, attempt 1, on host:1:main"),
        ({"node": "photos"}, "stage 'load', node 'photos', attempt 1, on host:1:main"),
    ],
)
def test_cause_has_one_note_however_often_it_is_asked_for(where, note):
    failed = failure(ValueError(), **where)
    failed.to_error()
    assert failed.to_error().__cause__.__notes__ == [note]


def test_a_failure_without_exceptions_has_no_cause():
    """A task that Dask lost, say."""
    assert failure().to_error().__cause__ is None


def test_repr_shows_the_last_exception():
    failed = failure(KeyError(1), ValueError(2), index=4)
    assert repr(failed) == "Failure('load', 4, (ValueError(2),))"


def test_a_skipped_step_has_one_item_unless_more_are_known():
    skip = pickle.loads(pickle.dumps(Skip("load")))
    assert skip == Skip("load", 1) != Skip("load", 2)


@pytest.fixture(params=[False, True], ids=["plain", "cluster"])
def cluster(request, monkeypatch):
    """Whether Dask's cluster has said how exceptions are copied."""
    for kind in [k for k in copyreg.dispatch_table if issubclass(k, BaseException)]:
        monkeypatch.delitem(copyreg.dispatch_table, kind)
    if request.param:
        for kind in (ValueError, Frozen):
            monkeypatch.setitem(copyreg.dispatch_table, kind, pickle_exception)


@dataclass(frozen=True)
class Frozen(Exception):
    code: int

    def __reduce__(self):
        return Frozen, (self.code,)


@pytest.mark.usefixtures("cluster")
def test_a_twin_gets_notes_of_its_own_and_is_the_same_otherwise():
    error = ValueError("x")
    error.add_note("both")
    error.__cause__, error.__context__ = KeyError(), OSError()
    error.__suppress_context__ = False
    other = twin(error)
    other.add_note("one")
    assert (type(other), other.args, other.__notes__) == (ValueError, ("x",), ["both", "one"])
    assert error.__notes__ == ["both"]
    for name in ("__cause__", "__context__", "__suppress_context__", "__traceback__"):
        assert getattr(other, name) is getattr(error, name)


@pytest.mark.usefixtures("cluster")
def test_twins_of_an_error_without_notes_share_none():
    error = ValueError()
    twin(error).add_note("one")
    assert not hasattr(error, "__notes__")


@pytest.mark.usefixtures("cluster")
def test_an_exception_that_nobody_may_change_has_a_twin():
    error = Frozen(3)
    object.__setattr__(error, "__cause__", KeyError())
    other = twin(error)
    assert other == error
    assert other is error or other.__cause__ is error.__cause__


def test_an_exception_that_cannot_be_copied_is_its_own_twin():
    class Single(Exception):
        def __reduce__(self):
            raise TypeError

    class Disguised(Exception):
        def __reduce__(self):
            return ValueError, ()

    for error in (Single(), Disguised()):
        assert twin(error) is error
