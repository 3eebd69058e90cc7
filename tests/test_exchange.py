"""Graphs to and from NetworkX."""

from __future__ import annotations

import re

import networkx as nx
import pytest

from flowgraph import Graph, GraphError, stage


def five():
    return 5


def three():
    return 3


def add(a, b=0):
    return a + b


def subtract(a, b):
    return a - b


def difference(*edges):
    """``c`` is the difference of ``a`` and ``b``, in the order of these edges."""
    digraph = nx.DiGraph()
    digraph.add_node("c", stage=subtract)
    digraph.add_node("a", stage=five)
    digraph.add_node("b", stage=three)
    digraph.add_edges_from(edges)
    return digraph


def read(digraph, *targets):
    g = Graph.from_networkx(digraph, name="read")
    return g.run(*(g[target] for target in targets), scheduler="sync").value


# To NetworkX


def test_nodes_say_what_they_call_and_edges_who_needs_whom():
    g = Graph("words")
    text = g.param("text", default="to be")
    words = g.items(g.task(stage(str.split, retry=2, timeout=1.5), text))
    lengths = words.map(len)
    total = lengths.reduce(add, name="total")
    g.when(total, print, total, after=[text, lengths], name="told")
    digraph = g.to_networkx()
    assert digraph.name == "words"
    assert list(digraph) == list(g.nodes) == ["text", "split", "items", "len", "total", "told"]
    assert [(kind, stage) for _, kind, stage in _rows(digraph)] == [
        ("param", None),
        ("task", digraph.nodes["split"]["stage"]),
        ("items", None),
        ("map", len),
        ("reduce", add),
        ("when", print),
    ]
    assert digraph.nodes["split"]["options"] == {"retry": 2, "timeout": 1.5}
    assert digraph.nodes["len"]["options"] == {}
    assert list(digraph.edges(data="after")) == [
        ("text", "split", None),
        ("text", "told", True),
        ("split", "items", None),
        ("items", "len", None),
        ("len", "total", None),
        ("len", "told", True),
        ("total", "told", None),
    ]


def _rows(digraph):
    return [(name, data["kind"], data["stage"]) for name, data in digraph.nodes(data=True)]


def test_a_graph_of_nothing_is_a_digraph_of_nothing():
    assert len(Graph("empty").to_networkx()) == 0
    assert len(Graph.from_networkx(nx.DiGraph())) == 0


# From NetworkX


def test_values_arrive_in_the_order_in_which_edges_were_added(backend):
    digraphs = [difference(*edges) for edges in (("ac", "bc"), ("bc", "ac"))]
    graphs = [Graph.from_networkx(digraph, name="read") for digraph in digraphs]
    assert [backend.run(g).value for g in graphs] == [2, -2]
    again = difference("ac", "bc")
    again.remove_edge("a", "c")
    again.add_edge("a", "c")
    assert read(again, "c") == -2


def test_nodes_keep_their_places_as_far_as_their_needs_allow():
    digraph = difference("ac", "bc")
    assert list(Graph.from_networkx(digraph).nodes) == ["a", "b", "c"]


@pytest.mark.parametrize("times", [1, 2])
def test_a_round_trip_gives_the_same_graph(times):
    g = Graph("round")
    a, b = g.task(five, name="a"), g.task(three, name="b")
    there = g.task(subtract, a, b, name="there")
    back = g.task(stage(subtract, retry=3, name="minus"), b, a, name="back", after=there)
    g.task(add, back, name="end")
    again = g
    for _ in range(times):
        again = Graph.from_networkx(again.to_networkx(), name="round")
    first, second = g.to_networkx(), again.to_networkx()
    assert dict(second.nodes(data=True)) == dict(first.nodes(data=True))
    assert list(second.edges(data=True)) == list(first.edges(data=True))
    names = ("there", "back", "end")
    values = [each.run(*map(each.__getitem__, names)).value for each in (g, again)]
    assert values == [(2, -2, -2)] * 2


def test_an_edge_that_says_after_passes_no_value(tmp_path):
    log = tmp_path / "log"

    def note(text="end"):
        with open(log, "a") as file:
            file.write(f"{text} ")

    digraph = nx.DiGraph()
    digraph.add_node("end", stage=note)
    digraph.add_node("first", stage=lambda: note("first"))
    digraph.add_edge("first", "end", after=True)
    read(digraph, "end")
    assert log.read_text() == "first end "


def test_nodes_may_be_anything_hashable():
    digraph = nx.DiGraph()
    digraph.add_node(("a", 1), stage=five)
    digraph.add_node(2, stage=add)
    digraph.add_edge(("a", 1), 2)
    assert read(digraph, "2") == 5
    assert list(Graph.from_networkx(digraph).nodes) == ["('a', 1)", "2"]


# Wrong use


def cyclic():
    digraph = difference("ac", "bc")
    digraph.add_node("d", stage=add)
    digraph.add_edges_from(["cd", "db"])
    return digraph


def lonely():
    digraph = nx.DiGraph()
    digraph.add_node("a", stage=add)
    digraph.add_edge("a", "a")
    return digraph


def with_stage(**attributes):
    digraph = nx.DiGraph()
    digraph.add_node("a", **attributes)
    return digraph


def twins():
    digraph = nx.DiGraph()
    digraph.add_node(1, stage=five)
    digraph.add_node("1", stage=five)
    return digraph


@pytest.mark.parametrize(
    ("digraph", "message"),
    [
        (lonely, "graph 'read' has a cycle: a → a.\nTake one of its edges out."),
        (
            with_stage,
            "node 'a' has no attribute 'stage', which cannot be called.\n"
            "Give it a function: digraph.add_node('a', stage=function).",
        ),
        (
            lambda: with_stage(stage=3),
            "node 'a' has stage=3, which cannot be called.\n"
            "Give it a function: digraph.add_node('a', stage=function).",
        ),
        (
            lambda: with_stage(stage=subtract),
            "the arguments given to stage 'subtract' do not fit: "
            "missing a required argument: 'a'.\n"
            "Give it the arguments of its signature: subtract(a, b).",
        ),
        (twins, "graph 'read' already has a node '1': give this one another name."),
        (
            lambda: nx.Graph,
            "<class 'networkx.classes.graph.Graph'> is not a networkx.DiGraph: edges need a "
            "direction, and there is one at most from a node to another.",
        ),
        (
            nx.MultiDiGraph,
            "<networkx.classes.multidigraph.MultiDiGraph object at 0x…> is not a "
            "networkx.DiGraph: edges need a direction, "
            "and there is one at most from a node to another.",
        ),
    ],
    ids=["itself", "no stage", "no function", "misfit", "twins", "no graph", "several edges"],
)
def test_a_mistake_names_the_node(digraph, message):
    with pytest.raises(GraphError) as caught:
        Graph.from_networkx(digraph(), name="read")
    assert re.sub("0x[0-9a-f]+", "0x…", str(caught.value)) == message


def test_a_cycle_is_named_in_the_direction_of_its_edges():
    with pytest.raises(GraphError) as caught:
        Graph.from_networkx(cyclic(), name="read")
    first = str(caught.value).splitlines()[0]
    nodes = first.removeprefix("graph 'read' has a cycle: ").removesuffix(".").split(" → ")
    assert nodes[0] == nodes[-1]
    assert set(nodes) == set("bcd")
    assert all(edge in cyclic().edges for edge in zip(nodes, nodes[1:]))
