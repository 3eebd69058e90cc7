"""Collections put beside, behind and into one another: as itertools does it, on every backend."""

from __future__ import annotations

from itertools import product

import pytest

from flowgraph import Graph, SkippedError, StageError, stage
from flowgraph.testing import run_plain


def double(x):
    return 2 * x


def refuse_2_and_5(x):
    if x in (2, 5):
        raise ValueError(x)
    return x


def refuse_first_2(pair):
    refuse_2_and_5(pair[0])
    return pair


def shown(values):
    """A collected list; of an error what failed, and where."""
    return [(e.stage, e.index) if isinstance(e, StageError) else e for e in values]


def arranged(items, other):
    """All item-wise operations of a collection and another one, which is as long."""
    return (
        items.enumerate(),
        items.zip(other),
        items.zip(other, items),
        items.concat(other),
        items.concat(other, items, []),
        items.product(other),
        items.batch(2),
        items.take(2),
        items.take(0),
        items.take(99),
    )


# Values


@pytest.mark.parametrize("length", [0, 1, 7])
@pytest.mark.parametrize("kind", ["concrete", "of a node", "filtered"])
def test_items_are_arranged_as_by_itertools(backend, kind, length):
    g = Graph("arranged")
    xs, ys = list(range(length)), [chr(97 + k) for k in range(length)]
    items, other = g.items(xs), g.items(ys)
    if kind == "of a node":
        items = g.items(g.task(list, xs))
    elif kind == "filtered":
        items, other = (each.filter(lambda item: item is not None) for each in (items, other))
    made = arranged(items, other)
    expected = (
        list(enumerate(xs)),
        list(zip(xs, ys)),
        list(zip(xs, ys, xs)),
        xs + ys,
        xs + ys + xs,
        list(product(xs, ys)),
        [xs[k : k + 2] for k in range(0, length, 2)],
        xs[:2],
        [],
        xs,
    )
    assert backend.run(g, *made).value == run_plain(g, *made) == expected


def test_operations_stand_on_one_another(backend):
    g = Graph("nested")
    items = g.items(range(6)).map(double)
    made = (
        items.enumerate().batch(2).enumerate(),
        items.batch(4).batch(2),
        items.zip(items.enumerate()).zip(items),
        items.take(4).concat(items.take(1)).batch(3),
        items.product("ab").product([items.take(1).collect()]).take(2),
        items.batch(2).flat_map(list).zip(items),
        items.concat(items).enumerate().filter(lambda pair: pair[0] % 5 == 0),
    )
    assert backend.run(g, *made).value == run_plain(g, *made)


def test_a_collection_beside_itself_is_computed_once(backend, tmp_path):
    log = tmp_path / "log"

    def noted(x):
        with open(log, "a") as file:
            file.write(f"{x}\n")
        return x

    g = Graph("once")
    items = g.items(range(4)).map(noted)
    made = (items, *arranged(items, items), items.count(), g.task(list, items))
    backend.run(g, *made)
    assert sorted(map(int, log.read_text().split())) == [0, 1, 2, 3]


def test_a_collection_is_one_list_for_every_item(backend):
    g = Graph("broadcast")
    batches = g.items(range(4)).map(double).batch(3)
    pairs = g.items("ab").map(lambda item, lists: (item, lists), batches)
    assert backend.run(g, pairs).value == [("a", [[0, 2, 4], [6]]), ("b", [[0, 2, 4], [6]])]


# Lengths that differ


@pytest.mark.parametrize("kind", ["known", "of a node", "filtered"])
def test_a_zip_of_other_lengths_fails_and_names_its_node(backend, kind):
    g = Graph("lengths")
    items = g.items(range(4)) if kind != "of a node" else g.items(g.task(range, 4))
    if kind == "filtered":
        items = items.filter(lambda item: True)
    pairs = items.zip("abc", name="pairs")
    after = pairs.map(str, name="after")
    with pytest.raises(StageError, match="^stage 'pairs' failed") as caught:
        backend.run(g, after)
    assert isinstance(caught.value.__cause__, ValueError)
    run = backend.run(g, pairs, after, on_error="collect")
    (error,) = run.errors
    assert (error.stage, error.index, type(error.__cause__)) == ("pairs", None, ValueError)
    with pytest.raises(StageError, match="^stage 'pairs' failed"):
        run["pairs"]
    with pytest.raises(SkippedError, match="^node 'after' was skipped because 'pairs' failed"):
        run["after"]
    stats = run.stats
    assert stats.total == stats.completed + stats.failed + stats.skipped + stats.cancelled


def test_items_of_what_has_none_is_the_failure_of_their_node(backend):
    g = Graph("none")
    items = g.items(g.task(int), name="digits")
    run = backend.run(g, items, on_error="collect")
    with pytest.raises(StageError, match="^stage 'digits' failed"):
        run["digits"]


# Failed items


def test_failed_items_are_arranged_as_each_operation_says(backend):
    g = Graph("failures")
    items = g.items(range(6)).map(stage(refuse_2_and_5, name="f"))
    other = g.items(range(6)).map(stage(refuse_2_and_5, name="other"))
    lists = (
        items.enumerate(),
        items.zip("abcdef"),
        items.concat([7]),
        items.batch(2),
        items.product("a"),
        items.take(3),
        g.items("abcdef").zip(other),
    )
    values = backend.run(g, *lists, on_error="collect").value
    two, five = ("f", 2), ("f", 5)
    assert [shown(value) for value in values] == [
        [(0, 0), (1, 1), two, (3, 3), (4, 4), five],
        [(0, "a"), (1, "b"), two, (3, "d"), (4, "e"), five],
        [0, 1, two, 3, 4, five, 7],
        [[0, 1], [3, 4]],
        [(0, "a"), (1, "a"), (3, "a"), (4, "a")],
        [0, 1, two],
        [("a", 0), ("b", 1), ("other", 2), ("d", 3), ("e", 4), ("other", 5)],
    ]


def test_a_failed_item_of_the_other_side_is_left_out_of_a_product(backend):
    g = Graph("product")
    failing = g.items(range(4)).map(refuse_2_and_5)
    run = backend.run(g, g.items("ab").product(failing), on_error="collect")
    assert run.value == [(letter, n) for letter in "ab" for n in (0, 1, 3)]


def test_the_index_of_an_error_is_kept_or_counted_anew(backend):
    g = Graph("index")
    known = g.items(range(6))
    later = known.filter(lambda x: x > 0)
    targets = {
        "enumerate": known.enumerate().map(refuse_first_2, name="enumerate*"),
        "zip": known.zip(known).map(refuse_first_2, name="zip*"),
        "batch": known.batch(2).map(refuse_first_2, name="batch*"),
        "concat": g.items("ab").concat(known).map(refuse_2_and_5, name="concat*"),
        "take": known.take(4).map(refuse_2_and_5, name="take*"),
        "filter, enumerate": later.enumerate().starmap(
            lambda k, x: refuse_2_and_5(x), name="filter, enumerate*"
        ),
        "filter, zip": later.zip(later).map(refuse_first_2, name="filter, zip*"),
        "filter, batch": later.batch(1).map(refuse_first_2, name="filter, batch*"),
        "filter, take": later.take(3).map(refuse_2_and_5, name="filter, take*"),
    }
    run = backend.run(g, *targets.values(), on_error="collect")
    failed = {
        name: [error.index for error in run[node] if isinstance(error, StageError)]
        for name, node in targets.items()
    }
    assert failed == {
        "enumerate": [2, 5],
        "zip": [2, 5],
        "batch": [1],
        "concat": [4, 7],
        "take": [2],
        "filter, enumerate": [2, 5],
        "filter, zip": [1, 4],
        "filter, batch": [1, 4],
        "filter, take": [2],
    }


def test_numbers_behind_a_filter_are_places_for_all_that_follows(backend):
    g = Graph("numbered")
    pairs = g.items(range(40)).filter(lambda k: k % 2 == 0).enumerate()
    want = list(enumerate(range(0, 40, 2)))
    run = backend.run(g, pairs.take(3), pairs.enumerate(), pairs.batch(8), pairs.zip(pairs))
    first, again, lists, beside = run.value
    assert first == want[:3]
    assert again == list(enumerate(want))
    assert lists == [want[:8], want[8:16], want[16:]]
    assert beside == list(zip(want, want, strict=True))


def test_numbers_behind_a_filter_leave_items_their_index(backend):
    def fails(pair):
        if pair[1] == 8:
            raise ValueError(pair)

    g = Graph("numbered")
    pairs = g.items(range(40)).filter(lambda k: k % 2 == 0).enumerate()
    (error,) = backend.run(g, pairs.map(fails), on_error="collect").errors
    assert error.index == 8
