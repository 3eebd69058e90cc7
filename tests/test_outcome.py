"""A task's value travels packed, and what cannot travel becomes its stage's failure."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowgraph.errors import StageError
from flowgraph.errors.wording import Mend
from flowgraph.runtime import pickling
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.partition import Listing, Partition
from flowgraph.runtime.place import Place
from flowgraph.runtime.report import Bundle
from flowgraph.runtime.scope import here

PATIENCE = 30
opened = []
"""What was unpickled, in order."""
gate = threading.Event()
inside = threading.Event()


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """As on a worker: no driver's pickler."""
    monkeypatch.setattr(pickling, "_dump", pickle.dumps)
    opened.clear()


def open_counted(name):
    opened.append(name)
    return Counted(name)


class Counted:
    """Notes when it is unpickled."""

    def __init__(self, name):
        self.name = name

    def __reduce__(self):
        return open_counted, (self.name,)


def open_slowly():
    opened.append("slow")
    if len(opened) == 1:
        inside.set()
        assert gate.wait(PATIENCE)
    return 7


class Slow:
    def __reduce__(self):
        return open_slowly, ()


class Stuck:  # cannot be pickled
    def __reduce__(self):
        raise TypeError("stuck")


def open_badly():
    raise ImportError("not here")


class Foreign:  # cannot be unpickled
    def __reduce__(self):
        return open_badly, ()


def sent(thing):
    return pickle.loads(pickle.dumps(thing, protocol=5))


def held(outcome):
    """Whether an outcome has its value, and whether it has it packed."""
    value, packed = outcome._state
    return value is not pickling.CLOSED, packed is not None


def failure(node="load"):
    return Failure("load", node, None, 1, "host", (ValueError(),))


# Values on their way

VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.binary(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=3), values),
    max_leaves=9,
)
BUNDLES = st.builds(Bundle, st.integers(0, 99), st.text(max_size=5), st.just(1.0), st.just(2.5),
                    st.binary(max_size=9))  # fmt: skip


@given(
    VALUES,
    st.none() | st.builds(Skip, st.text(max_size=5), st.integers(0, 9)),
    st.text(max_size=5),
    st.none() | BUNDLES,
    st.none() | st.floats(0, 9),
    st.integers(1, 3),
)
def test_outcomes_arrive_as_they_were_sent(value, missing, stage, bundle, paced, journeys):
    outcome = Outcome(None if missing else value, missing, stage)
    outcome.bundle, outcome.paced = bundle, paced
    outcome.maker = Place(3, "photos", "load", "map")
    for _ in range(journeys):
        outcome = sent(outcome)
    assert outcome.value == (None if missing else value)
    assert (outcome.missing, outcome.stage) == (missing, stage)
    assert (outcome.bundle, outcome.paced) == (bundle, paced)
    assert outcome.maker == Place(3, "photos", "load", "map")


@given(st.lists(st.integers(), max_size=4), st.booleans())
def test_parts_of_collections_arrive_as_they_were_sent(values, failed):
    part = sent(Partition(values, range(3, 3 + len(values)), failed))
    assert (part.values, part.where, part.failed) == (values, range(3, 3 + len(values)), failed)
    assert sent(Listing(values)).values == values


def test_nothing_is_unpickled_until_somebody_asks_and_then_once():
    outcome = sent(sent(Outcome(Counted("a"))))
    outcome.seal()
    assert opened == []
    assert outcome.value is outcome.value
    assert opened == ["a"]


def test_a_value_that_was_opened_travels_on_and_is_not_held_twice():
    outcome = sent(Outcome(Counted("a")))
    assert held(outcome) == (False, True)
    assert outcome.value.name == "a"
    assert held(outcome) == (True, False)
    assert sent(outcome).value.name == "a"
    assert held(outcome) == (True, False)


def test_what_was_sealed_for_good_stays_so():
    """A value for the driver is pickled once, however often Dask asks."""
    value = [1]
    outcome = Outcome(value)
    assert outcome.seal() == []
    packed = outcome._state[1]
    sent(outcome)
    assert outcome._state[1] is packed is not None
    assert outcome.value is value


def test_two_threads_may_open_a_value_at_once():
    gate.clear()
    inside.clear()
    outcome = sent(Outcome(Slow()))
    values = []
    thread = threading.Thread(target=lambda: values.append(outcome.value))
    thread.start()
    assert inside.wait(PATIENCE)
    assert outcome.value == 7  # while the other one is at it
    gate.set()
    thread.join(PATIENCE)
    assert values == [7]


def test_unpickling_fails_where_the_value_is_asked_for_each_time():
    outcome = sent(Outcome(Foreign()))
    for _ in range(2):
        with pytest.raises(ImportError, match="not here"):
            _ = outcome.value


def test_large_parts_travel_beside_the_pickle():
    array = np.arange(10_000)
    buffers = []
    data = pickle.dumps(Outcome(array), protocol=5, buffer_callback=buffers.append)
    assert len(data) < 1_000
    assert np.array_equal(pickle.loads(data, buffers=buffers).value, array)


# What cannot travel


def test_a_value_that_cannot_be_pickled_is_its_stages_failure():
    outcome = Outcome(Stuck(), stage="load")
    (failed,) = outcome.seal()
    assert outcome.missing is failed
    assert outcome.value is None
    assert (failed.stage, failed.node, failed.worker) == ("load", "load", here())
    assert (failed.index, failed.attempts) == (None, 1)
    (note,) = failed.errors[0].__notes__
    assert isinstance(note, Mend)
    assert note.startswith("The value that stage 'load' returned cannot go to another process.")
    assert outcome.seal() == []
    assert str(sent(outcome).missing.errors[0]) == "stuck"


def test_items_that_cannot_be_pickled_fail_alone_and_keep_their_places():
    part = Partition([1, Stuck(), "b", Stuck()], range(10, 14))
    outcome = Outcome(part, stage="load")
    failures = outcome.seal()
    assert [failed.index for failed in failures] == [11, 13]
    assert held(outcome) == (True, True)
    assert {failed.stage for failed in failures} == {"load"}
    there = sent(outcome).value
    assert there.failed
    assert there.where == range(10, 14)
    assert there.successes() == [1, "b"]
    assert [type(value) for value in there.with_errors()] == [int, StageError, str, StageError]
    assert [type(value) for value in part.values] == [int, Stuck, str, Stuck]  # as Dask has it


def test_nothing_that_is_missing_is_packed():
    outcome = Outcome(Stuck(), Skip("load"))
    assert outcome.seal() == []
    assert outcome.missing == Skip("load")


def test_what_dask_pickles_unasked_is_a_failure_too():
    assert isinstance(sent(Outcome(Stuck(), stage="load")).missing, Failure)


@pytest.mark.parametrize("where", [None, range(10, 13)])
def test_of_a_whole_list_only_the_items_that_cannot_be_pickled_fail(where):
    outcome = Outcome(Listing([1, threading.Lock(), 3], where), stage="items")
    (failure,) = outcome.seal()
    assert failure.index == (1 if where is None else 11)
    came = pickle.loads(pickle.dumps(outcome)).value
    assert (type(came), came.failed) == (Listing, True)
    assert (came.values[0], type(came.values[1]), came.values[2]) == (1, Failure, 3)
    assert type(came.with_errors()[1]) is StageError
