"""Random graphs of pure functions on words, which are tuples of ints."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from flowgraph import Graph, Retry, stage
from flowgraph.compiler.freeze import freeze
from flowgraph.runtime.bind import DRAWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flowgraph.compiler.dag import Dag
    from flowgraph.declare.node import Handle

Word = tuple[int, ...]


def digest(value: Any) -> int:
    """A number that tells values apart, their order too, and is the same in every process."""
    if isinstance(value, dict):
        value = [3, *value.items()]
    if isinstance(value, (list, tuple)):
        number = 1 + isinstance(value, list)
        for part in value:
            number = (number * 31 + digest(part)) % 100_003
        return number
    if isinstance(value, str):
        return sum(map(ord, value))
    return 7 if value is None else int(value)


def note(*args: Any, **named: Any) -> Word:
    """A task: one word for all that it is given."""
    return (digest([args, named]) % 997,)


def many(*args: Any) -> list[Word]:
    """A task: so many words that nobody knows before."""
    number = digest(args)
    return [(number % 89 + k, k) for k in range(number % 7)]


def draws(*args: Any) -> Iterator[Word]:
    yield from many(*args)


def mark(item: Any, *others: Any, **named: Any) -> Word:
    return (digest([item, others, named]) % 997, digest(item) % 13)


def spread(*parts: Any, **named: Any) -> Word:
    return (len(parts), digest([parts, named]) % 997)


def keeps(item: Any, *others: Any) -> int:
    return digest([item, others]) % 3


def split(item: Any, *others: Any) -> list[Word]:
    return many(item, others)[:4]


def stream(item: Any, *others: Any) -> Iterator[Word]:
    yield from split(item, *others)


def join(left: Any, right: Any) -> Word:
    """Associative, but it does not commute."""
    return _word(left) + _word(right)


def long_stream(item: Any, *others: Any) -> Iterator[Word]:
    """Now and then more than is drawn at a time; of a range, for item 5."""
    yield from split(item, *others)
    if digest(item) % 997 == 5:
        yield from ((k % 89, k % 7) for k in range(2 * DRAWN + 3))


# Coroutines: they give up the loop, so that others come between.


async def mark_async(item: Any, *others: Any, **named: Any) -> Word:
    await asyncio.sleep(0)
    return mark(item, *others, **named)


async def keeps_async(item: Any, *others: Any) -> int:
    await asyncio.sleep(0)
    return keeps(item, *others)


async def split_async(item: Any, *others: Any) -> list[Word]:
    await asyncio.sleep(0)
    return split(item, *others)


async def note_async(*args: Any, **named: Any) -> Word:
    await asyncio.sleep(0)
    return note(*args, **named)


async def join_async(left: Any, right: Any) -> Word:
    await asyncio.sleep(0)
    return join(left, right)


# Keys, equal as in a dict whatever their types.


def key(item: Any) -> Any:
    return [None, 1, True, 1.0, "one", (2, "b")][digest(item) % 6]


def key_or_fail(item: Any) -> Any:
    if digest([item, 3]) % 9 == 0:  # always the same error: which one comes first is not laid down
        raise ValueError("no key")
    return key(item)


def _word(value: Any) -> Word:
    return value if isinstance(value, tuple) else (value,)


# These fail for about every fourth argument, always the same ones.


def _check(*args: Any) -> None:
    number = digest(args)
    if number % 4 == 0:
        raise KeyError(number)
    if number % 9 == 0:
        raise ValueError("nine")


def note_or_fail(*args: Any, **named: Any) -> Word:
    _check(args)
    return note(*args, **named)


def mark_or_fail(item: Any, *others: Any, **named: Any) -> Word:
    _check(item)
    return mark(item, *others, **named)


def spread_or_fail(*parts: Any, **named: Any) -> Word:
    _check(parts)
    return spread(*parts, **named)


def keeps_or_fail(item: Any, *others: Any) -> int:
    _check(item, 1)
    return keeps(item, *others)


def stream_or_fail(item: Any, *others: Any) -> Iterator[Word]:
    words = split(item, *others)
    yield from words[:2]
    _check(item, 2)
    yield from words[2:]


def long_stream_or_fail(item: Any, *others: Any) -> Iterator[Word]:
    yield from long_stream(item, *others)
    _check(item, others)


def join_or_fail(left: Any, right: Any) -> Word:
    """Fails whatever the order in which it is called, if there is a bad word at all."""
    joined = join(left, right)
    if 5 in joined:
        raise ValueError("five")
    return joined


async def mark_async_or_fail(item: Any, *others: Any, **named: Any) -> Word:
    await asyncio.sleep(0)
    return mark_or_fail(item, *others, **named)


FUNCTIONS: dict[str, tuple[Callable[..., Any], ...]] = {
    "task": (
        note,
        note_async,
        stage(note, sequential=True, name="note_alone"),
        stage(note, max_concurrency=2, name="note_in_lanes"),
    ),
    "map": (
        mark,
        mark_async,
        stage(mark, sequential=True, name="mark_alone"),
        stage(mark, max_concurrency=2, name="mark_in_lanes"),
        stage(mark, batch_size=3, name="mark_in_threes"),
        stage(mark, batch_size=4, pause=0, name="mark_in_turns"),
        stage(mark_async, max_concurrency=3, rate=1e6, name="mark_by_threes"),
    ),
    "starmap": (spread,),
    "filter": (keeps, keeps_async),
    "flat_map": (split, split_async, stream, long_stream),
    "reduce": (join, join_async),
    "key": (key,),
}
_AGAIN = Retry(2, delays=[0])
FAILING: dict[str, tuple[Callable[..., Any], ...]] = {
    "task": (
        *FUNCTIONS["task"],
        note_or_fail,
        stage(note_or_fail, retry=_AGAIN),
        stage(note_or_fail, sequential=True, name="note_alone_or_fail"),
    ),
    "map": (
        *FUNCTIONS["map"],
        mark_or_fail,
        stage(mark_or_fail, retry=_AGAIN, name="mark_again"),
        stage(mark_or_fail, sequential=True, retry=_AGAIN, name="mark_alone_or_fail"),
        stage(mark_or_fail, timeout=60, name="mark_watched"),
        mark_async_or_fail,
        stage(mark_async_or_fail, retry=_AGAIN, timeout=60, name="mark_async_again"),
    ),
    "starmap": (spread, spread_or_fail),
    "filter": (keeps, keeps_or_fail, stage(keeps_or_fail, retry=Retry(1, delays=[0], on=KeyError))),
    "flat_map": (
        split,
        stream,
        stream_or_fail,
        stage(stream_or_fail, retry=_AGAIN),
        stage(long_stream_or_fail, retry=_AGAIN),
        stage(long_stream_or_fail, timeout=60, name="stream_watched"),
    ),
    "reduce": (join, join_async, join_or_fail),
    "key": (key, key_or_fail),
}


@dataclass
class Case:
    """A graph, what is wanted of it, and values of its parameters."""

    graph: Graph
    targets: tuple[Handle, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)

    def dag(self) -> Dag:
        names = tuple(target.name for target in self.targets)
        return freeze(self.graph.name, self.graph.steps, names)

    def __repr__(self) -> str:
        return f"{self.dag()}\nparams {self.params}"


class _Builder:
    """Grows a graph node by node."""

    def __init__(
        self, draw: st.DrawFn, functions: dict[str, tuple[Callable[..., Any], ...]]
    ) -> None:
        self.draw = draw
        self.functions = functions
        self.case = Case(Graph("random"))
        self.nodes: list[Any] = []
        self.words: list[Any] = []
        """Nodes whose value is a word."""
        self.lists: list[Any] = []
        """Nodes whose value is a list of words."""
        self.collections: list[tuple[Any, bool]] = []
        """With True if every item is a word."""

    def pick(self, choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def chance(self, one_in: int) -> bool:
        return self.draw(st.integers(1, one_in)) == 1

    def argument(self, depth: int = 2) -> Any:
        """A constant, a node, a collection, or a container of these."""
        handles = [*self.nodes, *(items for items, _ in self.collections)]
        kinds = ["constant", *(["handle"] * 4 if handles else [])]
        if depth:
            kinds += ["list", "tuple", "dict"]
        match self.pick(kinds):
            case "constant":
                return self.draw(
                    st.none() | st.integers(-9, 99) | st.sampled_from(["a", "note", ""])
                )
            case "handle":
                return self.pick(handles)
            case "dict":
                keys = self.draw(st.lists(st.sampled_from("xyz"), unique=True, max_size=2))
                return {key: self.argument(depth - 1) for key in keys}
            case kind:
                inside = [self.argument(depth - 1) for _ in range(self.draw(st.integers(0, 2)))]
                return inside if kind == "list" else tuple(inside)

    def arguments(self, most: int) -> list[Any]:
        return [self.argument() for _ in range(self.draw(st.integers(0, most)))]

    def after(self) -> list[Any]:
        handles = [*self.nodes, *(items for items, _ in self.collections)]
        return [self.pick(handles)] if handles and self.chance(6) else []

    # One method for each way to go on

    def param(self) -> None:
        name = f"p{len(self.nodes)}"
        value = self.draw(st.integers(0, 99))
        if self.chance(2):
            self.nodes.append(self.case.graph.param(name))
            self.case.params[name] = value
        else:
            self.nodes.append(self.case.graph.param(name, default=value))

    def task(self) -> None:
        graph = self.case.graph
        if self.chance(3):
            node = graph.task(self.pick([many, draws]), *self.arguments(2), after=self.after())
            self.lists.append(node)
        else:
            named = {"k": self.argument()} if self.chance(4) else {}
            function = self.pick(self.functions["task"])
            node = graph.task(function, *self.arguments(3), after=self.after(), **named)
            self.words.append(node)
        self.nodes.append(node)

    def crowd(self) -> None:
        """So many single calls side by side that they share tasks."""
        graph = self.case.graph
        function = self.pick(self.functions["task"])
        others = [self.argument()] if self.chance(2) else []
        crowd = [graph.task(function, k, *others) for k in range(70)]
        self.words += [crowd[0], crowd[-1]]
        self.nodes += [crowd[33], graph.task(note, crowd[:: self.pick([1, 9])])]

    def fork_join(self) -> None:
        branches = [note, (note, self.argument()), 5, *self.nodes[-1:]]
        keys = self.draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True))
        chosen = {key: self.pick(branches) for key in keys}
        shape = self.pick([chosen, list(chosen.values())])
        self.nodes.append(self.case.graph.fork_join(shape, self.pick([None, note])))

    def items(self) -> None:
        words = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3)), max_size=9)
        kinds = ["words", "range", *(["node"] * 3 if self.lists else [])]
        kinds += ["packed"] if self.words else []
        graph = self.case.graph
        match self.pick(kinds):
            case "words":
                self.collections.append((graph.items(self.draw(words)), True))
            case "range":
                length = self.draw(st.sampled_from([0, 1, 5, 200]))
                self.collections.append((graph.items(range(length)), False))
            case "node":
                self.collections.append((graph.items(self.pick(self.lists)), True))
            case "packed":
                source = [self.pick(self.words), (1, 2), self.pick(self.words)]
                self.collections.append((graph.items(source), True))

    def each(self) -> None:
        items, are_words = self.pick(self.collections)
        op = self.pick(["map", "map", "filter", "flat_map", *(["starmap"] if are_words else [])])
        function = self.pick(self.functions[op])
        args = self.arguments(2) if self.chance(2) else []
        named = (
            {"k": self.argument()}
            if op.endswith("map") and op != "flat_map" and self.chance(4)
            else {}
        )
        made = getattr(items, op)(function, *args, **named)
        self.collections.append((made, are_words or op != "filter"))

    def arrange(self) -> None:
        items, are_words = self.pick(self.collections)
        match self.pick(["enumerate", "zip", "zip", "concat", "product", "batch", "take"]):
            case "enumerate":
                made, are_words = items.enumerate(), False
            case "zip":
                # Others that are as long: whatever fails keeps its place.
                function = self.pick(self.functions["map"])
                others = [items.map(function), items, items.enumerate()]
                made, are_words = items.zip(*others[: self.draw(st.integers(1, 3))]), False
            case "concat":
                other, others_are = self.pick(self.collections)
                made, are_words = items.concat(other), are_words and others_are
            case "product":
                made, are_words = items.product(self.pick([[], ["x"], [(1, 2), None]])), False
            case "batch":
                made, are_words = items.batch(self.draw(st.integers(1, 5))), False
            case _:
                made = items.take(self.draw(st.sampled_from([0, 1, 3, 50, 1000])))
        self.collections.append((made, are_words))

    def by_key(self) -> None:
        items, _ = self.pick(self.collections)
        key_of = self.pick(self.functions["key"])
        match self.pick(["group_by", "reduce_by", "map_reduce"]):
            case "group_by":
                self.collections.append((items.group_by(key_of), False))
            case "reduce_by":
                # One of both may fail: which error comes first is not laid down.
                op = join if key_of is key_or_fail else self.pick(self.functions["reduce"])
                value = self.pick([None, mark]) if op is not join_or_fail else mark
                self.collections.append((items.reduce_by(key_of, op, value), False))
            case _:
                mapper = self.pick(self.functions["map"])
                self.nodes.append(items.map_reduce(mapper, note, key=key_of))

    def when(self) -> None:
        graph = self.case.graph
        condition = graph.task(keeps, self.argument())
        function = self.pick(self.functions["task"])
        otherwise = self.pick([None, note])
        node = graph.when(condition, function, self.argument(), otherwise=otherwise)
        self.nodes.append(node)
        if otherwise is None and self.chance(2):
            self.nodes.append(graph.task(note, after=node))

    def include(self) -> None:
        inner = Graph("inner")
        x = inner.param("x")
        y = inner.task(self.pick(self.functions["task"]), x)
        z = inner.items(inner.task(many, x)).map(self.pick(self.functions["map"]), y)
        inner.output(*self.pick([(y,), (z,), (z, y)]))
        self.nodes.append(self.case.graph.include(inner, x=self.argument()))

    def end(self) -> None:
        items, are_words = self.pick(self.collections)
        match self.pick(["collect", "count", "reduce", "reduce", "reduce"]):
            case "collect":
                node = items.collect()
                if are_words:
                    self.lists.append(node)
            case "count":
                node = items.count()
            case _:
                op = self.pick(self.functions["reduce"])
                # What comes first is not laid down: a call that fails, or an
                # initial value that is missing.
                words = self.words if op is join else []
                initial = self.pick([None, (), (1, 2), *words])
                node = items.reduce(op) if initial is None else items.reduce(op, initial)
                if are_words:
                    self.words.append(node)
        self.nodes.append(node)

    def build(self) -> Case:
        for _ in range(self.draw(st.integers(1, 9))):
            ways = [self.param, self.task, self.task, self.items, self.items, self.fork_join]
            ways += [self.when, self.include]
            if len(self.case.graph) < 70:
                ways += [self.crowd]
            if self.collections:
                ways += [self.each] * 6 + [self.end] * 3 + [self.arrange] * 5 + [self.by_key] * 2
            self.pick(ways)()
        handles = [*self.nodes, *(items for items, _ in self.collections)]
        wanted = st.lists(st.sampled_from(handles), min_size=1, max_size=3)
        self.case.targets = tuple(self.draw(wanted))
        if self.chance(3) and self.case.graph.steps.keys() - self.case.params.keys():
            only_params = all(node.name.startswith("p") for node in self.case.graph.nodes.values())
            self.case.targets = self.case.targets if only_params else ()
        return self.case


@st.composite
def cases(draw: st.DrawFn, *, failing: bool = False) -> Case:
    """A random graph; with ``failing``, some of its stages fail for some items."""
    return _Builder(draw, FAILING if failing else FUNCTIONS).build()
