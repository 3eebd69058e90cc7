"""Values combined by their keys: whatever the parts and the tree, it is one pass over a dict."""

from __future__ import annotations

import operator
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyed import Keyed, awaited, first, halved, halved_later, joined, one_pass, same, second
from notebook import Note, notes

from flowgraph import Retry
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.keyed import Keying
from flowgraph.runtime.merge import MergeKeys
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.report import FAILED, OK, RETRIED, SKIPPED
from flowgraph.runtime.scope import Halt

KEYS = st.sampled_from([0, 1, True, 1.0, 2, "1", "a", None, (), (1,), (True,)])
ITEMS = st.lists(st.tuples(KEYS, st.text("xyz", max_size=2)), max_size=20)


def lists_of(items):
    table = {}
    for key, value in items:
        table.setdefault(key, []).append(value)
    return table


def grouped(data, items):
    """Stretches of a list that put together are the list."""
    cuts = data.draw(st.lists(st.integers(0, len(items)), max_size=4).map(sorted))
    return [items[a:b] for a, b in zip([0, *cuts], [*cuts, len(items)], strict=True)]


def in_a_tree(data, keyed, tables):
    """Merged until one is left, in any grouping of neighbours."""
    while len(tables) > 1:
        size = data.draw(st.integers(2, len(tables)))
        start = data.draw(st.integers(0, len(tables) - size))
        merged = keyed.merged(*tables[start : start + size]).value
        tables = [*tables[:start], merged, *tables[start + size :]]
    return tables[0]


# The law


@given(ITEMS, st.data(), st.sampled_from([halved, operator.add, halved_later, None]))
def test_tables_merged_in_any_grouping_are_one_pass_over_a_dict(items, data, op):
    keyed = Keyed(op=op)
    tables = [keyed.taken(*grouped(data, part)) for part in grouped(data, items)]
    copies = pickle.loads(pickle.dumps(tables))
    table = in_a_tree(data, keyed, tables)
    same(table, lists_of(items) if op is None else one_pass(items))
    assert tables == copies  # what another task gave may be read again


@given(ITEMS, st.sampled_from([joined, awaited]))
def test_inside_one_block_values_are_combined_from_the_left(items, op):
    same(Keyed(op=op).combiner().add({}, items), one_pass(items, joined))


@given(st.lists(st.text("ab", max_size=3)))
def test_without_a_value_the_items_themselves_are_combined(items):
    keyed = Keyed(key=len, value=None)
    same(keyed.taken(items), one_pass([(len(item), item) for item in items]))
    same(Keyed(key=len, value=None, op=None).taken(items), lists_of((len(i), i) for i in items))


@given(ITEMS, st.data())
def test_the_last_merge_lists_the_pairs_and_is_the_one_call(items, data):
    keyed = Keyed()
    tables = [keyed.taken(part) for part in grouped(data, items)]
    listing = keyed.merged(*tables, last=True).value
    assert listing.values == list(one_pass(items).items())
    ok = [note for note in notes(keyed.scope) if note.count]
    assert ok == [Note(7, -1, -1, 1, 1, OK)]


def test_items_that_come_later_stand_where_they_belong():
    """An item that waited for a retry is combined as if it had come in its turn."""
    keyed = Keyed(op=joined)
    sink = Keying(keyed.combiner())
    sink.take([("a", "1")], range(1))
    hole = sink.leave_hole()
    sink.take([("b", "3"), ("a", "3")], range(2, 4))
    hole.sink.take([("b", "2")], range(1, 2))
    same(sink.result(), {"a": "(1 3)", "b": "(2 3)"})


# What fails


def breaking(times, function=halved):
    left = [times]

    def broken(*args):
        if left[0]:
            left[0] -= 1
            raise ValueError(args)
        return function(*args)

    return broken


@pytest.mark.parametrize("which", ["key", "op", "value"])
def test_a_block_that_fails_is_tried_again_as_a_whole(which):
    function = {"key": first, "op": joined, "value": second}[which]
    keyed = Keyed(**{"op": joined, which: breaking(2, function)}, retry=Retry(2, delays=[5]))
    same(keyed.taken([("a", "1"), ("b", "2"), ("a", "3")]), {"a": "(1 3)", "b": "2"})
    assert keyed.clock.waits == [5, 5]
    failed = [note for note in notes(keyed.scope) if note.outcome != OK]
    assert failed == [Note(7, -1, -1, 1, k, RETRIED) for k in (1, 2)]


@pytest.mark.parametrize("limits", [{}, {"timeout": 60}], ids=["free", "timeout"])
def test_a_merge_that_fails_half_way_takes_each_pair_once(limits):
    """It goes on where it failed; under a time limit, where the attempt may still run, anew."""
    calls = []

    def op(left, right):
        calls.append((left, right))
        if len(calls) == 2:
            raise ValueError
        return joined(left, right)

    keyed = Keyed(op=op, retry=Retry(1, delays=[0]), **limits)
    tables = [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
    same(keyed.merged(*tables).value, {"a": "(1 3)", "b": "(2 4)"})
    again = [("1", "3"), ("2", "4")] if limits else [("2", "4")]
    assert calls == [("1", "3"), ("2", "4"), *again]


def test_none_is_a_value_to_combine():
    table = Keyed(op=lambda *both: both).taken([("a", None), ("b", None), ("b", "x")])
    same(table, {"a": None, "b": (None, "x")})


@pytest.mark.parametrize("which", ["key", "op", "value"])
def test_a_failure_is_told_once_and_nothing_is_called_behind_it(which):
    seen = []
    function = breaking(99)

    def counted(*args):
        seen.append(args)
        return function(*args)

    keyed = Keyed(**{which: counted})
    block = [("a", "1"), ("a", "2")]
    made = keyed.taken(block, block, block)
    assert isinstance(made, Failure)
    assert (made.node, made.index, made.attempts) == ("by", None, 1)
    assert keyed.scope.failures == [made]
    assert len(seen) == 1
    assert [note[3:] for note in notes(keyed.scope)][-1] == (1, 1, FAILED)


def test_a_failed_part_is_the_failure_of_the_merge_and_is_not_told_again():
    keyed = Keyed()
    failed = Failure("halved", "by", None, 1, "host", (ValueError(),))
    work = MergeKeys(task=3, node=7, name="by", stage="s", reads=2, keyed=keyed.plan, last=True)
    outcome = work.run(keyed.scope, [Outcome({}), Outcome(None, failed)])
    assert outcome.missing is failed
    assert (keyed.scope.failures, notes(keyed.scope)) == ([], [])
    outcome = work.run(keyed.scope, [Outcome(None, Skip("photos", 4)), Outcome({})])
    assert outcome.missing == Skip("photos")
    assert notes(keyed.scope) == [Note(7, -1, -1, 1, 0, SKIPPED)]


def test_a_key_that_is_none_for_a_dict_is_a_failure():
    """Also where the values of a key are listed, which calls no stage but the key's."""
    for op in (halved, None):
        keyed = Keyed(op=op)
        made = keyed.taken([([], "1")])
        assert isinstance(made, Failure)
        assert "unhashable" in str(made.errors[0])
    with pytest.raises(Halt):
        Keyed(halts=True).taken([([], "1")])
