"""Keyed operations: what one pass over a dict gives, on every backend."""

from __future__ import annotations

import math
import operator
import threading
from collections import Counter

import pytest

from flowgraph import Graph, SkippedError, StageError, stage
from flowgraph.testing import run_plain


def odd(x):
    return x % 2


def itself(x):
    return x


def one(x):
    return 1


def listed(x):
    return [x]


def refuse_2_and_5(x):
    if x in (2, 5):
        raise ValueError(x)
    return x


def seen(pairs):
    """Keys with their types: 1, True and 1.0 are one key, but which of them it is shows."""
    return [(type(key), key, value) for key, value in pairs]


# Values


@pytest.mark.parametrize("length", [0, 1, 100])
def test_groups_come_in_the_order_of_their_first_items(backend, length):
    g = Graph("groups")
    items = g.items(range(length)).map(lambda x: 7 * x % 11)
    made = (
        items.group_by(itself),
        items.reduce_by(itself, operator.add),
        items.reduce_by(odd, operator.add, str),
        items.map_reduce(str, ",".join, key=len),
        items.map_reduce(str, ",".join),
        items.reduce_by(odd, operator.add).count(),
        items.filter(odd).group_by(itself).enumerate(),
        items.group_by(odd).reduce_by(lambda pair: len(pair[1]), operator.add),
    )
    assert backend.run(g, *made).value == run_plain(g, *made)


def test_keys_are_equal_as_in_a_dict_and_the_first_one_stays(backend):
    keys = [True, None, 1, "1", 1.0, (1,), None, (True,), 0, False, -0.0, "", b"1"]
    g = Graph("keys")
    items = g.items(keys)
    grouped, counted = backend.run(
        g, items.group_by(itself), items.reduce_by(itself, operator.add, one)
    ).value
    table = {}
    for key in keys:
        table.setdefault(key, []).append(key)
    assert seen(grouped) == seen(table.items())
    assert seen(counted) == seen((key, len(group)) for key, group in table.items())
    assert [list(map(type, group)) for _, group in grouped] == [
        list(map(type, group)) for group in table.values()
    ]


def test_no_item_is_lost_to_a_key_that_equals_nothing(backend):
    """How many groups NaN makes depends on which of them are one object, as in a dict."""
    g = Graph("nan")
    grouped = g.items([math.nan, 1, float("nan"), 1, math.nan]).group_by(itself)
    groups = backend.run(g, grouped).value
    assert sum(len(group) for key, group in groups if math.isnan(key)) == 3
    assert [group for key, group in groups if key == 1] == [[1, 1]]


def test_values_of_a_key_are_combined_in_their_order(backend):
    g = Graph("order")
    words = g.items([f"{k} " for k in range(500)])
    texts = dict(backend.run(g, words.reduce_by(lambda word: int(word) % 3, operator.add)).value)
    assert texts == {r: "".join(f"{k} " for k in range(r, 500, 3)) for r in range(3)}


def test_keyed_operations_take_items_of_every_kind(backend):
    g = Graph("kinds")
    listed = g.items(g.task(range, 6))
    streamed = g.items([3, 3]).flat_map(range)
    made = (
        listed.group_by(odd),
        streamed.reduce_by(itself, operator.add, one),
        listed.batch(2).group_by(len),
        listed.zip(listed).reduce_by(lambda pair: pair[0] % 2, operator.add),
        listed.group_by(odd).group_by(lambda pair: pair[0]),
        g.items("ab").map(lambda item, groups: (item, groups), listed.group_by(odd)),
        g.task(dict, listed.group_by(odd)),
    )
    assert backend.run(g, *made).value == run_plain(g, *made)


def test_a_group_is_made_once_for_all_its_readers(backend, tmp_path):
    log = tmp_path / "log"

    def noted(x):
        with open(log, "a") as file:
            file.write(f"{x}\n")
        return odd(x)

    g = Graph("once")
    groups = g.items(range(4)).group_by(noted)
    backend.run(g, groups, groups.count(), groups.map(str), g.task(dict, groups))
    assert sorted(map(int, log.read_text().split())) == [0, 1, 2, 3]


def test_a_million_items_with_as_many_keys_as_a_town_equal_a_counter():
    """A second or two on two processes."""
    n = 1_000_000
    g = Graph("million")
    counts = g.items(range(n)).reduce_by(word, operator.add, one)
    counted = dict(g.run(counts, scheduler="processes", workers=2).value)
    expected = Counter(map(word, range(n)))
    assert len(expected) == 100_000
    assert counted == expected
    assert list(counted) == list(expected)


def word(k):
    return f"word {k * 7919 % 100_000}"


# Failures


def test_keyed_operations_get_the_successes_only(backend):
    g = Graph("successes")
    items = g.items(range(8)).map(refuse_2_and_5)
    grouped, reduced = items.group_by(odd), items.reduce_by(odd, operator.add)
    by_key = items.map_reduce(itself, sum, key=odd)
    run = backend.run(g, grouped, reduced, by_key, on_error="collect")
    assert run.value == ([(0, [0, 4, 6]), (1, [1, 3, 7])], [(0, 10), (1, 11)], {0: 10, 1: 11})
    assert sorted(error.index for error in run.errors) == [2, 5]


def test_when_all_items_failed_there_is_no_group(backend):
    g = Graph("none")
    items = g.items([2, 5]).map(refuse_2_and_5)
    targets = (
        items.group_by(odd),
        items.reduce_by(odd, operator.add),
        items.map_reduce(itself, sum, key=odd),
    )
    assert backend.run(g, *targets, on_error="collect").value == ([], [], {})


def test_a_group_whose_reducer_fails_is_left_out_of_the_dict(backend):
    g = Graph("reducer")
    shares = g.items(range(8)).map_reduce(itself, lambda group: 1 // group[0], key=odd)
    run = backend.run(g, shares, on_error="collect")
    assert run.value == {1: 1}
    (error,) = run.errors
    assert (error.index, type(error.__cause__)) == (0, ZeroDivisionError)


def test_errors_after_a_keyed_operation_count_its_groups(backend):
    g = Graph("index")
    later = (
        g.items(range(3, 15))
        .group_by(lambda x: x % 4)
        .starmap(lambda key, group: refuse_2_and_5(key))
    )
    run = backend.run(g, later, on_error="collect")
    assert run.value[:3] == [3, 0, 1]
    assert run.value[3].index == 3


@pytest.mark.parametrize("key", [listed, refuse_2_and_5], ids=["unhashable", "failing"])
def test_a_key_that_is_none_fails_its_operation_and_blames_the_stage_of_the_key(backend, key):
    key = stage(key, name="key")
    for by_key in (
        lambda items: items.group_by(key, name="groups"),
        lambda items: items.reduce_by(key, operator.add, name="groups"),
        lambda items: items.reduce_by(key, operator.add, one, name="groups"),
    ):
        g = Graph("keys")
        groups = by_key(g.items(range(8)))
        after = groups.map(str, name="after")
        with pytest.raises(StageError, match="^stage 'key' failed after 1 attempt"):
            backend.run(g, after)
        run = backend.run(g, groups, after, on_error="collect")
        (error,) = run.errors
        assert (error.stage, error.index) == ("key", None)
        with pytest.raises(StageError, match="^stage 'key' failed after 1 attempt"):
            run["groups"]
        with pytest.raises(SkippedError, match="because 'groups' failed"):
            run["after"]
        stats = run.stats
        assert stats.failed == 1
        assert stats.total == stats.completed + stats.failed + stats.skipped + stats.cancelled


@pytest.mark.parametrize("role", ["key", "value", "group"])
def test_a_stop_iteration_of_a_stage_is_a_failure_and_loses_no_items(backend, role):
    def stops(k):
        if k == 5:
            raise StopIteration
        return k % 2

    g = Graph("stops")
    items = g.items(range(400))
    keyed = {
        "key": lambda: items.reduce_by(stops, operator.add),
        "value": lambda: items.reduce_by(abs, operator.add, stops),
        "group": lambda: items.group_by(stops),
    }[role]()
    (error,) = backend.run(g, keyed, on_error="collect").errors
    assert error.stage == "stops"
    assert isinstance(error.__cause__, StopIteration)


def test_time_limits_cost_a_thread_for_each_stage_and_not_for_each_block():
    """Hundreds of threads that begin and end in a Dask worker have brought it to a stand."""
    seen = set()

    def key(x):
        seen.add(threading.active_count())
        return x % 7

    g = Graph("limited")
    items = g.items(range(20_000))
    counts = items.reduce_by(stage(key, timeout=60), stage(operator.add, timeout=60), one)
    run = g.run(counts, scheduler="threads", workers=2)
    assert sum(dict(run.value).values()) == 20_000
    assert max(seen) - min(seen) <= 8  # two tasks at a time, with two watched stages and a loop
