"""Whatever is around whatever: the partitions of a head put together are what plain lists give."""

from __future__ import annotations

import pickle
from itertools import accumulate, compress, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowgraph.runtime.code import Parcel
from flowgraph.runtime.cuts import Batches, Cuts
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.heads import (
    Beside,
    First,
    Given,
    Left,
    Lists,
    Passed,
    Shifted,
    Slice,
    beside,
)
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.partition import Listing, Partition
from flowgraph.runtime.positions import Joined, Kept, at
from flowgraph.runtime.sections import Section

FAILED = Failure("load", "photos", 3, 1, "host", (ValueError(),))
ITEMS = st.lists(st.none() | st.integers(0, 9), max_size=30)
"""A None stands for an item that failed."""
SHARES = st.lists(st.integers(1, 9), min_size=1, max_size=6)


def shares(sizes):
    return Cuts(tuple(accumulate(sizes)))


def listing(items, where=None):
    values = [FAILED if item is None else item for item in items]
    return Outcome(Listing(values, where, None in items), stage="load")


def plain(part):
    """Positions and values of a partition; None for an item that failed."""
    values = [None if value is FAILED else value for value in part.values]
    assert not (None in values and not part.failed)
    return [(at(part.where, k), value) for k, value in enumerate(values)]


def whole(heads, *inputs):
    """All partitions put together, each made of the whole inputs and of narrowed ones."""
    out = []
    for head in heads:
        given = inputs[: head.reads]
        made = plain(head.partition(given))
        narrowed = [pickle.loads(pickle.dumps(o)) for o in head.narrowed(given)]
        assert len(narrowed) == head.reads
        there = head.partition(narrowed)
        assert [at(there.where, k) for k in range(len(there.values))] == [k for k, _ in made]
        assert [type(v) is Failure for v in there.values] == [v is None for _, v in made]
        assert head.length(given) == len(made)
        out += made
    return out


def slices(cuts):
    return [Slice(part, cuts) for part in range(len(cuts))]


# One collection


@given(ITEMS, SHARES)
def test_slices_of_a_collection_are_the_collection(items, sizes):
    assert whole(slices(shares(sizes)), listing(items)) == list(enumerate(items))


@given(ITEMS, SHARES, st.integers(0, 5))
def test_a_collection_that_says_its_positions_keeps_them(items, sizes, start):
    where = Joined([range(start, start + 50), range(90, 120)], [len(items) // 2, len(items)])
    wanted = [(at(where, k), item) for k, item in enumerate(items)]
    assert whole(slices(shares(sizes)), listing(items, where)) == wanted


def test_what_was_known_or_made_before_is_the_partition_itself():
    part = Partition([1, 2], range(2))
    assert Passed().partition([Outcome(part)]) is part
    assert Given(Parcel(part, pickle.dumps)).partition([]) is part
    assert (Given(Parcel(part, pickle.dumps)).reads, Passed().reads) == (0, 1)
    assert Given(Parcel(part, pickle.dumps)).length([]) == 2


@pytest.mark.parametrize("items", [list(range(10, 20)), tuple(range(10, 20)), range(10, 20)])
def test_a_section_of_a_list_is_a_partition_where_it_is_wanted_and_when_it_travels(items):
    here = Given(Parcel(Partition(Section(items, 3, 5), range(3, 5)), pickle.dumps))
    there = pickle.loads(pickle.dumps(here))
    for head in (here, there):
        part = head.partition([])
        assert (list(part.values), part.where, part.failed) == ([13, 14], range(3, 5), False)
        assert head.length([]) == 2
    assert type(there.parcel.open()) is Partition


def test_a_narrowed_slice_holds_its_own_items_only():
    (narrowed,) = Slice(1, Cuts((2, 4))).narrowed([listing([0, 1, 2, 3])])
    assert (narrowed.value.values, narrowed.stage) == ([2, 3], "load")


def test_a_missing_input_stays_what_it_is_however_it_is_narrowed():
    missing = Outcome(None, Skip("photos", 7))
    for head in (Slice(0, Cuts((2,))), First(Slice(0, Cuts((2,))), 1), Lists(Passed(), 2)):
        assert head.narrowed([missing]) == [missing]


# take


@given(ITEMS, SHARES, st.integers(0, 40))
def test_the_first_items_of_slices_are_the_first_of_the_list(items, sizes, count):
    heads = [First(head, count) for head in slices(shares(sizes))]
    made = [pair for head in heads for pair in plain(head.partition([listing(items)]))]
    assert made == list(enumerate(items))[:count]


@given(ITEMS, SHARES, st.integers(0, 40))
def test_what_is_left_to_take_is_taken_where_places_are_known_only_then(items, sizes, count):
    """As behind a filter: each partition is told what those before it have left."""
    head, out, left = Left(Passed()), [], count
    kept = [item is None or item % 2 == 0 for item in items]
    bounds = [0, *shares(sizes).ends]
    for begin, end in pairwise(bounds):
        mask = kept[begin:end]
        values = [FAILED if v is None else v for v in compress(items[begin:end], mask)]
        part = Outcome(Partition(values, Kept(range(begin, end), mask), FAILED in values))
        taken = plain(head.partition([part, Outcome(left)]))
        assert head.narrowed([part, Outcome(left)])[0] is part
        out += taken
        left -= len(taken)
    assert out == list(compress(enumerate(items[: bounds[-1]]), kept))[:count]


def test_a_start_that_is_known_says_how_many_are_left_in_a_partition():
    part = Outcome(Partition([5, 6, 7], Kept(range(9), [True] * 9)))
    for start, taken in [(0, [5, 6, 7]), (2, [5, 6]), (4, []), (9, [])]:
        assert First(Passed(), 4, start).partition([part]).values == taken


# zip


@given(st.lists(st.tuples(*[st.none() | st.integers(0, 9)] * 3), max_size=20), SHARES)
def test_slices_side_by_side_are_a_zip(rows, sizes):
    """A pair with a failed member has failed: it holds the first one's failure."""
    columns = [[row[k] for row in rows] for k in range(3)]
    heads = []
    for part in range(len(sizes)):
        one = Slice(part, shares(sizes))
        heads.append(Beside((Beside((one, one)), one)))
    wanted = [None if None in (a, b, c) else ((a, b), c) for a, b, c in rows]
    inputs = [listing(column) for column in columns]
    assert whole(heads, *inputs) == list(enumerate(wanted))


def test_the_first_failure_of_a_pair_stands_for_it():
    first, second = (Failure(name, name, 0, 1, "host", ()) for name in ("a", "b"))
    parts = [Partition([value], range(1), value != 1) for value in (1, second, first)]
    made = beside(parts)
    assert (made.values, made.failed) == ([second], True)


def test_collections_of_different_lengths_do_not_go_side_by_side():
    with pytest.raises(ValueError, match=r"zip\(\) argument 2 is (shorter|longer)"):
        beside([Partition([1, 2], range(2)), Partition([1], range(1))])


# batch and shifted places


@given(ITEMS, st.integers(1, 5), st.integers(1, 4))
def test_lists_of_partitions_are_the_batches_of_the_list(items, size, several):
    """A failed item has no place in them, so that the batch has one less."""
    cuts = Batches(several * size, -(-len(items) // (several * size)) + 1)
    heads = [Lists(head, size) for head in slices(cuts)]
    fine = [item for item in items if item is not None]
    parts = [head.partition([listing(items)]) for head in heads]
    made = [pair for part in parts for pair in plain(part)]
    assert [value for _, batch in made for value in batch] == fine
    if len(fine) == len(items):
        assert made == list(enumerate(items[k : k + size] for k in range(0, len(items), size)))


@given(ITEMS, st.integers(0, 99))
def test_shifted_items_are_the_same_at_places_counted_from_elsewhere(items, start):
    head = Shifted(Slice(0, Cuts((1,))), start)
    assert whole([head], listing(items)) == list(enumerate(items, start))


# What is skipped


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (Passed(), 7),
        (Slice(0, Cuts((4, 8))), 7),
        (Slice(1, Cuts((4, 8))), 0),  # the first slice counts for all
        (Beside((Passed(), Passed())), 7),
        (Lists(Passed(), 3), 3),
        (Shifted(Passed(), 5), 7),
        (Left(Passed()), 7),
    ],
)
def test_how_many_items_are_skipped_where_the_source_is_missing(head, length):
    inputs = [Outcome(None, Skip("photos", 7))] * head.reads
    assert head.length(inputs) == length
    inputs = [Outcome(None, FAILED)] * head.reads  # of a collection of unknown length: one
    assert head.length(inputs) == (1 if length else 0)
