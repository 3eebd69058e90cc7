"""The plan of one free call is the plan that all passes make."""

from __future__ import annotations

import gc
import time
from dataclasses import replace

import pytest

from flowgraph import Graph, Retry, stage
from flowgraph.compiler import pipeline
from flowgraph.compiler.batches import Shape
from flowgraph.compiler.drafts import new_token


@stage(retry=Retry(3), timeout=2.0)
def careful(x, *, y=0):
    return x + y


@stage
async def waits(x):
    return x


def plans(declare, monkeypatch):
    """The plan of a graph: of its node, of its step, and by all passes."""
    made = []
    for path in (None, "lone_node", "lone_call"):
        if path is not None:
            monkeypatch.setattr(pipeline, path, lambda *_: None)
        g = Graph("one")
        node = declare(g)
        made.append(g.compile(*([] if node is None else [node]), workers=2))
    return made


def untargeted(g):
    g.task(abs, -1)


LIGHT = [
    lambda g: g.task(abs, -1),
    lambda g: g.task(abs, -1, name="positive"),
    lambda g: g.task(careful, 1, y=2),
    lambda g: g.task(waits, 1),
    lambda g: g.task(lambda: 3),
    untargeted,
]
"""Calls that are kept as nodes."""
HEAVY = [
    lambda g: g.task(sum, [1, 2], name="total"),
    lambda g: g.task(careful, {"a": object}, y=2),
]
"""Calls that are steps at once."""


@pytest.mark.parametrize("declare", LIGHT)
def test_a_light_call_is_kept_as_a_node_that_is_enough_for_a_plan(declare):
    g = Graph("one")
    declare(g)
    call = pipeline.lone_node(g.calls[0], ())
    assert call == g.steps[call.name]
    nodes = pipeline.node_table(pipeline.freeze("one", g.steps, ()))
    assert [*pipeline.table_of(call)] == [*nodes]


@pytest.mark.parametrize("declare", HEAVY)
def test_a_heavy_call_is_a_step(declare):
    g = Graph("one")
    node = declare(g)
    assert not g.calls
    assert pipeline.lone_call(pipeline.freeze("one", g.steps, ())) is g.steps[node.name]


@pytest.mark.parametrize("declare", [*LIGHT, *HEAVY])
@pytest.mark.parametrize("path", [0, 1])
def test_it_is_the_same(declare, path, monkeypatch):
    made = plans(declare, monkeypatch)
    short, full = made[path], made[2]
    assert short.explain() == full.explain()
    assert list(short.nodes) == list(full.nodes)
    assert [t._replace(keys=()) for t in short.targets] == [
        t._replace(keys=()) for t in full.targets
    ]
    for one, other in zip(short.jobs, full.jobs, strict=True):
        assert one.key[0].removesuffix(short.token) == other.key[0].removesuffix(full.token)
        assert one.key[1] == other.key[1]
        assert (one.needs, one.annotations, one.held) == ((), {}, False)
        assert (other.needs, other.annotations, other.held) == ((), {}, False)
        assert replace(one.work, calls=None) == replace(other.work, calls=None)
        assert one.work.calls.open() == other.work.calls.open()
    for mine, its in zip(short.code.stages(), full.code.stages(), strict=True):
        assert (mine.name, mine.retry, mine.timeout) == (its.name, its.retry, its.timeout)
    assert len(short.cargo) == len(full.cargo) == 1


@pytest.mark.parametrize("options", [{"max_concurrency": 1}, {"resources": {"GPU": 1}}])
def test_a_call_of_a_bound_stage_goes_through_all_passes(options):
    g = Graph("bound")
    node = g.task(stage(**options)(abs), -1)
    assert pipeline.lone_node(g.calls[0], (node,)) is None
    assert pipeline.lone_call(pipeline.freeze(g.name, g.steps, (node.name,))) is None


@pytest.mark.parametrize(
    "declare",
    [
        lambda g: g.task(abs, -1).annotate(priority=1),
        lambda g: g.task(abs, g.task(abs, -1)),
        lambda g: g.when(g.param("yes", default=True), abs, -1),
        lambda g: g.param("x", default=1),
        lambda g: g.items([1]).map(abs),
    ],
)
def test_what_is_more_than_a_free_call_goes_through_all_passes(declare):
    g = Graph("more")
    node = declare(g)
    assert len(g.calls or ()) != 1
    assert pipeline.lone_call(pipeline.freeze(g.name, g.steps, (node.name,))) is None


def test_a_node_that_is_wanted_twice_is_given_twice(backends):
    g = Graph("twice")
    node = g.task(abs, -1)
    assert pipeline.lone_node(node, (node, node)) is None
    for backend in backends:
        assert backend.run(g, node, node).value == (1, 1)


@pytest.mark.parametrize("count", [1, 100])
def test_a_plan_tells_of_what_was_compiled(count):
    """Whatever is declared later."""
    g = Graph("grows")
    nodes = [g.task(abs, -k) for k in range(count)]
    shape = Shape(2, hands_out=True)
    plans = [pipeline.compile_declared(g, (), {}, shape) for _ in range(2)]
    told = plans[0].explain()
    g.task(max, *nodes, g.param("least"))
    assert plans[1].explain() == told


def test_tokens_differ_and_are_no_words_to_dask():
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(token[0].isdigit() and len(token) == 9 for token in tokens)


def test_very_many_small_runs_let_the_collector_look():
    """What it has counted is lost when it is held: it would never come to its limit."""

    def run(k):
        g = Graph("small")
        return g.run(g.task(abs, -k), scheduler="sync").value

    before = gc.get_stats()[0]["collections"]
    until = time.monotonic() + 30
    k = 0
    while gc.get_stats()[0]["collections"] == before and time.monotonic() < until:
        assert run(k) == k
        k += 1
    assert gc.get_stats()[0]["collections"] > before
