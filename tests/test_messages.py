"""Whole messages for wrong use: the fact with the user's own names, the place, the mend."""

from __future__ import annotations

import gc
import operator
import re
import socket
import threading
import time
from functools import partial

import pytest

from flowgraph import (
    CompileError,
    Graph,
    GraphError,
    Retry,
    SchedulerError,
    StageError,
    fork_join,
    pipeline,
    stage,
)


def double(x):
    return 2 * x


def scale(x, factor):
    return x * factor


class Says:
    """Runs a block that must raise one error with exactly this message."""

    def __init__(self, kind, *lines):
        self.kind, self.message = kind, "\n".join(lines)

    def __enter__(self):
        self.raises = pytest.raises(self.kind)
        self.info = self.raises.__enter__()
        return self.info

    def __exit__(self, *exc_info):
        caught = self.raises.__exit__(*exc_info)
        assert str(self.info.value) == self.message
        assert type(self.info.value) is self.kind
        return caught


@pytest.fixture
def g():
    return Graph("photos")


# Declaring


def test_what_is_not_a_function(g):
    with Says(GraphError, "5 is not a function, so it cannot be a stage."):
        g.task(5)
    with Says(GraphError, "None is not a function, so it cannot be a stage."):
        stage(retry=2)(None)


@pytest.mark.parametrize("wrap", [lambda f: f, partial], ids=["plain", "partial"])
def test_a_coroutine_function_as_a_key(g, wrap):
    async def fetch(item):
        pass

    with Says(
        GraphError,
        "'fetch' is a coroutine function, which cannot be a key.",
        "Await it in a stage before: items.map(…).",
    ):
        g.items([1]).group_by(wrap(fetch))


def test_an_asynchronous_generator_function():
    async def lines():
        yield

    with Says(
        GraphError,
        "'lines' is an asynchronous generator, which cannot be a stage.",
        "Return a list from a coroutine function.",
    ):
        stage(lines)


def test_arguments_that_do_not_fit(g):
    with Says(
        GraphError,
        "the arguments given to stage 'scale' do not fit: missing a required argument: 'factor'.",
        "Give it the arguments of its signature: scale(x, factor).",
    ):
        g.task(scale, 1)
    with Says(
        GraphError,
        "the arguments given to stage 'scale' do not fit: "
        "got an unexpected keyword argument 'width'.",
        "It gets the item, then what you give: make that fit its signature, scale(x, factor).",
    ):
        g.items([1]).map(scale, 2, width=3)
    with Says(
        GraphError,
        "the arguments given to stage 'double' do not fit: too many positional arguments.",
        "It gets two values: make that fit its signature, double(x).",
    ):
        g.items([1]).reduce(double)


def test_a_node_of_another_graph(g):
    other = Graph("other")
    lines = (
        "node 'double' belongs to graph 'other', not to graph 'photos'.",
        "Declare it on the graph that uses it.",
    )
    node = other.task(double, 1)
    with Says(GraphError, *lines):
        g.task(double, node)
    with Says(GraphError, *lines):
        g.task(double, 1, after=node)
    with Says(GraphError, *lines):
        g.items(node)
    with Says(GraphError, *lines):
        g.output(node)
    with Says(GraphError, *lines):
        g.run(node)
    assert len(g) == 0


def test_something_else_than_a_node(g):
    with Says(GraphError, "5 is not a node: use what g.task, g.items or g.param gave."):
        g.run(5)
    told = "is not a node: use what g.task, g.items or g.param gave, or g[name]."
    with Says(GraphError, f"'double' {told}"):
        g.task(double, 1, after=["double"])


def test_a_node_where_it_would_not_be_found(g):
    node = g.task(double, 1)
    mend = "Put it into a plain list, tuple or dict (as a value), or pass it as an argument."
    with Says(GraphError, "a node inside a set cannot be replaced by its value.", mend):
        g.task(double, {node})
    with Says(GraphError, "a node inside a dict's keys cannot be replaced by its value.", mend):
        g.task(double, {node: 1})


def test_a_name_that_is_taken(g):
    g.task(double, 1, name="twice")
    message = "graph 'photos' already has a node 'twice': give this one another name."
    with Says(GraphError, message):
        g.task(double, 1, name="twice")
    with Says(GraphError, message):
        g.items([1], name="twice")
    with Says(GraphError, message):
        g.items([1]).map(double, name="twice")
    with Says(GraphError, message):
        g.param("twice")


@pytest.mark.parametrize("name", ["", 5])
def test_a_name_that_is_none(g, name):
    with Says(
        GraphError, f"Graph name={name!r} is not possible: it takes a text that is not empty."
    ):
        Graph(name)
    message = f"name={name!r} is not possible: it takes a text that is not empty."
    with Says(GraphError, message):
        g.task(double, 1, name=name)
    with Says(GraphError, message):
        stage(double, name=name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retry": -1}, "retry=-1 is not possible: it takes an int of at least 0 or a Retry."),
        ({"retry": True}, "retry=True is not possible: it takes an int of at least 0 or a Retry."),
        ({"retry": "3"}, "retry='3' is not possible: it takes an int of at least 0 or a Retry."),
        ({"timeout": 0}, "timeout=0 is not possible: it takes a number of seconds above 0."),
        ({"timeout": -1}, "timeout=-1 is not possible: it takes a number of seconds above 0."),
        ({"timeout": "5"}, "timeout='5' is not possible: it takes a number of seconds above 0."),
        (
            {"timeout": float("nan")},
            "timeout=nan is not possible: it takes a number of seconds above 0.",
        ),
        (
            {"retries": 3, "colour": 1},
            (
                "a stage has no options 'colour', 'retries'; "
                "its options are 'batch_size', 'deadline', 'max_concurrency', "
                "'name', 'pause', 'priority', 'rate', 'resources', 'retry', 'sequential', "
                "'timeout', "
                "'workers'."
            ),
        ),
    ],
)
def test_stage_options(options, message):
    with Says(GraphError, message):
        stage(**options)(double)
    with Says(GraphError, message):
        stage(double).options(**options)


def test_retry_options():
    with Says(GraphError, "Retry wait=-1 is not possible: it takes a number of at least 0."):
        Retry(3, wait=-1)
    with Says(
        GraphError, "Retry delays=[] is not possible: it takes a list of seconds, each at least 0."
    ):
        Retry(3, delays=[])


def test_items_of_what_has_none(g):
    with Says(
        GraphError,
        "g.items(5): an object of type int cannot be iterated.",
        "Give it an iterable, or a node whose value is one.",
    ):
        g.items(5)


def test_patterns_of_nothing(g):
    with Says(GraphError, "fork_join needs at least one branch."):
        fork_join([])
    with Says(GraphError, "fork_join needs at least one branch."):
        g.fork_join({})
    message = "a pipeline needs at least one stage: items.pipeline(first, second, …)."
    with Says(GraphError, message):
        pipeline([1], [])
    with Says(GraphError, message):
        g.items([1]).pipeline()
    with Says(GraphError, "g.output() needs at least one node."):
        g.output()


def test_branch_names_that_cannot_be_keywords(g):
    with Says(
        GraphError,
        "join(**results) needs branch names that are text; these are [1].",
        "Rename the branches, or leave join out and take the dict.",
    ):
        g.fork_join({1: list}, join=dict)


def test_a_node_is_no_value_yet(g):
    node = g.task(double, 1)
    items = g.items([1])
    no = "has no value before the graph runs, so it cannot"
    with Says(
        TypeError,
        f"Node 'double' {no} be iterated; g.items(node) makes a collection of what it gives.",
    ):
        iter(node)
    with Says(
        TypeError,
        f"Items 'items' {no} be iterated; "
        "use .collect() for a list, .map(fn) to work on each item.",
    ):
        iter(items)
    for handle, name in ((node, "Node 'double'"), (items, "Items 'items'")):
        with Says(
            TypeError,
            f"{name} {no} be asked whether it is true; run the graph and look at run.value.",
        ):
            bool(handle)
        with Says(
            TypeError,
            f"{name} {no} be searched; search in a stage: g.task(operator.contains, node, item).",
        ):
            1 in handle  # noqa: B015
        with Says(
            TypeError,
            f"{name} {no} be indexed; index in a stage: g.task(operator.getitem, node, key).",
        ):
            handle[0]
    with Says(TypeError, f"Node 'double' {no} have a length; use g.task(len, node)."):
        len(node)
    with Says(TypeError, f"Items 'items' {no} have a length; use .count()."):
        len(items)


# Running


def test_an_empty_graph(g):
    with Says(GraphError, "graph 'photos' has no node to run: declare one with g.task or g.items."):
        g.run()


def test_parameters(g):
    g.task(scale, g.param("x"), g.param("factor"))
    with Says(
        GraphError,
        "graph 'photos' needs values for the parameters 'x', 'factor'.",
        "Give them: g.run(params={'x': …, 'factor': …}), "
        "or --param x=… --param factor=… on the command line.",
    ):
        g.run()
    with Says(
        GraphError,
        "graph 'photos' needs a value for parameter 'factor'.",
        "Give it: g.run(params={'factor': …}), or --param factor=… on the command line.",
    ):
        g.run(params={"x": 1})
    with Says(
        GraphError, "graph 'photos' has no parameter 'fcator'; it has parameters 'x', 'factor'."
    ):
        g.run(params={"x": 1, "fcator": 2})
    with Says(
        GraphError, "graph 'photos' has no parameters 'a', 'b'; it has parameters 'x', 'factor'."
    ):
        g.run(params={"a": 1, "b": 2})
    bare = Graph("bare")
    bare.task(double, 1)
    with Says(GraphError, "graph 'bare' has no parameter 'x'; it has none."):
        bare.run(params={"x": 1})
    with Says(GraphError, "type of parameter 'y'=5 is not possible: it takes a callable."):
        g.param("y", type=5)


@pytest.mark.parametrize("workers", [0, -1, True, 2.0, "2"])
def test_a_number_of_workers_that_is_none(g, workers):
    g.task(double, 1)
    message = f"workers={workers!r} is not possible: it takes an int of at least 1."
    with Says(GraphError, message):
        g.run(workers=workers)
    with Says(GraphError, message):
        g.compile(workers=workers)


def test_options_of_a_run(g):
    g.task(double, 1)
    with Says(GraphError, "on_error='ignore' is not possible: it takes 'raise' or 'collect'."):
        g.run(on_error="ignore")
    with Says(GraphError, "progress='yes' is not possible: it takes True, None or a callable."):
        g.run(progress="yes")
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'sheduler'"):
        g.run(sheduler="sync")


@pytest.mark.parametrize("scheduler", ["thread", "", 5])
def test_a_scheduler_that_does_not_exist(g, scheduler):
    g.task(double, 1)
    with Says(
        GraphError,
        f"there is no scheduler {scheduler!r}: "
        "take 'sync', 'threads', 'processes', 'distributed', "
        "a distributed.Client, or an address such as 'tcp://127.0.0.1:8786'.",
    ):
        g.run(scheduler=scheduler)


def test_a_scheduler_that_does_not_answer(g, monkeypatch):
    monkeypatch.setattr("flowgraph.backends.connect._PATIENCE", 0.5)
    g.task(double, 1)
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        begun = time.monotonic()
        with Says(
            SchedulerError,
            f"no Dask scheduler answers at {address} (OSError).",
            "Start one with 'dask scheduler', or check the address.",
        ):
            g.run(scheduler=address)
        assert time.monotonic() - begun < 10


def test_a_lambda_with_a_lock_cannot_travel(g):
    lock = threading.Lock()
    g.items([1]).map(stage(lambda x: (lock, x), name="guarded"))
    with pytest.raises(CompileError) as caught:
        g.run(scheduler="processes", workers=1)
    assert re.fullmatch(
        r"stage 'guarded' cannot travel to another process: "
        r"'lock' = <unlocked _thread\.lock object at 0x[0-9a-f]+>, which it uses, "
        r"cannot be pickled \(TypeError: cannot pickle '_thread\.lock' object\)\.\n"
        r'Make it inside the stage, or use scheduler="threads"\.',
        str(caught.value),
    )


def test_a_lock_as_an_argument_cannot_travel(g):
    g.task(scale, 1, {"locks": [threading.Lock()]})
    with pytest.raises(CompileError) as caught:
        g.run(scheduler="processes", workers=1)
    assert re.fullmatch(
        r"stage 'scale' cannot travel to another process: "
        r"<unlocked _thread\.lock object at 0x[0-9a-f]+> "
        r"cannot be pickled \(TypeError: cannot pickle '_thread\.lock' object\)\.\n"
        r'Make it inside the stage, or use scheduler="threads"\.',
        str(caught.value),
    )


def test_what_cannot_travel_is_named_with_its_own_stage(g):
    items = g.items([1]).map(double).map(scale, threading.Lock())
    with pytest.raises(CompileError, match="^stage 'scale' cannot travel"):
        g.run(items, scheduler="processes", workers=1)
    task = g.task(scale, g.task(abs, threading.Lock()), 1)
    with pytest.raises(CompileError, match="^stage 'abs' cannot travel"):
        g.run(task, scheduler="processes", workers=1)
    total = g.items([1]).map(double).reduce(max, initial=threading.Lock())
    with pytest.raises(CompileError, match="^initial value of 'max' cannot travel"):
        g.run(total, scheduler="processes", workers=1)


def test_looking_for_what_cannot_travel_meets_no_trap(g):
    lock = threading.Lock()

    def of_empty_cell(x):
        return lock if x else empty

    if False:
        empty = 1
    with pytest.raises(CompileError, match="^stage 'of_empty_cell' .*: 'lock' = <unlocked"):
        g.run(g.task(of_empty_cell, 1), scheduler="processes", workers=1)

    endless = [0]
    endless += [endless, [endless], lock]
    node = g.task(double, g.param("p"))
    with pytest.raises(CompileError, match="^parameter 'p' cannot travel .*: <unlocked"):
        g.run(node, scheduler="processes", workers=1, params={"p": endless})

    class Mute:
        def __init__(self):
            self.lock = lock

        def __repr__(self):
            raise ValueError

    with pytest.raises(CompileError, match="^parameter 'p' .*: an object of type Mute cannot"):
        g.run(node, scheduler="processes", workers=1, params={"p": [Mute()]})


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_a_reduction_of_nothing(g, scheduler):
    g.items([]).reduce(operator.add, name="total")
    with pytest.raises(StageError) as caught:
        g.run(scheduler=scheduler, workers=1)
    assert str(caught.value) == (
        "stage 'add' failed after 1 attempt (node 'total'): " + repr(caught.value.__cause__)
    )
    assert str(caught.value.__cause__) == (
        "node 'total' has nothing to reduce, and no initial value: "
        "give it one, as in reduce(op, initial=…)"
    )


def test_a_value_that_was_no_target(g):
    doubled = g.task(double, 1)
    run = g.run(g.task(double, doubled, name="again"), scheduler="sync")
    with pytest.raises(KeyError) as caught:
        run[doubled]
    assert caught.value.args == (
        (
            "'double' was no target of this run, so its value was not kept; "
            "its targets were 'again'. Name it in g.run(…)."
        ),
    )


def test_a_node_of_another_graph_than_the_one_that_ran(g):
    other = Graph("films")
    foreign = other.task(double, -99)
    node = g.task(double, 1)
    run = g.run(node, scheduler="sync")
    with pytest.raises(KeyError) as caught:
        run[foreign]
    assert caught.value.args == (
        (
            "<Node 'double' of graph 'films'> was no target of this run, which is of another "
            "graph, 'photos'. Run its own graph, or ask for run['double']."
        ),
    )
    assert run[node] == run["double"] == 2


def test_a_run_outlives_its_graph():
    def made():
        graph = Graph("photos")
        return graph.run(graph.task(double, 1), scheduler="sync")

    run = made()
    gc.collect()
    assert (run.value, run["double"], run.stages[0].completed) == (2, 2, 1)
    with pytest.raises(KeyError, match="another graph"):
        run[Graph("photos").task(double, 1)]
