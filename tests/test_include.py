"""A graph as a part of another one: its values, its names, its picture."""

from __future__ import annotations

import re

import pytest

from flowgraph import Graph, GraphError, SkippedError, StageError
from flowgraph.testing import run_plain


def add(a, b=0):
    return a + b


def scaled():
    """Two outputs, of which one is a collection; ``by`` is required."""
    inner = Graph("scaled")
    by = inner.param("by")
    shift = inner.param("shift", default=10)
    total = inner.task(add, by, shift, name="total")
    each = inner.items([1, 2]).map(add, by, name="each")
    inner.output(total, each)
    return inner


def only(build):
    """A graph of one parameter ``x`` whose output is what ``build`` makes of it."""
    inner = Graph("part")
    inner.output(build(inner, inner.param("x")))
    return inner


# Values


def test_one_output_is_its_value_and_several_are_a_tuple(backend):
    g = Graph("outer")
    one = g.include(only(lambda inner, x: inner.task(add, x, 1)), x=2)
    listed = g.include(only(lambda inner, x: inner.items(x).map(add, 1)), x=[1, 2])
    both = g.include(scaled(), by=5)
    after = g.task(len, both)
    targets = (one, listed, both, after)
    expected = (3, [2, 3], (15, [6, 7]), 2)
    assert backend.run(g, *targets).value == run_plain(g, *targets) == expected


def test_without_an_output_the_nodes_that_no_other_reads_are_it(backend):
    inner = Graph("sinks")
    first = inner.task(add, 1)
    inner.task(add, first, 1)
    inner.items([first]).map(add, 5)
    g = Graph("outer")
    assert backend.run(g, g.include(inner)).value == (2, [6])


def test_parameters_take_whatever_an_argument_may_be(backend):
    part = only(lambda inner, x: inner.task(lambda value: value, x))
    g = Graph("outer")
    node, items = g.task(add, 1), g.items([1, 2]).map(add, 1)
    given = {
        "a node": (node, 1),
        "items": (items, [2, 3]),
        "a container": ([node, {"k": (items, 7)}], [1, {"k": ([2, 3], 7)}]),
        "a plain value": ({"a": [1]}, {"a": [1]}),
        "None": (None, None),
        "a parameter": (g.param("p", default=4), 4),
    }
    made = [g.include(part, x=value) for value, _ in given.values()]
    assert backend.run(g, *made).value == tuple(wanted for _, wanted in given.values())


def test_a_given_collection_is_worked_on_item_by_item(backend):
    part = only(lambda inner, x: inner.items(x).map(add, 1))
    g = Graph("outer")
    part_of_all = g.include(part, x=g.items(range(5)).filter(lambda k: k % 2))
    assert backend.run(g, part_of_all).value == [2, 4]


def test_a_default_stays_unless_something_is_given(backend):
    g = Graph("outer")
    made = g.include(scaled(), by=1), g.include(scaled(), by=1, shift=g.task(add, 1))
    assert [total for total, _ in backend.run(g, *made).value] == [11, 2]


def test_any_name_can_be_a_parameter(backend):
    inner = Graph("inner")
    inner.output(inner.task(add, inner.param("graph"), inner.param("self")))
    g = Graph("outer")
    assert backend.run(g, g.include(inner, graph=1, self=2)).value == 3


def test_a_part_may_have_parts(backend):
    middle = Graph("middle")
    middle.output(middle.include(scaled(), by=middle.param("z")))
    g = Graph("outer")
    made = [g.include(middle, z=z) for z in (1, 2)]
    assert backend.run(g, *made).value == ((11, [2, 3]), (12, [3, 4]))
    assert "middle-2/scaled/total" in g.nodes


def test_conditions_and_control_dependencies_come_along(backend, tmp_path):
    log = tmp_path / "log"

    def note(text):
        with open(log, "a") as file:
            file.write(text)

    inner = Graph("inner")
    first = inner.task(note, "a")
    when = inner.when(inner.param("wanted"), add, 1, after=inner.task(note, "b", after=first))
    inner.output(when)
    g = Graph("outer")
    yes, no = g.include(inner, wanted=True), g.include(inner, wanted=g.task(bool))
    run = backend.run(g, yes, no)
    assert run.ok
    assert run[yes] == 1
    with pytest.raises(SkippedError, match="the condition of 'inner-2/add' was false"):
        run[no]
    text = log.read_text()
    assert sorted(text) == ["a", "a", "b", "b"]
    assert text.index("a") < text.index("b")


def test_a_failure_inside_names_the_inner_node(backend):
    g = Graph("outer")
    part = g.include(only(lambda inner, x: inner.task(int, x, name="parse")), x="one")
    run = backend.run(g, part, g["part/parse"], on_error="collect")
    with pytest.raises(StageError, match="^stage 'int' failed"):
        run["part/parse"]
    with pytest.raises(SkippedError, match="because 'part/parse' failed"):
        run[part]


# Names


def test_inner_nodes_are_named_after_their_part():
    g = Graph("outer")
    inner = scaled()
    nodes = g.include(inner, by=1), g.include(inner, by=2)
    assert [node.name for node in nodes] == ["scaled", "scaled-2"]
    assert list(g.nodes) == [
        *("scaled/by", "scaled/shift", "scaled/total", "scaled/items", "scaled/each", "scaled"),
        *("scaled-2/by", "scaled-2/shift", "scaled-2/total", "scaled-2/items", "scaled-2/each"),
        "scaled-2",
    ]
    assert list(inner.nodes) == ["by", "shift", "total", "items", "each"]


def test_a_part_is_a_copy_as_the_graph_is_now():
    inner = Graph("inner")
    inner.task(add, 1)
    g = Graph("outer")
    part = g.include(inner)
    inner.task(add, 2)
    inner["add"].annotate(priority=5)
    assert g.run(part, scheduler="sync").value == 1
    assert len(g) == 2


def test_what_the_outputs_do_not_need_stays_behind():
    inner = scaled()
    inner.task(add, inner.param("unused"), name="aside")
    g = Graph("outer")
    g.include(inner, by=1)
    assert not [name for name in g.nodes if "aside" in name or "unused" in name]


def test_graphs_may_include_one_another_in_turn():
    first, second = Graph("first"), Graph("second")
    first.task(add, 1)
    second.include(first)
    first.include(second)
    assert list(first.nodes) == ["add", "second/first/add", "second/first", "second"]


# Wrong use


@pytest.mark.parametrize(
    ("include", "message"),
    [
        (
            lambda g: g.include(scaled()),
            "graph 'scaled' is included without a value for 'by'.\nGive it: "
            "g.include(graph, by=…).",
        ),
        (
            lambda g: g.include(scaled(), by=1, colour=2),
            "graph 'scaled' has no parameter 'colour'; it has parameters 'by', 'shift'.",
        ),
        (
            lambda g: g.include(scaled(), by=Graph("other").task(add, 1)),
            "node 'add' belongs to graph 'other', not to graph 'outer'.\n"
            "Declare it on the graph that uses it.",
        ),
        (lambda g: g.include(g), "graph 'outer' cannot include itself; include another one."),
        (
            lambda g: g.include(Graph("empty")),
            "graph 'empty' has no node to run: declare one with g.task or g.items.",
        ),
        (
            lambda g: g.include(scaled),
            "<function scaled at 0x…> is not a Graph, so it cannot be included.",
        ),
    ],
    ids=["left out", "unknown", "foreign", "itself", "empty", "no graph"],
)
def test_a_mistake_is_told_before_a_node_is_added(include, message):
    g = Graph("outer")
    with pytest.raises(GraphError) as caught:
        include(g)
    assert re.sub("0x[0-9a-f]+", "0x…", str(caught.value)) == message
    assert len(g) == 0


def test_a_parameter_waits_for_no_node_of_another(backend):
    def fails():
        raise ValueError

    inner = Graph("inner")
    left = inner.task(abs, inner.param("a"), name="left")
    inner.output(left, inner.task(abs, inner.param("b"), name="right"))
    g = Graph("outer")
    g.include(inner, a=g.task(abs, -1, name="fine"), b=g.task(fails))
    assert backend.run(g, g["inner/left"], on_error="collect").value == 1


def test_a_name_that_a_part_would_have_must_be_free():
    """Else the node of that name would be another one from then on."""
    inner = Graph("mean")
    inner.output(inner.task(abs, inner.task(int, "5")))
    g = Graph("outer")
    own = g.task(len, "abc", name="mean/int")
    with pytest.raises(GraphError, match="graph 'outer' already has a node 'mean/int'"):
        g.include(inner)
    assert list(g.nodes) == ["mean/int"]
    assert g.run(own, scheduler="sync").value == 3
