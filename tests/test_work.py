"""Each kind of task by itself: what it makes of its inputs, and what it reports."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notebook import new_scope

from flowgraph.errors import SkippedError, StageError
from flowgraph.runtime.call import Nest, Slot
from flowgraph.runtime.code import Parcel
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.light import Gather, Give, List, Pack, Token, Total
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.partition import Partition
from flowgraph.runtime.work import value_of

NAMES = {"task": 3, "node": 5, "name": "photos", "stage": "load"}


def failure(node="broken", index=None):
    return Failure("bad", node, index, 1, "host", (ValueError("why"),))


def parcel(value):
    return Parcel(value, pickle.dumps)


def ran(work, *inputs):
    return work.run(new_scope(), inputs)


def outcomes(*values):
    return [Outcome(value) for value in values]


def part(*values):
    failed = any(isinstance(value, Failure) for value in values)
    return Outcome(Partition(list(values), range(len(values)), failed))


# What hinders a task


@pytest.mark.parametrize(
    ("missing", "because"),
    [
        ([], None),
        ([0], "node 0"),
        ([1], "node 1"),
        ([2], "node 2"),
        ([3], None),  # a task of the same lane has ended, and that is enough
        ([1, 2], "node 1"),
    ],
)
def test_a_task_needs_what_it_reads_and_what_it_comes_after(missing, because):
    inputs = outcomes(1, 2, 3, 4)
    for k in missing:
        inputs[k].missing = failure(f"node {k}")
    skip = Skip(because) if because else None
    assert Token(**NAMES, reads=2, after=1).blocked(inputs) == skip


def test_a_skipped_input_names_who_began_it():
    assert Token(**NAMES, reads=1).blocked([Outcome(None, Skip("broken"))]) == Skip("broken")


@pytest.mark.parametrize(
    "work",
    [
        Pack(**NAMES, reads=1, template=parcel(Slot(0))),
        List(**NAMES, reads=1),
        Gather(**NAMES, reads=1, with_errors=True),
        Total(**NAMES, reads=1),
        Token(**NAMES, reads=1),
    ],
    ids=lambda work: type(work).__name__,
)
def test_without_its_input_no_task_has_a_value(work):
    outcome = ran(work, Outcome(None, failure()))
    assert (outcome.value, outcome.missing) == (None, Skip("broken"))


# What tasks make


def test_give_opens_its_parcel():
    outcome = ran(Give(**NAMES, value=parcel([1])))
    assert (outcome.value, outcome.missing, outcome.stage) == ([1], None, "load")


def test_pack_fills_its_container_with_what_it_reads():
    template = parcel(Nest(tuple, (Slot(1), "x", Slot(0))))
    assert ran(Pack(**NAMES, reads=2, template=template), *outcomes(1, 2, 3)).value == (2, "x", 1)


@pytest.mark.parametrize("value", [[1, 2], (1, 2), range(1, 3)])
def test_what_can_be_sliced_is_listed_as_it_is(value):
    assert ran(List(**NAMES, reads=1), Outcome(value)).value.values is value


@pytest.mark.parametrize("value", [{1: "a", 2: "b"}, iter([1, 2]), {1, 2}])
def test_everything_else_is_listed_by_its_items(value):
    assert ran(List(**NAMES, reads=1), Outcome(value)).value.values == [1, 2]


def test_what_has_no_items_is_a_failure_of_the_stage_that_gave_it():
    scope = new_scope()
    outcome = List(**NAMES, reads=1).run(scope, outcomes(7))
    assert scope.failures == [outcome.missing]
    assert (outcome.missing.stage, outcome.missing.node) == ("load", "photos")
    assert (outcome.missing.index, outcome.missing.attempts) == (None, 1)
    assert str(outcome.missing.errors[0]) == "'int' object is not iterable"


@given(st.lists(st.lists(st.none() | st.integers(), max_size=4), max_size=4))
def test_gathered_parts_are_one_list_with_or_without_their_errors(parts):
    """A None stands for an item that failed."""
    inputs = [part(*(failure() if v is None else v for v in values)) for values in parts]
    flat = [value for values in parts for value in values]
    kept = ran(Gather(**NAMES, reads=len(parts), with_errors=True), *inputs).value
    assert [None if isinstance(v, StageError) else v for v in kept] == flat
    left = ran(Gather(**NAMES, reads=len(parts), with_errors=False), *inputs).value
    assert left == [value for value in flat if value is not None]


@given(st.lists(st.integers(0, 99), max_size=5), st.lists(st.integers(0, 99), max_size=2))
def test_a_total_is_the_sum_of_what_is_read(counts, others):
    work = Total(**NAMES, reads=len(counts))
    assert ran(work, *outcomes(*counts, *others)).value == sum(counts)


def test_a_token_says_that_all_ended_well_and_holds_no_data():
    outcome = ran(Token(**NAMES, reads=1, after=1), *outcomes([1], [2]))
    assert (outcome.value, outcome.missing) == (None, None)


# Values for a scheduler that somebody else drives


def test_value_of_a_target():
    assert value_of("photos", False, None, *outcomes(7)) == 7
    kept = value_of("photos", True, None, part(1, failure()), part(3))
    assert [type(value) for value in kept] == [int, StageError, int]


def test_a_target_that_has_no_value_raises():
    with pytest.raises(StageError) as failed:
        value_of("photos", True, None, part(1), Outcome(None, failure()))
    assert (failed.value.stage, str(failed.value.__cause__)) == ("bad", "why")
    with pytest.raises(SkippedError) as skipped:
        value_of("photos", False, None, Outcome(None, Skip("broken")))
    assert (skipped.value.node, skipped.value.because) == ("photos", "broken")
