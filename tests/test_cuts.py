"""A collection is cut into partitions that put together are the collection."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowgraph.runtime.cuts import Batches, Cuts

LENGTHS = st.integers(0, 200)
SHARES = st.lists(st.integers(1, 20), min_size=1, max_size=12)
CUTS = SHARES.map(lambda shares: Cuts(tuple(accumulate(shares))))
BATCHES = st.builds(Batches, st.integers(1, 12), st.integers(1, 9), st.integers(1, 5))


def stretches(cuts, length):
    return [cuts.bounds(part, length) for part in range(len(cuts))]


def sizes(cuts, length):
    return [end - begin for begin, end in stretches(cuts, length)]


@given(CUTS | BATCHES, LENGTHS)
def test_partitions_are_all_items_once_and_in_order(cuts, length):
    at = 0
    for begin, end in stretches(cuts, length):
        assert begin == at
        assert begin <= end
        at = end
    assert at == length


# Shares


@given(SHARES)
def test_a_collection_as_long_as_was_thought_is_cut_as_was_said(shares):
    cuts = Cuts(tuple(accumulate(shares)))
    assert len(cuts) == len(shares)
    assert sizes(cuts, sum(shares)) == shares


@given(SHARES, LENGTHS)
def test_other_lengths_are_shared_out_alike_to_within_an_item(shares, length):
    cuts, total = Cuts(tuple(accumulate(shares))), sum(shares)
    if length > len(shares):
        for share, size in zip(shares, sizes(cuts, length), strict=True):
            assert abs(size - share * length / total) < 1


@given(SHARES)
def test_few_items_are_spread_one_to_a_partition(shares):
    cuts = Cuts(tuple(accumulate(shares)))
    for length in range(len(shares)):
        assert sizes(cuts, length) == [1] * length + [0] * (len(shares) - length)


@given(CUTS, st.integers(1, 9))
def test_collections_of_one_length_are_cut_alike(cuts, times):
    """Else they could not stand side by side in a zip: shares count, not their sum."""
    scaled = Cuts(tuple(times * end for end in cuts.ends))
    for length in range(len(cuts) + 1, 50):
        if length not in (cuts.ends[-1], scaled.ends[-1]):
            assert stretches(cuts, length) == stretches(scaled, length)


# Batches


@given(st.integers(1, 12), LENGTHS)
def test_batches_have_their_size_but_for_the_last(size, length):
    count = -(-length // size)
    cuts = Batches(size, count + 2)
    assert sizes(cuts, length)[:count] == [
        len(range(begin, min(begin + size, length))) for begin in range(0, length, size)
    ]
    assert sizes(cuts, length)[count:] == [0, 0]


@given(BATCHES, LENGTHS)
def test_no_batch_is_cut_by_the_end_of_a_place(cuts, length):
    """Partitions that share a batch are those of its place; each place is whole batches."""
    bounds = stretches(cuts, length)
    for place in range(cuts.count):
        begin = bounds[place * cuts.split][0]
        end = bounds[(place + 1) * cuts.split - 1][1]
        assert begin % cuts.size == 0 or begin == length
        assert end % cuts.size == 0 or end == length


@given(st.integers(1, 12), st.integers(1, 9), LENGTHS)
def test_batches_that_share_places_differ_by_at_most_one_in_a_place(size, count, length):
    batches = -(-length // size)
    shared = [-(-items // size) for items in sizes(Batches(size, count), length)]
    assert sum(shared) == batches
    assert max(shared) - min(shared) <= 1


@given(st.integers(1, 12), st.integers(1, 5), LENGTHS)
def test_a_batch_is_split_into_parts_of_equal_size_but_for_the_last_ones(size, split, length):
    pieces = sizes(Batches(size, -(-length // size) or 1, split), length)
    for begin in range(0, len(pieces), split):
        of_one = pieces[begin : begin + split]
        largest = -(-sum(of_one) // split)
        full = [piece for piece in of_one if piece == largest]
        assert of_one[: len(full)] == full
        assert all(piece < largest or piece == 0 for piece in of_one[len(full) :])


@pytest.mark.parametrize("length", [0, 1])
def test_a_batch_that_is_split_into_more_parts_than_items_has_empty_parts(length):
    assert sizes(Batches(5, 1, 3), length) == [length, 0, 0]
