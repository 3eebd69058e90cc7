"""Whole collections put in order at run time, and links that call no stage."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notebook import Note, new_link, new_scope, notes

from flowgraph.runtime.arrange import Arrange, Remaining
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.flow import Flow
from flowgraph.runtime.free import Numbers, Pairs
from flowgraph.runtime.heads import Left, Passed
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.partition import Partition
from flowgraph.runtime.positions import Kept, Trail, at
from flowgraph.runtime.report import SKIPPED
from flowgraph.runtime.scope import Halt
from flowgraph.runtime.sink import Keeping

NAMES = {"task": 3, "node": 5, "name": "pairs", "stage": "zip"}
FAILED = Failure("load", "photos", 3, 1, "host", (ValueError(),))
PARTS = st.lists(st.lists(st.none() | st.integers(0, 9), max_size=5), min_size=1, max_size=4)
"""A None stands for an item that failed."""


def outcomes(parts):
    """The partitions of a collection; item k is at position (7, k)."""
    begin, made = 0, []
    for part in parts:
        values = [FAILED if item is None else item for item in part]
        made.append(Outcome(Partition(values, Trail((7,), begin), FAILED in values)))
        begin += len(part)
    return made


def flat(parts):
    return [item for part in parts for item in part]


def arranged(order, *collections, size=0, scope=None):
    inputs = [outcome for parts in collections for outcome in outcomes(parts)]
    counts = tuple(map(len, collections))
    work = Arrange(**NAMES, order=order, parts=counts, size=size, reads=len(inputs))
    return work.run(scope or new_scope(), inputs)


def items_of(listing):
    """Its items, with None for one that failed; as it says itself."""
    assert listing.failed or FAILED not in listing.values
    return [None if value is FAILED else value for value in listing.values]


def cut_anew(items, sizes):
    """The same items in other partitions."""
    bounds = [0, *(min(size, len(items)) for size in sorted(sizes)), len(items)]
    return [items[begin:end] for begin, end in pairwise(bounds)]


# Whole collections


@given(PARTS)
def test_items_are_numbered_by_their_places_and_keep_their_positions(parts):
    """An item that failed has its number, and is no pair."""
    listing = arranged("enumerate", parts).value
    items = flat(parts)
    wanted = [None if item is None else (k, item) for k, item in enumerate(items)]
    assert items_of(listing) == wanted
    for k in range(len(items)):
        assert at(listing.where, k) == (7, k)


@given(PARTS, st.integers(1, 5))
def test_batches_are_lists_of_the_items_that_did_not_fail(parts, size):
    listing = arranged("batch", parts, size=size).value
    fine = [item for item in flat(parts) if item is not None]
    assert listing.values == [fine[k : k + size] for k in range(0, len(fine), size)]
    assert (listing.where, listing.failed) == (None, False)


@given(PARTS, st.lists(st.integers(0, 20), max_size=3))
def test_collections_are_zipped_whatever_their_partitions(parts, sizes):
    items = flat(parts)
    other = [None if item == 5 else item for item in reversed(items)]
    listing = arranged("zip", parts, cut_anew(other, sizes)).value
    wanted = [None if None in pair else pair for pair in zip(items, other, strict=True)]
    assert items_of(listing) == wanted
    assert listing.where is None


def test_collections_of_different_lengths_are_a_failure_of_the_zip():
    scope = new_scope()
    outcome = arranged("zip", [[1], [2]], [[1, 2, 3]], scope=scope)
    failed = outcome.missing
    assert scope.failures == [failed]
    assert (failed.stage, failed.node, failed.index) == ("zip", "pairs", None)
    assert "longer" in str(failed.errors[0])
    with pytest.raises(Halt):
        arranged("zip", [[1]], [[]], scope=new_scope(halts=True))


@pytest.mark.parametrize(("order", "length"), [("enumerate", 6), ("zip", 6), ("batch", 3)])
def test_how_much_is_skipped_where_a_partition_is_missing(order, length):
    """The items that are there, and as many as are known of the missing ones."""
    inputs = [*outcomes([[1, 2]]), Outcome(None, Skip("photos", 4)), *outcomes([[3], [4]])]
    work = Arrange(**NAMES, order=order, parts=(2, 2), size=2, reads=4)
    outcome = work.run(new_scope(), inputs)
    assert outcome.missing == Skip("photos", length)


# How many are left to take


@given(PARTS, st.integers(0, 30))
def test_what_is_left_behind_a_partition_is_what_was_left_less_its_items(parts, count):
    inputs, taken, before = outcomes(parts), 0, []
    for part in inputs:
        work = Remaining(**NAMES, head=Passed(), count=count, reads=1 + len(before))
        left = before[0].value if before else count
        taken += len(Left(Passed()).partition([part, Outcome(left)]).values)
        before = [work.run(new_scope(), [part, *before])]
    assert taken == min(count, len(flat(parts)))
    assert before[0].value == max(0, count - len(flat(parts)))


def test_nothing_is_known_to_be_left_behind_what_is_missing():
    work = Remaining(**NAMES, head=Passed(), count=5, reads=1)
    assert work.run(new_scope(), [Outcome(None, Skip("photos", 7))]).missing == Skip("photos")


# Links that call no stage


def through(links, values, where, scope=None):
    failed = any(value is FAILED for value in values)
    sink = Keeping()
    Flow(scope or new_scope(), links, sink).run(Partition(values, where, failed))
    part = sink.result()
    values = [None if value is FAILED else value for value in part.values]
    return [(at(part.where, k), value) for k, value in enumerate(values)]


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(0, 9), st.data())
def test_each_item_goes_on_with_its_position(values, start, data):
    mask = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    places = range(start, start + len(values))
    wanted = [(place, (place, value)) for place, value in zip(places, values, strict=True)]
    assert through([Numbers()], values, places) == wanted
    kept = [pair for pair, keep in zip(wanted, mask, strict=True) if keep]
    left = [value for _, (_, value) in kept]
    assert through([Numbers()], left, Kept(places, mask)) == kept


@given(st.lists(st.integers(0, 9), max_size=20), st.lists(st.text(max_size=1), max_size=4))
def test_pairs_are_the_product_each_item_first_with_all_the_others(values, others):
    made = through([Pairs(others)], values, range(3, 3 + len(values)))
    assert [value for _, value in made] == list(product(values, others))
    places = product(range(3, 3 + len(values)), range(len(others)))
    assert [index for index, _ in made] == list(places)


def test_below_a_flat_map_positions_go_on():
    assert through([Pairs("ab")], [7], Trail((4,), 2)) == [
        ((4, 2, 0), (7, "a")),
        ((4, 2, 1), (7, "b")),
    ]


def test_an_item_that_failed_keeps_its_place_beside_numbers_and_has_none_in_a_product():
    values, where = [1, FAILED, 3], range(3)
    assert through([Numbers()], values, where) == [(0, (0, 1)), (1, None), (2, (2, 3))]
    scope = new_scope()
    links = [new_link("map", abs, node=8), Pairs("a"), new_link("map", len, node=9)]
    assert through(links, values, where, scope) == [((0, 0), 2), ((2, 0), 2)]
    skipped = [note for note in notes(scope) if note.outcome == SKIPPED]
    assert skipped == [Note(8, 1, 1, 1, 0, SKIPPED)]  # what comes behind has no such item


def test_what_calls_no_stage_notes_nothing():
    scope = new_scope()
    through([Numbers(), Pairs("ab")], [1, 2], range(2), scope)
    assert notes(scope) == []
