"""Calls under a condition: what is skipped by a false one has not failed, on every backend."""

from __future__ import annotations

import pytest

from flowgraph import Graph, SkippedError, StageError
from flowgraph.testing import run_plain

OTHERWISE = "Give g.when(…, otherwise=…) what is to be called then."


def add(x=0, y=1):
    return x + y


def fail(*_):
    raise ValueError("no")


class Undecided:
    def __bool__(self):
        raise RuntimeError("neither")


def seen(run, *nodes):
    """What each node gives: its value, or the name of the node to blame."""
    found = []
    for node in nodes:
        try:
            found.append(run[node])
        except SkippedError as error:
            found.append((error.because, error.failed))
        except StageError as error:
            found.append(f"{error.stage} failed")
    return found


def accounted(run):
    stats = run.stats
    assert stats.total == stats.completed + stats.failed + stats.skipped + stats.cancelled
    return stats.completed, stats.failed, stats.skipped


# The condition


@pytest.mark.parametrize("value", [True, False, 0, 1, "", "no", None, [], [0], 0.0])
@pytest.mark.parametrize("otherwise", [None, max])
def test_the_truth_of_the_condition_says_what_is_called(backend, value, otherwise):
    g = Graph("truth")
    condition = g.task(lambda: value, name="condition")
    node = g.when(condition, add, 3, 4, otherwise=otherwise, name="node")
    run = backend.run(g, node)
    assert run.ok
    if value or otherwise:
        assert run.value == run_plain(g, node) == (7 if value else 4)
        assert accounted(run) == (2, 0, 0)
    else:
        assert seen(run, node) == [("node", False)]
        assert accounted(run) == (1, 0, 1)
        with pytest.raises(SkippedError):
            run_plain(g, node)


def test_a_condition_may_be_a_parameter_a_collection_or_a_plain_value(backend):
    g = Graph("kinds")
    nodes = (
        g.when(g.param("p", default=0), add, name="parameter"),
        g.when(g.items([]), add, name="no items"),
        g.when(g.items([0]).map(add), add, name="some"),
        g.when(g.items([1, 2]).filter(lambda x: x > 2), add, name="none left"),
        g.when([], add, name="empty"),
        g.when([g.task(add)], add, name="list"),
    )
    run = backend.run(g, *nodes)
    no = [(name, False) for name in ("parameter", "no items", "none left", "empty")]
    assert seen(run, *nodes) == [no[0], no[1], 1, no[2], no[3], 1]
    assert seen(backend.run(g, nodes[0], params={"p": 1}), nodes[0]) == [1]


def test_a_collection_all_of_whose_items_failed_is_an_empty_one(backend):
    g = Graph("failed items")
    node = g.when(g.items([1]).map(fail), add, otherwise=fail, name="node")
    assert seen(backend.run(g, node, on_error="collect"), node) == ["fail failed"]


@pytest.mark.parametrize("condition", ["fails", "cannot be asked"])
def test_a_condition_that_fails_is_a_failure_and_not_false(backend, condition):
    g = Graph("failing")
    asked = g.task(fail) if condition == "fails" else g.task(Undecided)
    node = g.when(asked, add, otherwise=add, name="node")
    after = g.task(add, after=node, name="after")
    with pytest.raises(StageError):
        backend.run(g, after)
    run = backend.run(g, node, after, on_error="collect")
    assert not run.ok
    if condition == "fails":
        assert seen(run, node, after) == [("fail", True), ("fail", True)]
        assert accounted(run) == (0, 1, 2)
    else:
        assert seen(run, node, after) == ["add failed", ("node", True)]
        assert isinstance(run.errors[0].__cause__, RuntimeError)
        assert accounted(run) == (1, 1, 1)


# What is skipped


def test_all_that_needs_a_skipped_value_is_skipped_and_names_the_false_node(backend):
    g = Graph("needs")
    node = g.when(g.task(bool), list, name="node")
    items, one = g.items(node), g.items([1])
    needing = (
        g.task(len, node),
        g.task(len, [{"k": node}]),
        g.task(add, g.task(len, node), 1),
        g.when(node, add),
        g.when(True, len, node, otherwise=len),
        g.fork_join({"a": node, "b": add}),
        items.map(add),
        items.map(add).filter(bool).count(),
        items.reduce(add),
        items.collect(),
        items.enumerate(),
        items.zip([]),
        one.zip(items),
        one.concat(items),
        one.product(items),
        items.batch(2),
        items.take(1),
        items.group_by(bool),
        items.map_reduce(add, sum, key=bool),
        one.map(lambda item, held: item, node),
        one.reduce(add, initial=node),
    )
    run = backend.run(g, node, *needing)
    assert run.ok
    assert seen(run, node, *needing) == [("node", False)] * (1 + len(needing))
    completed, failed, _ = accounted(run)
    assert (completed, failed) == (2, 0)  # bool, and the other branch of the fork
    with pytest.raises(SkippedError) as caught:
        run[needing[0]]
    assert str(caught.value) == (
        f"node 'len' was skipped because the condition of 'node' was false.\n{OTHERWISE}"
    )
    with pytest.raises(SkippedError) as caught:
        run["node"]
    assert str(caught.value) == (
        f"node 'node' was skipped because its condition was false.\n{OTHERWISE}"
    )


def test_the_rest_of_the_graph_has_its_values(backend):
    g = Graph("rest")
    skipped = g.task(add, g.when(g.task(bool), add), name="skipped")
    other = g.items([1, 2]).map(add)
    run = backend.run(g, skipped, other)
    assert run.ok
    assert run[other] == [2, 3]
    with pytest.raises(SkippedError):
        run.value


def test_after_takes_a_node_that_when_skipped_and_none_that_a_failure_did(backend):
    g = Graph("after")
    false = g.when(g.task(bool), add, name="false")
    needs_false = g.task(add, false, name="needs false")
    failed = g.task(fail, name="failed")
    needs_failed = g.task(add, failed, name="needs failed")
    both = g.task(add, false, failed, name="both")
    made = [g.task(add, after=node) for node in (false, needs_false, [false, needs_false])]
    refused = [
        g.task(add, after=node)
        for node in (failed, needs_failed, both, [false, failed], g.items(failed))
    ]
    run = backend.run(g, *made, *refused, both, on_error="collect")
    assert seen(run, *made) == [1, 1, 1]
    assert seen(run, *refused, both) == [("failed", True)] * 6


def test_a_failure_goes_before_a_false_condition(backend):
    g = Graph("both")
    node = g.when(g.task(bool), add, after=g.task(fail, name="failed"), name="node")
    run = backend.run(g, node, on_error="collect")
    assert seen(run, node) == [("failed", True)]


# In a row


@pytest.mark.parametrize("start", [0, 1, 2, 3])
def test_conditions_in_a_row_are_fused_and_mean_the_same(backend, start):
    g = Graph("row")
    x = g.param("x")
    first = g.task(add, x, 0, name="first")
    second = g.when(first, add, x, -1, name="second")
    third = g.when(second, add, x, -2, otherwise=max, name="third")
    fourth = g.when(third, str, x, name="fourth")
    expected = [
        [0, ("second", False), ("second", False), ("second", False)],
        [1, 0, 1, "1"],
        [2, 1, 0, ("fourth", False)],
        [3, 2, 1, "3"],
    ]
    run = backend.run(g, first, second, third, fourth, params={"x": start})
    assert run.ok
    assert seen(run, first, second, third, fourth) == expected[start]
    alone = backend.run(g, fourth, params={"x": start})
    assert seen(alone, fourth) == expected[start][3:]
    assert accounted(alone) == accounted(run)
    keys = g.compile(fourth, params={"x": start}).dask
    assert [key[0].rpartition("-")[0] for key in keys if key[0].startswith("add")] == [
        "add+add+add+str"
    ]


def test_of_several_false_conditions_the_first_is_told(backend):
    """In the order of the arguments; a failure goes before."""
    g = Graph("several")
    no = g.task(bool, 0)
    a, b = g.when(no, str, 1, name="a"), g.when(no, str, 2, name="b")
    for first, second in ((a, b), (b, a)):
        with pytest.raises(SkippedError, match=f"the condition of '{first.name}' was false"):
            backend.run(g, g.task(max, first, second)).value
    broken = g.task(int, "x", name="broken")
    node = g.task(max, a, b, broken)
    run = backend.run(g, node, on_error="collect")
    with pytest.raises(SkippedError, match="'broken' failed"):
        run[node]
