"""fork_join, map_reduce and pipeline: on a graph, and as graphs of their own."""

from __future__ import annotations

import operator

import pytest

from flowgraph import Graph, GraphError, fork_join, map_reduce, pipeline, stage
from flowgraph.declare.steps import Call, Pack
from flowgraph.runtime.call import Nest, Slot


def users():
    return ["ada", "bob"]


def orders():
    return [3, 4, 5]


def summary(users, orders):
    return f"{len(users)} users, {len(orders)} orders"


def double(x):
    return 2 * x


@pytest.fixture
def g():
    return Graph("dashboard")


def value(graph, *targets):
    return graph.run(*targets, scheduler="sync").value


# fork_join


def test_join_gets_the_branches_by_name(g):
    joined = g.fork_join({"orders": orders, "users": users}, join=summary)
    assert list(g) == ["orders", "users", "summary"]
    assert joined.step == Call(
        name="summary",
        needs=("orders", "users"),
        stage=joined.step.stage,
        args=(),
        kwargs=(("orders", Slot(0)), ("users", Slot(1))),
    )
    assert value(g, joined) == "2 users, 3 orders"


def test_join_gets_a_sequence_in_order(g):
    joined = g.fork_join([users, orders], join=summary)
    assert list(g) == ["users", "orders", "summary"]
    assert joined.step.args == (Slot(0), Slot(1))
    assert value(g, joined) == "2 users, 3 orders"


def test_without_join_the_dict_or_list_of_results(g):
    by_name = g.fork_join({"a": users, 2: (double, 4)})
    assert by_name.step == Pack(
        name="fork_join", needs=("a", "2"), template=Nest(dict, (Slot(0), Slot(1)), ("a", 2))
    )
    listed = g.fork_join(iter([users, (double, 4)]))
    assert listed.step.template == Nest(list, (Slot(0), Slot(1)), None)
    assert value(g, by_name, listed) == ({"a": ["ada", "bob"], 2: 8}, [["ada", "bob"], 8])


def test_every_kind_of_branch(g):
    node, items = g.task(double, 1), g.items([1, 2]).map(double)
    rows = [7]
    joined = g.fork_join(
        {
            "callable": users,
            "stage": stage(orders, retry=1),
            "call": (double, node),
            "nested": (len, [node, node]),
            "node": node,
            "items": items,
            "plain": "text",
            "empty": (),
            "pair": (1, 2),
            "with node": [node, {"a": node}],
            "rows": rows,
        }
    )
    rows.append(8)
    assert value(g, joined) == {
        "callable": ["ada", "bob"],
        "stage": [3, 4, 5],
        "call": 4,
        "nested": 2,
        "node": 2,
        "items": [2, 4],
        "plain": "text",
        "empty": (),
        "pair": (1, 2),
        "with node": [2, {"a": 2}],
        "rows": [7],
    }


def test_a_branch_is_named_after_its_key(g):
    g.task(double, 1, name="users")
    g.fork_join({"users": users, "name": (double, 1), "after": (double, 2)}, join=dict)
    assert list(g) == ["users", "users-2", "name", "after", "dict"]
    assert g["users-2"].step.stage.name == "users"
    assert value(g, g["dict"]) == {"users": ["ada", "bob"], "name": 2, "after": 4}


def test_a_key_without_text_leaves_the_name_to_the_stage(g):
    g.fork_join({"": users})
    assert list(g) == ["users", "fork_join"]


def test_only_plain_values(g):
    assert value(g, g.fork_join([1, 2])) == [1, 2]
    assert value(g, g.fork_join({"a": 1})) == {"a": 1}
    assert value(g, g.fork_join({"a": [1]}, join=dict)) == {"a": [1]}


@pytest.mark.parametrize("branches", [5, "users", b"users", None])
def test_branches_that_are_none(g, branches):
    with pytest.raises(GraphError) as caught:
        g.fork_join(branches)
    assert str(caught.value) == (
        f"branches={branches!r} is not possible: it takes a dict or a list of branches."
    )


def test_branches_that_join_does_not_take(g):
    with pytest.raises(GraphError) as caught:
        g.fork_join({"users": users, "order": orders}, join=summary)
    assert str(caught.value) == (
        "the arguments given to stage 'summary' do not fit: "
        "missing a required argument: 'orders'.\n"
        "It gets a value from each branch, by its name: "
        "make that fit its signature, summary(users, orders)."
    )


# On their own


def test_fork_join_as_a_graph():
    graph = fork_join({"users": users, "orders": orders}, join=summary)
    assert isinstance(graph, Graph)
    assert (graph.name, graph.outputs) == ("fork_join", ("summary",))
    assert value(graph) == "2 users, 3 orders"
    assert value(fork_join([users, 1])) == [["ada", "bob"], 1]


def test_map_reduce_as_a_graph():
    graph = map_reduce(iter([1, 2, 3]), double, sum)
    assert (graph.name, graph.outputs) == ("map_reduce", ("sum",))
    assert list(graph) == ["items", "double", "sum"]
    assert value(graph) == 12


def test_pipeline_as_a_graph():
    graph = pipeline(range(3), [double, str])
    assert (graph.name, graph.outputs) == ("pipeline", ("str",))
    assert value(graph) == ["0", "2", "4"]


def test_pipeline_that_keeps_every_stage():
    graph = pipeline(range(3), iter([double, operator.neg, str]), keep=True)
    assert graph.outputs == ("double", "neg", "str")
    assert value(graph) == ([0, 2, 4], [0, -2, -4], ["0", "-2", "-4"])


def test_one_kept_stage_is_one_output():
    assert value(pipeline([1], [double], keep=True)) == [2]


def test_pipeline_takes_a_list_of_stages():
    with pytest.raises(GraphError) as caught:
        pipeline([1], len)
    assert str(caught.value) == (
        "stages=<built-in function len> is not possible: it takes a list of functions."
    )


def test_a_node_cannot_be_the_data_of_another_graph(g):
    node = g.task(users)
    with pytest.raises(GraphError) as caught:
        map_reduce(node, double, sum)
    assert str(caught.value) == (
        "node 'users' belongs to graph 'dashboard', not to graph 'map_reduce'.\n"
        "Declare it on the graph that uses it."
    )
