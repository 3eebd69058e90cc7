"""What a stage does to a list or dict that it was given stays in its run."""

from __future__ import annotations

import operator
from collections import namedtuple

from flowgraph import Graph, stage
from flowgraph.compiler.constants import own, own_call
from flowgraph.declare.steps import plain_call
from flowgraph.runtime.call import Nest, Slot

Pair = namedtuple("Pair", "one other")


def test_plain_templates_are_themselves():
    for templates in ((), (1, "a", None, Slot(0)), ((1, 2), "a"), (object(), len)):
        assert all(map(operator.is_, own(*templates), templates))


def test_lists_and_dicts_are_copied_however_deep():
    inner = [1]
    given = (inner, {"a": inner, "b": ({"c": inner},)}, Pair(1, inner), (2, (3,)))
    made = own(*given)
    assert made == given
    copies = [made[0], made[1]["a"], made[1]["b"][0]["c"], made[2].other]
    assert {id(copy) for copy in copies} == {id(made[0])} != {id(inner)}
    assert made[1] is not given[1]
    assert made[1]["b"][0] is not given[1]["b"][0]
    assert type(made[2]) is Pair
    assert made[3] is given[3]


def test_what_stands_beside_a_node_is_copied():
    inner = [1]
    (made,) = own(Nest(list, (Slot(0), inner)))
    assert made == Nest(list, (Slot(0), inner))
    assert made.items[1] is not inner


def test_pairs_are_copied_if_they_hold_lists():
    pairs = [(1, "a"), (2, [3])]
    (made,) = own(pairs)
    assert made == pairs
    assert made[0] is pairs[0]
    assert made[1][1] is not pairs[1][1]


def test_objects_are_shared():
    thing = {1}
    assert own([thing])[0][0] is thing


def test_what_is_the_same_twice_in_a_call_stays_so():
    inner = [1]
    nests = (Nest(list, (Slot(0), inner)), Nest(tuple, (Slot(0), inner)))
    call = plain_call("f", ("x",), stage(grown), (inner, *nests), (("a", [inner]), ("b", 5)))
    (alone, first, second), ((_, named), five) = own_call(call)
    copies = [alone, first.items[1], second.items[1], named[0]]
    assert {id(copy) for copy in copies} == {id(alone)} != {id(inner)}
    assert (alone, five) == ([1], ("b", 5))
    plain = plain_call("f", ("x",), stage(grown), (Slot(0), 1))
    assert own_call(plain) == (plain.args, ())


def grown(values, *_):
    values.append(len(values))
    return list(values)


def test_a_graph_that_is_run_again_begins_anew(backend):
    g = Graph("lists")
    first = g.task(grown, [])
    nested = g.task(lambda held, k: grown(held["a"][k]), {"a": ([5], first)}, k=0, name="nested")
    many = [g.task(grown, [7]) for _ in range(150)]
    each = g.items([0]).map(lambda item, values: grown(values), values=[3])
    total = g.items([[1], [2]]).reduce(lambda a, b: (a.extend(b), a)[1], initial=[0])
    joined = g.task(lambda values: grown(values["x"]), g.fork_join({"x": [2], "y": first}))
    wanted = (first, nested, many[-1], each, total, joined)
    expected = ([0], [5, 1], [7, 1], [[3, 1]], [0, 1, 2], [2, 1])
    for _ in range(2):
        assert backend.run(g, *wanted).value == expected


def test_a_graph_of_one_call_begins_anew(backend):
    g = Graph("lone")
    node = g.task(grown, [1])
    assert [backend.run(g, node).value for _ in range(2)] == [[1, 1]] * 2
