"""What can be declared on a graph, and what is recorded of it."""

from __future__ import annotations

import copy
import functools
import operator
import pickle
import time

import pytest

from flowgraph import Graph, GraphError, Items, Node, stage
from flowgraph.declare.graph import Declarations
from flowgraph.declare.steps import (
    MISSING,
    Call,
    Collect,
    Count,
    Each,
    Fold,
    Pack,
    Parameter,
    Source,
)
from flowgraph.runtime.call import Nest, Slot


def load(path):
    return path


def resize(image, width=800):
    return image, width


def add(a, b):
    return a + b


@stage(name="shrink")
def shrink_to(image):
    return image


@pytest.fixture
def g():
    return Declarations("photos")


def raises(message):
    """Expect a GraphError with exactly this message."""

    class Raises:
        def __enter__(self):
            self.context = pytest.raises(GraphError)
            self.caught = self.context.__enter__()

        def __exit__(self, *exc_info):
            done = self.context.__exit__(*exc_info)
            assert str(self.caught.value) == message
            return done

    return Raises()


# The graph itself


def test_a_new_graph_is_empty_but_true(g):
    assert (g.name, len(g), list(g), dict(g.nodes), dict(g.steps), g.outputs) == (
        "photos",
        0,
        [],
        {},
        {},
        (),
    )
    assert g
    assert repr(g) == "<Declarations 'photos' of 0 nodes>"
    assert repr(Graph("one")) == "<Graph 'one' of 0 nodes>"


def test_nodes_are_found_by_name_in_order(g):
    a = g.task(load, "a")
    items = g.items([1])
    assert list(g) == list(g.nodes) == list(g.steps) == ["load", "items"]
    assert g["load"] is a is g.nodes["load"]
    assert g["items"] is items
    assert "load" in g
    assert a not in g
    assert len(g) == 2
    assert (a.graph, a.name, a.step) == (g, "load", g.steps["load"])
    assert repr(a) == "<Node 'load' of graph 'photos'>"
    assert repr(items) == "<Items 'items' of graph 'photos'>"


def test_the_views_cannot_be_written(g):
    for view in (g.nodes, g.steps):
        with pytest.raises(TypeError):
            view["x"] = None


def test_a_name_that_no_node_has(g):
    g.task(load, "a")
    with raises("graph 'photos' has no node 'laod'.\nDid you mean 'load'?"):
        g["laod"]
    with raises("graph 'photos' has no node 0.\nIts names are in g.nodes."):
        g[0]
    with raises("graph 'photos' has no node [].\nIts names are in g.nodes."):
        g[[]]


def test_handles_are_equal_by_identity(g):
    a, b = g.task(load, "a"), g.task(load, "a")
    assert a == a
    assert a != b
    assert {a: 1}[a] == 1
    assert isinstance(a, Node)
    assert not isinstance(a, Items)


def test_a_graph_survives_copying(g):
    g.task(add, g.task(load, 1), 2)
    for again in (copy.deepcopy(g), pickle.loads(pickle.dumps(g))):
        assert list(again) == ["load", "add"]
        # A function that now has the id of another must not be taken for it.
        more = again.task(functools.partial(load, 3))
        assert more.step.stage.function() == 3
        assert more.graph is again


# Names


def test_names_are_the_stages_made_unique(g):
    names = [g.task(f, 1).name for f in (load, resize, load, shrink_to, load, shrink_to)]
    assert names == ["load", "resize", "load-2", "shrink", "load-3", "shrink-2"]


def test_other_names(g):
    items = g.items([1, 2])
    made = [
        items,
        g.items(range(2)),
        items.map(load),
        items.filter(load),
        items.starmap(add),
        items.flat_map(load),
        items.reduce(add),
        items.collect(),
        items.collect(),
        items.count(),
        g.param("folder"),
        g.fork_join([1]),
        g.fork_join({"a": list, "b": 1}, join=dict),
    ]
    assert [node.name for node in made] == [
        "items",
        "items-2",
        "load",
        "load-2",
        "add",
        "load-3",
        "add-2",
        "collect",
        "collect-2",
        "count",
        "folder",
        "fork_join",
        "dict",
    ]


def test_given_names(g):
    items = g.items([1], name="photos")
    made = [
        g.task(load, 1, name="one"),
        items.map(load, name="two"),
        items.filter(load, name="three"),
        items.starmap(add, name="four"),
        items.flat_map(load, name="five"),
        items.reduce(add, name="six"),
        items.collect(name="seven"),
        items.count(name="eight"),
    ]
    assert [node.name for node in made] == "one two three four five six seven eight".split()


def test_a_made_name_steps_aside_for_a_given_one(g):
    g.task(load, 1, name="load-2")
    assert [g.task(load, 1).name for _ in range(3)] == ["load", "load-3", "load-4"]
    g.task(load, 1, name="load-5")
    assert g.task(load, 1).name == "load-6"


def test_a_name_is_given_in_constant_time(g):
    """The last of many costs what the first did."""

    def seconds(count):
        begun = time.process_time()
        for _ in range(count):
            g.task(load, 1)
        return time.process_time() - begun

    first = min(seconds(2000) for _ in range(3))
    seconds(20_000)
    assert min(seconds(2000) for _ in range(3)) < 20 * first + 1


@pytest.mark.parametrize("name", ["", 5, None])
def test_a_parameter_needs_a_name(g, name):
    with raises(f"name={name!r} is not possible: it takes a text that is not empty."):
        g.param(name)


def test_nothing_is_declared_by_a_mistake(g):
    other = Declarations("other").task(load, 1)
    items, node = g.items([1]), g.task(load, 1)
    before = list(g.steps)
    for mistake in (
        lambda: g.task(load),
        lambda: g.task(load, other),
        lambda: g.task(load, 1, after=other),
        lambda: g.task(load, 1, name="load"),
        lambda: g.items([node], name="load"),
        lambda: g.items([other]),
        lambda: items.map(add),
        lambda: items.map(load, name="load"),
        lambda: items.starmap(add, 1, 2, 3),
        lambda: items.starmap(add, c=1),
        lambda: items.reduce(load),
        lambda: items.reduce(add, other),
        lambda: items.map_reduce(load, add),
        lambda: items.map_reduce(add, load),
        lambda: items.pipeline(load, load, add),
        lambda: items.collect(name="load"),
        lambda: g.fork_join([(load, 1), (load, 1, 2)]),
        lambda: g.fork_join([(load, 1), (load, other)]),
        lambda: g.fork_join([(load, 1), other]),
        lambda: g.fork_join([(load, 1), {node}]),
        lambda: g.fork_join([(load, 1), (load, 2)], join=load),
        lambda: g.fork_join({"a": (load, 1), "c": 2}, join=add),
        lambda: g.param("p", default=[node]),
    ):
        with pytest.raises(GraphError):
            mistake()
        assert list(g.steps) == list(g.nodes) == before
    assert g.task(load, 1).name == "load-2"


# Tasks and parameters


def test_a_task(g):
    a, b = g.task(load, 1), g.param("b")
    step = g.task(resize, a, width=b, after=[g["load"], a]).step
    assert step == Call(
        name="resize",
        needs=("load", "b"),
        after=("load",),
        stage=step.stage,
        args=(Slot(0),),
        kwargs=(("width", Slot(1)),),
    )
    assert step.stage.function is resize


def test_a_function_is_one_stage_in_one_graph(g):
    first, second = g.task(load, 1), g.items([1]).map(load)
    assert first.step.stage is second.step.stage
    assert g.task(shrink_to, 1).step.stage is shrink_to


@pytest.mark.parametrize("wrap", [lambda n: n, lambda n: [n], lambda n: (n,), lambda n: iter([n])])
def test_after_takes_one_or_several(g, wrap):
    node = g.items([1])
    assert g.task(load, 1, after=wrap(node)).step.after == ("items",)


@pytest.mark.parametrize(
    ("after", "wrong", "mend"),
    [
        (5, "5", ""),
        (None, "None", ""),
        ([5], "5", ""),
        ("load", "'load'", ", or g[name]"),
        (["load"], "'load'", ", or g[name]"),
    ],
)
def test_after_takes_nodes_only(g, after, wrong, mend):
    with raises(f"{wrong} is not a node: use what g.task, g.items or g.param gave{mend}."):
        g.task(load, 1, after=after)


def test_a_keyword_called_name_goes_through_partial(g):
    def tag(image, name, after):
        return image, name, after

    step = g.task(functools.partial(tag, name="x", after=1), 2, name="tagged").step
    assert (step.name, step.stage.name, step.stage(2)) == ("tagged", "tag", (2, "x", 1))


def test_a_node_in_a_partial_is_refused(g):
    node = g.task(load, 1)
    for part in (functools.partial(load, node), functools.partial(resize, width=[node])):
        with raises(
            "a node inside a functools.partial cannot be replaced by its value.\n"
            "Put it into a plain list, tuple or dict (as a value), or pass it as an argument."
        ):
            g.task(part, 1)


def test_parameters(g):
    assert g.param("a").step == Parameter(name="a", default=MISSING, type=None)
    assert g.param("b", 1, int).step == Parameter(name="b", default=1, type=int)
    assert g.param("c", default=None).step.default is None
    default = [1]
    step = g.param("d", default=default).step
    default.append(2)
    assert step.default == [1]


def test_a_default_that_is_a_node(g):
    node = g.task(load, 1)
    with raises(
        "the default of parameter 'p' has node 'load' inside, "
        "which has no value before the graph runs.\n"
        "Pass the node itself to the stage, or give the parameter a plain default."
    ):
        g.param("p", default={"a": [node]})


# Collections


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ([1, 2], [1, 2]),
        ("abc", ["a", "b", "c"]),
        (b"ab", [97, 98]),
        ({"a": 1}, ["a"]),
        ({"a": 1}.values(), [1]),
        (iter([1, 2]), [1, 2]),
        ((x for x in "ab"), ["a", "b"]),
        (map(str, [1]), ["1"]),
        ([], []),
        (range(10**9), range(10**9)),
        ((1, 2), (1, 2)),
    ],
)
def test_concrete_sources(g, source, kept):
    step = g.items(source).step
    assert step == Source(name="items", items=kept)
    assert type(step.items) is type(kept)


def test_a_source_is_as_it_was_when_declared(g):
    source, pair = [[1], {"a": [2]}], ([3],)
    first, second = g.items(source).step, g.items(pair).step
    source[0].append(9)
    source[1]["a"].append(9)
    source.append(9)
    pair[0].append(9)
    assert first.items == [[1], {"a": [2]}]
    assert second.items == ([3],)


def test_a_node_as_a_source(g):
    node = g.task(load, [1])
    assert g.items(node).step == Source(name="items", needs=("load",), items=None)


def test_items_stay_what_they_are(g):
    items = g.items([1]).map(load)
    assert g.items(items) is items
    assert len(g) == 2


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_source_with_nodes_inside(g, kind):
    a, b = g.task(load, 1), g.task(load, 2)
    pairs = g.items(kind([(a, 1), (b, 2)]), name="pairs")
    assert pairs.step == Source(name="pairs", needs=("pairs-list",), items=None)
    pack = g.steps["pairs-list"]
    assert pack == Pack(
        name="pairs-list",
        needs=("load", "load-2"),
        template=Nest(kind, (Nest(tuple, (Slot(0), 1)), Nest(tuple, (Slot(1), 2)))),
    )
    assert list(g)[2:] == ["pairs-list", "pairs"]


def test_nodes_are_found_in_any_iterable_source(g):
    nodes = {"a": g.task(load, 1), "b": g.task(load, 2)}
    assert g.items(nodes.values()).step.needs == ("items-list",)
    assert g.steps["items-list"].needs == ("load", "load-2")


class Unsized:
    """Says that it can be iterated, and cannot."""

    def __iter__(self):
        raise TypeError("iteration over a 0-d array")


def broken():
    yield 1
    raise TypeError("the user's own")


def test_sources_that_cannot_be_iterated(g):
    for source in (Unsized(), None, 5, len, MISSING):
        with pytest.raises(GraphError, match="cannot be iterated"):
            g.items(source)
    with pytest.raises(TypeError, match="the user's own"):
        g.items(broken())
    assert len(g) == 0


@pytest.mark.parametrize("op", ["map", "starmap", "filter", "flat_map"])
def test_item_wise_steps(g, op):
    photos, width = g.items([1]), g.param("width")
    made = getattr(photos, op)(resize, width, name="made")
    assert made.step == Each(
        name="made",
        needs=("items", "width"),
        op=op,
        stage=made.step.stage,
        args=(Slot(1),),
        kwargs=(),
    )
    with_key = getattr(photos, op)(resize, width=[width, 5])
    assert with_key.step.kwargs == (("width", Nest(list, (Slot(1), 5))),)


def test_a_collection_as_an_argument_of_its_own_map(g):
    photos = g.items([1])
    step = photos.map(add, photos).step
    assert (step.needs, step.args) == (("items", "items"), (Slot(1),))


def test_reductions(g):
    photos, start = g.items([1]), g.param("start")
    plain = photos.reduce(add).step
    assert plain == Fold(name="add", needs=("items",), stage=plain.stage, initial=MISSING)
    none = photos.reduce(add, None).step
    assert none.initial is None
    node = photos.reduce(add, initial=start).step
    assert (node.needs, node.initial) == (("items", "start"), Slot(1))


def test_collect_and_count(g):
    photos = g.items([1])
    assert photos.collect().step == Collect(name="collect", needs=("items",))
    assert photos.count().step == Count(name="count", needs=("items",))
    assert isinstance(photos.collect(), Node)


def test_pipeline_is_chained_maps(g):
    end = g.items([1]).pipeline(load, shrink_to, load)
    assert list(g) == ["items", "load", "shrink", "load-2"]
    assert end.name == "load-2"
    assert [step.needs for step in g.steps.values()] == [(), ("items",), ("load",), ("shrink",)]


def test_map_reduce(g):
    end = g.items([1]).map_reduce(load, sum)
    assert list(g) == ["items", "load", "sum"]
    assert isinstance(end.step, Call)
    assert (end.step.needs, end.step.args) == (("load",), (Slot(0),))


# Outputs


def test_output_replaces_the_targets(g):
    a, b = g.task(load, 1), g.items([1])
    g.output(a)
    g.output(b, a, b)
    assert g.outputs == ("items", "load", "items")  # what a run gives has as many values


# Size


def test_a_chain_of_many_nodes(g):
    node = g.task(load, 0)
    for _ in range(10_000):
        node = g.task(add, node, 1)
    assert len(g) == 10_001
    assert node.name == "add-10000"
    assert node.step.needs == ("add-9999",)


def test_a_join_of_many_parents(g):
    parents = [g.task(load, k) for k in range(10_000)]
    step = g.task(sum, parents + parents).step
    assert step.needs == tuple(parent.name for parent in parents)
    (nest,) = step.args
    assert nest.items[:2] == (Slot(0), Slot(1))
    assert nest.items[-1] == Slot(9999)
    many = g.task(max, *parents).step
    assert len(many.args) == len(many.needs) == 10_000


def test_declaring_is_quick(g):
    """About 4 µs a node where it was written; here with a wide margin."""
    a, b = g.task(load, 1), g.task(load, 2)
    begun = time.process_time()
    for _ in range(10_000):
        g.task(operator.add, a, b)
    assert time.process_time() - begun < 0.5


# What a stage is called


@pytest.mark.parametrize("scheduler", ["sync", "processes"])
def test_a_lambda_takes_the_name_of_its_node(scheduler):
    g = Graph("lambdas")
    same = lambda x: x  # noqa: E731
    once = g.items([1, 2]).map(same, name="once")
    again = once.filter(same, name="again")
    part = again.map(functools.partial(lambda a, b: a + b, 1), name="part")
    total = part.reduce(lambda a, b: a + b, name="total")
    bad = g.task(lambda x: 1 / 0, total, name="bad")
    both = g.fork_join({"low": lambda: 1, "high": (lambda x: x, bad)}, join=lambda low, high: low)
    seen = set()
    run = g.run(
        both,
        scheduler=scheduler,
        workers=1,
        on_error="collect",
        progress=lambda progress: seen.add(progress.stage),
    )
    names = ["once", "again", "part", "total", "bad", "low", "high", "<lambda>"]
    assert [row.stage for row in run.stages] == names
    assert run.errors[0].stage == "bad"
    assert {"once", "again", "part", "total", "bad", "low"} <= seen


def test_only_a_lambda_takes_the_name_of_its_node():
    g = Graph("named")
    assert g.task(load, 1, name="a").step.stage.name == "load"
    twice = stage(lambda x: x, name="twice")
    assert g.task(twice, 1, name="b").step.stage is twice
    assert g.task(functools.partial(twice, 1), name="c").step.stage.name == "twice"
    assert g.task(lambda: 1).step.stage.name == "<lambda>"
    same = lambda x: x  # noqa: E731
    d = g.items([1]).map(same, name="d").map(same)
    assert d.step.stage.name == "<lambda>"
