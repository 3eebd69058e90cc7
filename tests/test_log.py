"""Calls are kept as they were declared: names and steps come when somebody asks for them."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import time
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowgraph import Graph, GraphError, StageError, stage
from flowgraph.compiler.batches import Shape
from flowgraph.compiler.pipeline import compile_declared, compile_graph
from flowgraph.declare.names import Names
from flowgraph.declare.steps import Call
from flowgraph.runtime.region import Region

LOCAL = Shape(workers=2, hands_out=True, halts=True)
FAR = Shape(workers=2, hands_out=True, far=True)


def add(*values):
    return sum(values)


def up(x, by=1):
    return x + by


def unsettled(graph):
    return graph.log.settled == 0


def chain(count):
    g = Graph("chain")
    node = g.task(up, 0)
    for _ in range(count - 1):
        node = g.task(up, node)
    return g, node


# Names


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["f", "g", "f-2", "g-3"]),
            st.one_of(st.none(), st.sampled_from(["f", "f-2", "f-3", "mine", "g-10"])),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_names_are_the_same_whenever_somebody_asks(calls):
    def declared(ask):
        g, nodes, names = Graph("names"), [], []
        stages = {name: stage(add, name=name) for name, *_ in calls}
        for name, wish, now in calls:
            try:
                nodes.append(g.task(stages[name], len(nodes), name=wish))
            except GraphError:
                names.append("taken")
                continue
            if ask == "each" or (ask == "some" and now):
                assert nodes[-1].name
        return [node.name for node in nodes], names, list(g)

    assert declared("each") == declared("some") == declared("last")


def test_one_name_is_found_without_the_others():
    g, last = chain(1000)
    assert last.name == "up-1000"
    assert unsettled(g)
    g.task(abs, 3)
    assert [*g][-2:] == ["up-1000", "abs"]


def test_a_name_heeds_nodes_that_are_no_calls():
    g = Graph("mixed")
    g.items([1]).map(abs)
    assert [g.task(abs, 2).name, g.task(abs, 3).name] == ["abs-2", "abs-3"]
    g.items([1], name="sum")
    assert g.task(sum, [2]).name == "sum-2"


def test_one_name_among_many_stages_of_that_name_is_found_in_one_pass():
    g, node = Graph("lambdas"), None
    for k in range(20_000):
        node = g.task(lambda x, k=k: x + k, k)
    begun = time.monotonic()
    assert node.name == "<lambda>-20000"
    assert time.monotonic() - begun < 5


def test_waiting_for_nothing_is_as_not_waiting():
    g = Graph("after")
    g.task(up, 1, after=[])
    g.task(up, 2, after=())
    assert len(g.calls) == 2
    g.task(up, 3, after=g.calls[0])
    assert g.calls is None


def test_whoever_asks_for_many_names_gets_all_made():
    g, _ = chain(100)
    names = [node.name for node in g.log.calls]
    assert names == ["up", *(f"up-{k}" for k in range(2, 101))] == [*g]


def test_threads_that_ask_for_names_at_once_get_the_same():
    g, _ = chain(3000)
    nodes, found = [*g.log.calls], []
    ready = threading.Barrier(4)

    def ask(part):
        ready.wait(30)
        found.append([node.name for node in part])

    threads = [threading.Thread(target=ask, args=(nodes,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[*g]] * 4


def test_a_graph_says_what_was_declared_at_any_time():
    g = Graph("seen")
    a = g.task(up, 1)
    assert (len(g), a.name, "up" in g, g["up"] is a) == (1, "up", True, True)
    b = g.task(up, a, by=2)
    assert [*g.nodes] == ["up", "up-2"]
    step = b.step
    assert type(step) is Call
    assert (step.needs, dict(step.kwargs)) == (("up",), {"by": 2})
    assert repr(b) == "<Node 'up-2' of graph 'seen'>"
    with pytest.raises(TypeError, match="Node 'up' has no value before the graph runs"):
        bool(a)
    with pytest.raises(TypeError, match="'Node' and 'int'"):
        a + 1


# Copies


def test_a_long_chain_of_calls_can_be_pickled_and_copied_from_any_node():
    g, last = chain(5000)
    for other in (pickle.loads(pickle.dumps(last)), copy.deepcopy(last)):
        assert other.graph is not g
        assert len(other.graph) == 5000
        assert other.graph.run(other, scheduler="sync").value == 5000
    again = pickle.loads(pickle.dumps(g))
    more = again.task(up, again["up-5000"])
    assert again.run(more, scheduler="sync").value == 5001


# Plans


def shapes(plan):
    work = plan.jobs[0].work
    calls = [call._replace(args=tuple(call.args)) for call in work.calls.open()]
    return (
        [(job.key[0].removesuffix(plan.token), job.key[1], job.needs) for job in plan.jobs],
        (work.name, work.stage, work.node, work.seals, work.gives, work.givers, work.stages),
        calls,
        [(t.node, t.kind, t.place) for t in plan.targets],
        [*plan.nodes],
        [stage.name for stage in plan.code.stages()],
        plan.explain(),
    )


@st.composite
def graphs(draw):
    g, nodes = Graph("calls"), []
    other = stage(up, name="other")
    for _ in range(draw(st.integers(66, 90))):
        kind = draw(st.integers(0, 4))
        places = st.sets(st.integers(0, max(0, len(nodes) - 1)), max_size=3)
        some = [nodes[k] for k in draw(places)] if nodes else []
        if kind == 0 or not some:
            nodes.append(g.task(up, draw(st.integers(0, 9))))
        elif kind == 1:
            nodes.append(g.task(other, some[0], by=some[-1]))
        elif kind == 2:
            nodes.append(g.task(add, *some, *some, 7))
        elif kind == 3:
            nodes.append(g.task(sum, some))
        else:
            nodes.append(g.task(add, *some))
    wanted = draw(st.lists(st.integers(0, len(nodes) - 1), max_size=3))
    return g, [nodes[k] for k in wanted]


@given(graphs(), st.sampled_from([LOCAL, FAR]))
def test_the_plan_of_declared_calls_is_the_one_that_all_passes_make(drawn, shape):
    g, targets = drawn
    straight = compile_declared(g, targets, {}, shape)
    names = tuple(node.name for node in targets)
    passes = compile_graph(g.name, g.steps, names, {}, shape)
    if type(passes.jobs[0].work) is not Region:
        assert len(straight.jobs) == len(passes.jobs)
    else:
        assert shapes(straight) == shapes(passes)


def test_heavy_constants_far_away_are_weighed_as_ever():
    g = Graph("heavy")
    for k in range(100):
        g.task(up, k, by=k)
    far = compile_declared(g, (), {}, FAR)
    assert [type(job.work) for job in far.jobs] == [Region]
    h = Graph("heavier")
    for _ in range(100):
        h.task(up, 1, by="x" * 100_000)
    far = compile_declared(h, (), {}, FAR)
    assert Region not in [type(job.work) for job in far.jobs]


@given(graphs())
def test_declared_calls_give_what_their_steps_give(drawn):
    g, targets = drawn
    straight = g.run(*targets, scheduler="sync", workers=2).value
    g.add_node(Call(name="last", stage=g.stage_of(abs), args=(1,), kwargs=()))
    if targets:  # else there is one more
        assert g.calls is None
        assert g.run(*targets, scheduler="sync", workers=2).value == straight


def test_a_run_asks_for_no_names_and_no_steps():
    g = Graph("quick")
    total = g.task(sum, [g.task(up, k) for k in range(200)])
    run = g.run(total, scheduler="threads", workers=2)
    assert run.value == sum(range(1, 201))
    assert unsettled(g)
    assert run.stats.completed == 201
    assert run.targets == ("sum",)


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_a_call_that_fails_is_told_as_ever(scheduler):
    g = Graph("fails")
    nodes = [g.task(up, k) for k in range(100)]
    bad = g.task(up, "text")
    with pytest.raises(StageError) as caught:
        g.run(g.task(add, *nodes, bad, name="all"), scheduler=scheduler, workers=2)
    assert caught.value.stage == "up"
    run = g.run(bad, nodes[3], scheduler=scheduler, workers=2, on_error="collect")
    assert run[nodes[3]] == 4
    assert [error.stage for error in run.errors] == ["up"]
    with pytest.raises(StageError):
        run[bad]


def test_what_is_declared_after_a_run_or_a_plan_is_none_of_its_business():
    g, last = chain(100)
    plan = compile_declared(g, (last,), {}, LOCAL)
    assert g.run(last, scheduler="sync", workers=2).value == 100
    last = g.task(up, last)
    assert len(plan.nodes) == 100
    assert plan.nodes[-1].name == "up-100"
    assert g.run(last, scheduler="sync", workers=2).value == 101


def test_calls_that_nobody_wants_are_not_made():
    made = []
    g = Graph("some")
    nodes = [g.task(made.append, k) for k in range(200)]
    g.run(g.task(add, *[g.task(len, [node]) for node in nodes[:100]]), scheduler="sync", workers=2)
    assert sorted(made) == list(range(100))


def test_an_annotation_makes_calls_steps():
    g, last = chain(100)
    last.annotate(priority=3)
    assert g.calls is None
    assert g.run(last, scheduler="sync", workers=2).value == 100


def test_a_constant_that_is_not_plain_makes_its_call_a_step():
    """It must be tried whether it can travel; and a run does not keep it."""
    g = Graph("heavy")
    node = g.task(up, 1)
    assert g.calls == [node]
    g.task(len, {"a": [node]})
    assert g.calls is None
    h = Graph("object")
    h.task(up, 1.5j)
    assert len(h.calls) == 1
    h.task(len, object)
    assert h.calls is None


def test_a_run_keeps_its_graph_no_longer_than_until_its_table_is_made():
    g, last = chain(100)
    run, gone = g.run(last, scheduler="sync", workers=2), weakref.ref(g)
    assert run.stats.completed == 100
    assert len(run.attempts) == 100
    del g, last
    gc.collect()
    assert gone() is None


@given(
    st.sets(st.sampled_from(["a", "a-2", "a-3", "a-5", "b-2", "a-2-2"])),
    st.lists(st.tuples(st.sampled_from(["a", "b", "a-2"]), st.integers(1, 5)), max_size=6),
)
def test_names_made_at_once_are_those_made_one_by_one(taken, rows):
    at_once, one_by_one = set(taken), set(taken)
    these, those = Names(at_once), Names(one_by_one)
    for default, many in rows:
        names = these.alike(default, many)
        at_once.update(names)
        for name in names:
            assert name == those.unique(default)
            one_by_one.add(name)


def test_calls_are_entered_in_the_order_of_their_declaration():
    g = Graph("mixed")
    for _ in range(3):
        g.task(len, "a")
        g.task(abs, 1)
    g.task(len, "b", name="last")
    assert list(g.nodes) == ["len", "abs", "len-2", "abs-2", "len-3", "abs-3", "last"]
