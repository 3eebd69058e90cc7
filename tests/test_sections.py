"""Items in parts of lists, and in several lists, read as those of one list."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowgraph import Graph
from flowgraph.runtime.failure import Failure
from flowgraph.runtime.partition import Partition
from flowgraph.runtime.sections import Pieces, Section

BOUNDS = st.integers(-8, 8) | st.none()


def of_pieces(values, ends):
    begin, pieces = 0, []
    for end in sorted(ends):
        pieces.append(values[begin:end])
        begin = max(begin, end)
    return Pieces([*pieces, values[begin:]])


@given(
    st.lists(st.integers(), max_size=8),
    st.lists(st.integers(0, 8), max_size=3),
    BOUNDS,
    BOUNDS,
    st.sampled_from([None, 1, 2, -1, -3]),
)
def test_they_are_read_as_a_list_is(values, ends, start, stop, step):
    around = [None, *values, None, None]
    for made in (Section(around, 1, 1 + len(values)), of_pieces(values, ends)):
        assert (len(made), list(made)) == (len(values), values)
        assert made[start:stop:step] == values[start:stop:step]
        assert [made[k] for k in range(-len(values), len(values))] == 2 * values
        for outside in (len(values), -len(values) - 1):
            with pytest.raises(IndexError):
                made[outside]
        assert list(reversed(made)) == values[::-1]


def test_what_is_cut_from_a_section_is_a_list_of_its_own():
    items = [1, 2, 3]
    cut = Section(items, 0, 3)[:]
    cut.append(4)
    assert items == [1, 2, 3]


def test_a_partition_of_them_travels_as_a_list():
    for values in (Section([0, 1, 2], 1, 3), Pieces([[1], [2]])):
        part = Partition(values, range(2))
        for made in (part.whole(), pickle.loads(pickle.dumps(part))):
            assert (made.values, made.where) == ([1, 2], range(2))
    part = Partition([1], range(1))
    assert part.whole() is part


def test_a_section_of_a_list_travels_without_the_rest():
    items = list(range(100_000))
    part = Partition(Section(items, 5, 50), range(5, 50))
    assert len(pickle.dumps(part)) < 500
    assert pickle.loads(pickle.dumps(part)).values == items[5:50]


def test_pieces_are_put_together_once():
    pieces = Pieces([[1], [2]])
    assert pieces.whole() is pieces.whole()


def test_items_are_added_piece_by_piece_failures_and_all():
    failure = Failure("s", "s", 1, 1, "here", ())
    for values in (Pieces([[1], [2, failure]]), Section([0, 1, 2, failure], 1, 4), [1, 2, failure]):
        items = [0]
        Partition(values, range(3), failed=True).add_to(items)
        assert items == [0, 1, 2, failure]


def test_many_quick_items_come_out_in_order_whatever_becomes_of_them(backend):
    g, n = Graph("many"), 70_000
    numbers = g.items(range(n))
    squares = numbers.map(lambda x: x * x)
    odd = squares.filter(lambda x: x % 2)
    wanted = (squares, odd, squares.zip(numbers).take(5), squares.batch(30_000), g.task(sum, odd))
    run = backend.run(g, *wanted)
    plain = [x * x for x in range(n)]
    assert run[squares] == plain
    assert run[odd] == plain[1::2]
    assert run.value[2] == [(x * x, x) for x in range(5)]
    assert run.value[3] == [plain[:30_000], plain[30_000:60_000], plain[60_000:]]
    assert run.value[4] == sum(plain[1::2])
