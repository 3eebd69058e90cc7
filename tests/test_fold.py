"""What combines values two by two, held to `functools.reduce`."""

from __future__ import annotations

import operator
from functools import reduce
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowgraph import Graph, StageError
from flowgraph.runtime import fold as fold_module
from flowgraph.runtime.fold import fold


class Odd:
    """Adds in its own way, to both sides."""

    def __init__(self, seen):
        self.seen = seen

    def __add__(self, other):
        self.seen.append(("to the right", other))
        return 1000

    def __radd__(self, other):
        self.seen.append(("to the left", other))
        return 2000.0


numbers = st.one_of(
    st.integers(),
    st.booleans(),
    st.floats(allow_nan=False),
    st.fractions(),
    st.sampled_from([0.1, 1e16, -1e16, 2**70]),
)


def outcome(combine, function, values):
    """The value, or the error with its text."""
    try:
        value = combine(function, values)
    except Exception as error:
        return type(error), str(error)
    return repr(value)  # NaN is not equal to itself


@given(st.lists(numbers, min_size=1) | st.lists(st.integers() | st.text(), min_size=1))
@pytest.mark.parametrize("function", [operator.add, max, min])
def test_a_fold_is_a_reduction(function, values):
    assert outcome(fold, function, values) == outcome(reduce, function, values)


@given(st.lists(st.integers(), min_size=1))
def test_where_sum_rounds_in_the_end_integers_are_summed_and_others_added(values):
    """As since Python 3.12."""
    with mock.patch.object(fold_module, "_PLAIN_SUM", new=False):
        assert fold(operator.add, values) == sum(values)
        mixed = [*values, 0.1, 1e16, -1e16, 0.1]
        assert fold(operator.add, mixed) == reduce(operator.add, mixed)


@pytest.mark.parametrize("function", [max, min])
def test_of_equals_the_first_is_kept(function):
    values = [1, 1.0, True]
    assert fold(function, values) is values[0]
    nan = float("nan")
    assert fold(function, [nan, 1.0]) is nan


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("plain", [True, False])
def test_what_adds_in_its_own_way_does_so_as_often_as_ever(place, plain):
    made = []
    with mock.patch.object(fold_module, "_PLAIN_SUM", new=plain and fold_module._PLAIN_SUM):
        for combine in (fold, reduce):
            seen = []
            values = [1, 2]
            values.insert(place, Odd(seen))
            made.append((combine(operator.add, values), seen))
    assert made[0] == made[1]


def test_a_sum_that_cannot_be_made_says_what_addition_says():
    g = Graph("sums")
    mixed = g.items([1, "a", 2]).reduce(operator.add)
    with pytest.raises(StageError, match=r"unsupported operand type\(s\) for \+: 'int' and 'str'"):
        g.run(mixed, scheduler="sync")
