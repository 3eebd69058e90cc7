"""One small graph for each operation of the language: what it must give, anywhere."""

from __future__ import annotations

import asyncio
import operator
from typing import TYPE_CHECKING, Any

import networkx as nx

from flowgraph import Graph, stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flowgraph.declare.node import Handle

OPERATIONS: dict[str, Callable[[Graph], Handle]] = {}
"""For each operation what declares its graph; what it returns is the target."""


def operation(name: str) -> Callable[[Callable[[Graph], Handle]], Callable[[Graph], Handle]]:
    def add(make: Callable[[Graph], Handle]) -> Callable[[Graph], Handle]:
        OPERATIONS[name] = make
        return make

    return add


def double(x: int) -> int:
    return 2 * x


async def double_later(x: int) -> int:
    await asyncio.sleep(0)
    return 2 * x


async def add_later(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


def is_odd(x: int) -> bool:
    return x % 2 == 1


def counted(n: int) -> Iterator[int]:
    yield from range(n)


def known(g: Graph) -> Any:
    return g.items(range(50))


def unknown(g: Graph) -> Any:
    return g.items(g.task(list, range(50))).filter(is_odd)


# Single values

operation("param")(lambda g: g.task(double, g.param("x", default=4)))
operation("task")(lambda g: g.task(divmod, g.task(double, 8), 5))
operation("task after=")(lambda g: g.task(double, 3, after=g.task(double, 1)))
operation("when")(lambda g: g.when(g.task(bool, 1), double, 5, otherwise=abs))
operation("when, false")(lambda g: g.when(g.task(bool, 0), double, -5, otherwise=abs))
operation("fork_join")(lambda g: g.fork_join({"a": (double, 1), "b": 5}))
operation("fork_join, join")(lambda g: g.fork_join([(double, 1), (double, 2)], divmod))


@operation("include")
def _(g: Graph) -> Handle:
    inner = Graph("inner")
    inner.output(inner.items(inner.param("n")).map(double))
    return g.task(sum, g.include(inner, n=g.task(range, 5)))


@operation("from_networkx")
def _(g: Graph) -> Handle:
    digraph = nx.DiGraph([("a", "b")])
    digraph.nodes["a"]["stage"], digraph.nodes["b"]["stage"] = int, str
    return g.include(Graph.from_networkx(digraph, name="digraph"))


# Items

operation("items of an iterable")(known)
operation("items of a node")(unknown)
operation("map")(lambda g: known(g).map(pow, 2))
operation("starmap")(lambda g: known(g).enumerate().starmap(operator.add))
operation("filter")(lambda g: known(g).filter(is_odd))
operation("flat_map")(lambda g: known(g).flat_map(counted))
operation("pipeline")(lambda g: known(g).pipeline(double, str, len))
operation("enumerate")(lambda g: known(g).enumerate())
operation("enumerate, length unknown")(lambda g: unknown(g).enumerate())
operation("zip")(lambda g: known(g).zip(known(g).map(double)))
operation("zip, length unknown")(lambda g: unknown(g).zip(unknown(g).map(double)))
operation("concat")(lambda g: known(g).concat(unknown(g), [1, 2]))
operation("product")(lambda g: known(g).product("ab"))
operation("batch")(lambda g: known(g).batch(7))
operation("batch, length unknown")(lambda g: unknown(g).batch(7))
operation("take")(lambda g: known(g).take(9))
operation("take, length unknown")(lambda g: unknown(g).take(9))
operation("Items as an argument")(lambda g: known(g).map(divmod_by_sum, known(g)))


def divmod_by_sum(x: int, others: list[int]) -> tuple[int, int]:
    return divmod(1000 * x, sum(others))


# From items to values

operation("collect")(lambda g: g.task(len, known(g).collect()))
operation("count")(lambda g: unknown(g).count())
operation("reduce")(lambda g: known(g).map(str).reduce(operator.add))
operation("reduce, initial")(lambda g: unknown(g).reduce(operator.add, g.task(int, 7)))
operation("group_by")(lambda g: unknown(g).group_by(lambda x: x % 3))
operation("reduce_by")(lambda g: known(g).reduce_by(lambda x: x % 3, operator.add, str))
operation("map_reduce")(lambda g: known(g).map_reduce(double, sum))
operation("map_reduce, key")(lambda g: known(g).map_reduce(double, sum, key=lambda x: x % 3))

# Coroutine functions

operation("coroutine task")(lambda g: g.task(double_later, 4))
operation("coroutine map")(lambda g: known(g).map(double_later).map(double_later))
operation("coroutine reduce")(lambda g: known(g).reduce(add_later))
operation("coroutine reduce_by")(lambda g: known(g).reduce_by(is_odd, add_later))
operation("coroutine join")(lambda g: g.fork_join([1, (double, 2)], add_later))

# Options of stages


def map_with(**options: Any) -> Callable[[Graph], Handle]:
    return lambda g: known(g).map(stage(double, **options))


operation("option retry")(map_with(retry=2))
operation("option timeout")(map_with(timeout=60))
operation("option deadline")(map_with(retry=2, deadline=60))
operation("option sequential")(map_with(sequential=True))
operation("option max_concurrency")(map_with(max_concurrency=2))
operation("option rate")(map_with(rate=5000))
operation("option batch_size")(map_with(batch_size=8))
operation("option pause")(map_with(batch_size=25, pause=0.01))
operation("option priority")(map_with(priority=3))
operation("annotate")(lambda g: known(g).map(double).annotate(priority=3, mine="yes"))
