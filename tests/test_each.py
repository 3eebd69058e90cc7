"""Quick ways of keyed operations: with them, too, it is one pass over a dict, call by call."""

from __future__ import annotations

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyed import Keyed, first, one_pass, same, second
from notebook import notes

from flowgraph import Retry
from flowgraph.runtime.each import caller, is_constant, key_caller
from flowgraph.runtime.failure import Failure
from flowgraph.runtime.report import OK
from flowgraph.runtime.tables import AddingOnes


class Text(str):
    __slots__ = ()

    def __str__(self):
        return f"<{str.__str__(self)}>"


class Whole(int):
    def __add__(self, other):
        return Whole(int(self) + other + 100)


class Meeting:
    """Equal to all: what asks it by ``==`` takes it for whatever it looks for."""

    def __eq__(self, other):
        return True

    __hash__ = None

    def __add__(self, other):
        return self

    __radd__ = __add__


class Odd:
    """Cannot be added to twice."""

    def __init__(self):
        self.left = 2

    def __add__(self, other):
        self.left -= 1
        if self.left == 0:
            raise ValueError("once more")
        return self


KEYS = st.sampled_from([0, 1, True, 1.0, "1", "a", Text("a"), None, (), (1,), (True,)])
VALUES = st.sampled_from([1, 1, 1, True, 1.0, 2, Whole(1), 0.5])
ITEMS = st.lists(st.tuples(KEYS, VALUES), max_size=12)


def one(_):
    return 1


# What is added


@given(st.lists(ITEMS, max_size=4))
def test_ones_that_are_counted_are_ones_that_are_added(blocks):
    """Keys and values of mixed types, ones that turn to others between blocks and inside them."""
    table = Keyed(op=operator.add).taken(*blocks)
    wanted = one_pass([item for block in blocks for item in block], operator.add)
    same(table, wanted)
    assert [type(value) for value in table.values()] == [type(v) for v in wanted.values()]


@given(st.lists(st.lists(KEYS, max_size=8), max_size=4))
def test_a_constant_is_added_for_each_item(blocks):
    wanted = one_pass([(key, 1) for block in blocks for key in block], operator.add)
    same(Keyed(key=lambda key: key, op=operator.add, value=one).taken(*blocks), wanted)
    same(Keyed(key=lambda key: key, op=operator.add, value=lambda _: True).taken(["a"]), {"a": 1})
    table = Keyed(key=len, op=operator.add, value=lambda _: True).taken(["a"], ["b"], ["cc"])
    assert [(key, repr(value)) for key, value in table.items()] == [(1, "2"), (2, "True")]


def test_what_only_seems_to_be_one_is_combined_as_it_is():
    pairs = [("a", 1), ("a", Meeting()), ("a", 1)]
    assert type(Keyed(op=operator.add).taken(pairs, pairs)["a"]) is Meeting
    assert type(Keyed(op=operator.add).taken([("a", True)])["a"]) is bool
    assert type(Keyed(op=operator.add).taken([("a", 1.0)])["a"]) is float


def test_a_failed_addition_goes_on_where_it_failed():
    """No key is counted twice, and none is left out, wherever it got stuck."""
    for keys in (["a", "b", "x", "a"], ["x", "a"], ["a", "x"]):
        odd = Odd()
        table = {"x": odd, "a": 0.5}
        odd.left = 1
        adding = AddingOnes(table, keys)
        with pytest.raises(ValueError, match="once more"):
            adding.go_on()
        same(
            adding.go_on(),
            one_pass([("x", odd), ("a", 0.5), *((k, 1) for k in keys)], operator.add),
        )


def test_a_failed_addition_is_tried_again():
    keyed = Keyed(op=operator.add, retry=Retry(1, delays=[5]))
    odd = Odd()
    table = keyed.taken([("x", odd)], [("a", 1), ("x", 1), ("x", 1), ("b", 1)])
    same(table, {"x": odd, "a": 1, "b": 1})
    assert keyed.clock.waits == [5]
    made = Keyed(op=operator.add).taken([("x", "text")], [("a", 1), ("x", 1)])
    assert isinstance(made, Failure)
    assert "str" in str(made.errors[0])


def test_under_a_time_limit_an_attempt_has_a_table_of_its_own():
    keyed = Keyed(op=operator.add, timeout=60)
    same(keyed.taken([("a", 1), ("b", 1)], [("a", 1)]), {"a": 2, "b": 1})


# What is called


def test_a_value_function_is_called_for_each_item_unless_its_code_is_a_constant():
    calls = []

    def counted(item):
        calls.append(item)
        return 1

    block = [("a", 0), ("b", 0), ("a", 0)]
    same(Keyed(op=operator.add, value=counted).taken(block), {"a": 2, "b": 1})
    assert calls == block


def test_only_code_that_returns_a_constant_is_one():
    def told(_):
        """Has a text."""
        return "told"

    def default(_, by=1):
        return by

    def made(_):
        return []

    def drawn(_):
        yield 1

    async def later(_):
        return 1

    assert all(map(is_constant, [one, told, lambda _: None, lambda _: (1, 2), lambda _: -1]))
    others = [default, made, drawn, later, len, operator.add, lambda x: x, lambda x: x.a, Text]
    assert not any(map(is_constant, others))


def test_a_constant_function_that_takes_no_value_fails_as_it_did():
    def nothing():
        return 1

    made = Keyed(op=operator.add, value=nothing).taken([("a", 1)])
    assert isinstance(made, Failure)
    assert "positional argument" in str(made.errors[0])


def test_an_empty_block_calls_nothing():
    assert caller(one)([]) == caller(len)([]) == key_caller(str)([]) == []
    assert Keyed(op=operator.add, value=one).combiner().add({}, []) == {}


def test_calls_that_are_saved_are_counted_in_the_records():
    keyed = Keyed(key=str, op=operator.add, value=one)
    same(keyed.taken(["a", "b"], ["a"]), {"a": 2, "b": 1})
    assert {note.outcome for note in notes(keyed.scope)} == {OK}


# Keys


@given(st.lists(st.sampled_from(["a", "b", Text("a"), 1, True, 1.0, None, "1"]), max_size=8))
def test_str_makes_keys_of_whatever_is_no_text(items):
    wanted = [str(item) for item in items]
    assert [(type(key), key) for key in key_caller(str)(items)] == [(str, key) for key in wanted]


def test_a_plain_type_gives_back_what_is_of_it_and_makes_the_rest():
    nan = float("nan")
    assert key_caller(float)([nan, 1.5])[0] is nan
    for kind, items in ((int, [1, True]), (bool, [True, 2]), (bytes, [b"a", bytearray(b"a")])):
        made = key_caller(kind)(items)
        assert [type(key) for key in made] == [kind, kind]
        assert list(made) == [kind(item) for item in items]


@pytest.mark.parametrize("op", [operator.add, None])
@pytest.mark.parametrize("keys", [[[]], ["a", []], [1, "a", {}]])
def test_a_key_that_cannot_be_hashed_is_the_failure_of_its_stage(op, keys):
    keyed = Keyed(op=op)
    made = keyed.taken([(key, 1) for key in keys])
    assert isinstance(made, Failure)
    assert (made.stage, made.node, made.index) == ("first", "by", None)
    assert "unhashable" in str(made.errors[0])


@pytest.mark.parametrize("which", ["key", "value"])
def test_a_function_that_fails_once_is_tried_again_and_nothing_is_counted_twice(which):
    left = [1]

    def flaky(item):
        if left[0]:
            left[0] -= 1
            raise ValueError(item)
        return {"key": first, "value": second}[which](item)

    keyed = Keyed(**{"op": operator.add, which: flaky}, retry=Retry(1, delays=[5]))
    same(keyed.taken([("a", 1), ("b", 1), ("a", 1)]), {"a": 2, "b": 1})
    assert keyed.clock.waits == [5]
