"""Positions of a block's items are those that a plain list of indices would have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowgraph.runtime.positions import (
    Joined,
    Kept,
    Spread,
    Trail,
    at,
    cut,
    join,
    only,
    prefix,
)


def listed(where, length):
    return [at(where, k) for k in range(length)]


@st.composite
def fresh(draw):
    """A block as it enters a chain: a stretch of a source, or of one item's stream."""
    start, length = draw(st.integers(0, 50)), draw(st.integers(0, 8))
    if draw(st.booleans()):
        return range(start, start + length), list(range(start, start + length))
    parent = draw(st.lists(st.integers(0, 9), min_size=1, max_size=2))
    return Trail(tuple(parent), start), [(*parent, start + k) for k in range(length)]


@st.composite
def filtered(draw, blocks):
    where, model = draw(blocks)
    mask = draw(st.lists(st.booleans(), min_size=len(model), max_size=len(model)))
    return Kept(where, mask), [index for index, keep in zip(model, mask, strict=True) if keep]


@st.composite
def flat_mapped(draw, blocks):
    where, model = draw(blocks)
    lengths = st.lists(st.integers(0, 3), min_size=len(model), max_size=len(model))
    counts = draw(lengths)
    ends = [sum(counts[: k + 1]) for k in range(len(counts))]
    made = [
        (*(index if isinstance(index, tuple) else (index,)), j)
        for index, count in zip(model, counts, strict=True)
        for j in range(count)
    ]
    return Spread(where, ends), made


@st.composite
def sliced(draw, blocks):
    where, model = draw(blocks)
    start = draw(st.integers(0, len(model)))
    stop = draw(st.integers(start, len(model)))
    return cut(where, start, stop), model[start:stop]


@st.composite
def joined(draw, blocks):
    parts = draw(st.lists(blocks, max_size=4))
    where = join([(where, len(model)) for where, model in parts])
    return where, [index for _, model in parts for index in model]


BLOCKS = st.recursive(
    fresh(),
    lambda blocks: filtered(blocks) | flat_mapped(blocks) | sliced(blocks) | joined(blocks),
    max_leaves=12,
)


@given(BLOCKS)
def test_positions_compose_like_lists_of_indices(block):
    where, model = block
    assert listed(where, len(model)) == model


@given(BLOCKS, st.data())
def test_slices_of_a_block_joined_again_are_the_block(block, data):
    where, model = block
    bounds = sorted(data.draw(st.lists(st.integers(0, len(model)), max_size=4)))
    ends = [0, *bounds, len(model)]
    pieces = [
        (cut(where, start, stop), stop - start) for start, stop in zip(ends, ends[1:], strict=False)
    ]
    assert listed(join(pieces), len(model)) == model


@given(st.integers(0, 10**9) | st.lists(st.integers(0, 9), min_size=2, max_size=4).map(tuple))
def test_block_of_one_item_stands_where_the_item_does(index):
    assert at(only(index), 0) == index


@given(st.integers(0, 9), st.integers(1, 9))
def test_stretches_that_touch_become_one(start, length):
    """Else a million joined blocks would each cost an entry."""
    whole = range(start, start + 3 * length)
    pieces = [(whole[k * length : (k + 1) * length], length) for k in range(3)]
    assert join(pieces) == whole
    assert join([(only(start + k), 1) for k in range(3 * length)]) == whole


def test_stretches_that_only_look_alike_stay_apart():
    apart = join([(range(2), 2), (range(3, 5), 2)])
    assert isinstance(apart, Joined)
    assert listed(apart, 4) == [0, 1, 3, 4]
    # A slice from the start keeps no end of its own, so its end proves nothing.
    trail = join([(Trail((1,), 0), 2), (Trail((1,), 2), 1)])
    assert listed(trail, 3) == [(1, 0), (1, 1), (1, 2)]


def test_parts_without_items_are_passed_over():
    where = join([(range(0), 0), (range(4, 6), 2), (range(9, 9), 0), (range(7, 8), 1)])
    assert listed(where, 3) == [4, 5, 7]


def test_nothing_joined_is_an_empty_block():
    assert join([]) == range(0)


def test_one_block_joined_is_itself():
    kept = Kept(range(3), [True, False, True])
    assert join([(kept, 2)]) is kept


@pytest.mark.parametrize(("index", "begin"), [(4, (4,)), ((4, 1), (4, 1))])
def test_what_is_made_of_an_item_begins_with_its_position(index, begin):
    assert prefix(index) == begin


def test_slices_of_slices_do_not_nest():
    """A block is sliced at each item that fails, and Python's stack is a thousand levels deep."""
    where = Kept(range(5_000), [True] * 5_000)
    for _ in range(4_000):
        where = cut(where, 1, 5_000)
    assert at(where, 3) == 4_003


def test_a_range_past_its_end_has_no_position():
    """Unlike the other forms it knows its end: a wrong count must not go unseen."""
    with pytest.raises(IndexError):
        at(cut(range(10), 2, 5), 3)
