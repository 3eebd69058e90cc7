"""Whole messages for wrong use of what a graph's language has beyond tasks and maps."""

from __future__ import annotations

import math

import pytest
from test_messages import Says, double, scale

from flowgraph import Graph, GraphError, stage


@pytest.fixture
def g():
    return Graph("photos")


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda i: i.batch(0), "batch n=0 is not possible: it takes an int of at least 1."),
        (lambda i: i.batch(True), "batch n=True is not possible: it takes an int of at least 1."),
        (lambda i: i.batch(2.0), "batch n=2.0 is not possible: it takes an int of at least 1."),
        (lambda i: i.take(-1), "take n=-1 is not possible: it takes an int of at least 0."),
        (lambda i: i.take("1"), "take n='1' is not possible: it takes an int of at least 0."),
        (lambda i: i.zip(), "items.zip(other, …) needs at least one other collection."),
        (lambda i: i.concat(), "items.concat(other, …) needs at least one other collection."),
        (
            lambda i: i.product(5),
            "g.items(5): an object of type int cannot be iterated.\n"
            "Give it an iterable, or a node whose value is one.",
        ),
        (
            lambda i: i.zip("a", None),
            "g.items(None): an object of type NoneType cannot be iterated.\n"
            "Give it an iterable, or a node whose value is one.",
        ),
        (lambda i: i.group_by(5), "5 is not a function, so it cannot be a stage."),
        (lambda i: i.reduce_by(None, max), "None is not a function, so it cannot be a stage."),
        (lambda i: i.reduce_by(double, 5), "5 is not a function, so it cannot be a stage."),
        (lambda i: i.reduce_by(double, max, 5), "5 is not a function, so it cannot be a stage."),
        (
            lambda i: i.map_reduce(double, sum, key=5),
            "5 is not a function, so it cannot be a stage.",
        ),
        (
            lambda i: i.group_by(scale),
            "the arguments given to stage 'scale' do not fit: "
            "missing a required argument: 'factor'.\n"
            "It gets one item: make that fit its signature, scale(x, factor).",
        ),
        (
            lambda i: i.reduce_by(double, double),
            "the arguments given to stage 'double' do not fit: too many positional arguments.\n"
            "It gets two values: make that fit its signature, double(x).",
        ),
        (
            lambda i: i.reduce_by(double, scale, scale),
            "the arguments given to stage 'scale' do not fit: "
            "missing a required argument: 'factor'.\n"
            "It gets one item: make that fit its signature, scale(x, factor).",
        ),
        (
            lambda i: i.map_reduce(double, sum, key=scale),
            "the arguments given to stage 'scale' do not fit: "
            "missing a required argument: 'factor'.\n"
            "It gets one mapped item: make that fit its signature, scale(x, factor).",
        ),
        (
            lambda i: i.enumerate(name="double"),
            "graph 'photos' already has a node 'double': give this one another name.",
        ),
    ],
)
def test_operations_on_collections(g, declare, message):
    items = g.items([1])
    g.task(double, 1)
    with Says(GraphError, message):
        declare(items)
    assert [name for name in g.nodes if not name.startswith("items")] == ["double"]


def test_a_collection_of_another_graph(g):
    items, other = g.items([1]), Graph("other").items([2], name="theirs")
    for declare in (items.zip, items.concat, items.product):
        with Says(
            GraphError,
            "node 'theirs' belongs to graph 'other', not to graph 'photos'.",
            "Declare it on the graph that uses it.",
        ):
            declare(other)


SECONDS = "a number of seconds"
PLACES = "the name or address of a worker, or a list of them"
RESOURCES = 'a dict of names and numbers above 0, such as {"GPU": 1}'


@pytest.mark.parametrize(
    ("option", "wanted", "values"),
    [
        ("max_concurrency", "an int of at least 1", [0, -1, 1.5, True, "2"]),
        ("rate", "a number of attempts per second above 0", [0, -1, "2", math.inf, math.nan, True]),
        ("batch_size", "an int of at least 1", [0, -1, 2.0, "2"]),
        ("pause", f"{SECONDS} of at least 0", [-1, "1", math.nan]),
        ("deadline", f"{SECONDS} above 0", [0, -1, "1", math.nan]),
        ("sequential", "True or False", ["no", 1, None]),
        ("priority", "a number; larger is first", ["high", True, [1]]),
        (
            "resources",
            RESOURCES,
            [5, ["GPU"], "GPU", {"GPU": "1"}, {"GPU": 0}, {"GPU": -1}, {1: 1}, {"": 1}],
        ),
        ("workers", PLACES, [5, [], [5], "", [""], {}]),
    ],
)
def test_limits_and_annotations_of_a_stage(option, wanted, values):
    for value in values:
        message = f"{option}={value!r} is not possible: it takes {wanted}."
        with Says(GraphError, message):
            stage(**{option: value})(double)
        with Says(GraphError, message):
            stage(double).options(**{option: value})


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda g, n: g.when(n, 5), "5 is not a function, so it cannot be a stage."),
        (
            lambda g, n: g.when(n, double, 1, otherwise=5),
            "5 is not a function, so it cannot be a stage.",
        ),
        (
            lambda g, n: g.when(n, double),
            "the arguments given to stage 'double' do not fit: "
            "missing a required argument: 'x'.\n"
            "Give it the arguments of its signature: double(x).",
        ),
        (
            lambda g, n: g.when(n, double, 1, otherwise=scale),
            "the arguments given to stage 'scale' do not fit: "
            "missing a required argument: 'factor'.\n"
            "Give it the arguments of its signature: scale(x, factor).",
        ),
        (
            lambda g, n: g.when(Graph("films").task(double, 1), double, 1),
            "node 'double' belongs to graph 'films', not to graph 'photos'.\n"
            "Declare it on the graph that uses it.",
        ),
        (
            lambda g, n: g.when({n}, double, 1),
            "a node inside a set cannot be replaced by its value.\n"
            "Put it into a plain list, tuple or dict (as a value), or pass it as an argument.",
        ),
        (
            lambda g, n: g.when(n, double, 1, after=5),
            "5 is not a node: use what g.task, g.items or g.param gave.",
        ),
        (
            lambda g, n: g.when(n, double, 1, name="double"),
            "graph 'photos' already has a node 'double': give this one another name.",
        ),
        (
            lambda g, n: g.when(n, double, 1, name=""),
            "name='' is not possible: it takes a text that is not empty.",
        ),
    ],
)
def test_conditions(g, declare, message):
    node = g.task(double, 1)
    with Says(GraphError, message):
        declare(g, node)
    assert list(g.nodes) == ["double"]
