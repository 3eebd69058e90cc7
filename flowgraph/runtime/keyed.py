"""Values combined by their keys: first inside each partition, then in a tree.

A table is a dict, so keys are equal as in a dict, and they stand in the order
in which they first came: partitions are in the order of the source, and so are
the tables that are put together.
"""

from __future__ import annotations

import operator
from collections import deque
from dataclasses import dataclass
from functools import partial
from itertools import chain
from types import FunctionType
from typing import TYPE_CHECKING, Any

from flowgraph.runtime.attempt import Site, attempt
from flowgraph.runtime.calm import no_collections
from flowgraph.runtime.failure import Failure
from flowgraph.runtime.loop import call_on_loop
from flowgraph.runtime.sink import Sink
from flowgraph.runtime.watch import entered

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
    from contextlib import ExitStack

    from flowgraph.runtime.positions import Where
    from flowgraph.runtime.scope import Scope

__all__ = ["Combiner", "KeyedPlan", "Keying"]

Table = dict[Any, Any]


@dataclass(frozen=True, slots=True)
class KeyedPlan:
    """A keyed operation, as the plan says it: numbers of stages, and its node."""

    node: int
    name: str
    key: int
    op: int | None
    """None to keep the values of a key in a list."""
    value: int | None
    """None to combine the items themselves."""


class Combiner:
    """Makes tables of items, and one table of several.

    A block of calls is one attempt of its stage: of the key, then of the value,
    then of what combines them.

    Parameters
    ----------
    scope : Scope
        The task's notebook.
    stack : ExitStack
        Closes what keeps time limits.
    plan : KeyedPlan
        What is done.
    count : int
        Calls that a success counts: 1 for the table that is the operation's value.
    """

    def __init__(self, scope: Scope, stack: ExitStack, plan: KeyedPlan, *, count: int) -> None:
        self._scope = scope
        self._stack = stack
        self._plan = plan
        self._count = count
        self._stages = scope.control.code.stages()
        self._key = self._stages[plan.key].function
        self._op = None if plan.op is None else self._stages[plan.op].function
        self._value = None if plan.value is None else self._stages[plan.value].function

    def add(self, table: Table, values: Sequence[Any]) -> Table | Failure:
        """A table with some items added; it is changed, or lost with the failure."""
        plan, key, total = self._plan, self._key, len(values)
        keys = self._attempt(plan.key, total, lambda: _hashable(_each(key, values)))
        if isinstance(keys, Failure):
            return keys
        combined: Any = values
        if plan.value is not None and self._value is not None:
            made = self._value
            combined = self._attempt(plan.value, total, lambda: _each(made, values))
            if isinstance(combined, Failure):
                return combined
        if plan.op is None:
            return self._attempt(plan.key, total, lambda: _grouped(table, keys, combined))
        return self._combine(table, total, partial(zip, keys, combined, strict=True))

    def joined(self, first: Table, tables: Iterable[Table]) -> Table | Failure:
        """The first table with others in their order behind it; it is changed."""
        for table in tables:
            if self._op is None:
                with no_collections():
                    _extend(first, table)
                continue
            made = self._combine(first, len(table), table.items)
            if isinstance(made, Failure):
                return made
        return first

    def _combine(
        self, table: Table, total: int, pairs: Callable[[], Iterable[tuple[Any, Any]]]
    ) -> Table | Failure:
        """The table with pairs combined with what is there."""
        op, number = self._op, self._plan.op
        assert op is not None
        assert number is not None
        stage = self._stages[number]
        if not stage.is_coroutine and stage.timeout is None:
            return self._attempt(number, total, _Adding(table, iter(pairs()), op).go_on)

        def changes() -> Table:
            if stage.is_coroutine:
                awaited = partial(_awaited_changes, table, pairs(), op)
                return call_on_loop(self._scope, stage, awaited)
            return _changes(table, pairs(), op)

        # An attempt that is abandoned goes on, so each has a table of its own.
        made = self._attempt(number, total, changes)
        if isinstance(made, Failure):
            return made
        table.update(made)
        return table

    def _attempt(self, number: int, calls: int, call: Callable[[], Any]) -> Any | Failure:
        stage = self._stages[number]
        site = Site(stage, self._plan.node, self._plan.name, count=self._count)
        watch = entered(self._stack, stage, self._scope)
        made = attempt(self._scope, site, call, watch, calls)
        if type(made) is Failure:
            self._scope.fail(made)
        return made


class Keying(Sink):
    """Combines the items by their keys, in order."""

    __slots__ = ("_combiner",)

    def __init__(self, combiner: Combiner) -> None:
        super().__init__()
        self._combiner = combiner

    def take(self, values: Sequence[Any], where: Where) -> None:
        """Combine items with what is there."""
        if not values:
            return
        if self._growing() and type(self.entries[-1]) is Failure:
            return
        if not self._growing():
            self.entries.append({})
        self.entries[-1] = self._combiner.add(self.entries[-1], values)

    def together(self, first: Table | Failure, second: Table | Failure) -> Sequence[Any]:
        """One table, or the failure that there is."""
        if isinstance(first, Failure) or isinstance(second, Failure):
            return (first if isinstance(first, Failure) else second,)
        return (self._combiner.joined(first, (second,)),)

    def sprout(self) -> Keying:
        """A sink of the same kind, for a hole."""
        return Keying(self._combiner)

    def result(self) -> Table | Failure:
        """The table of all items."""
        tables = self.flat()
        for table in tables:
            if type(table) is Failure:
                return table
        return self._combiner.joined(tables[0], tables[1:]) if tables else {}


def _each(function: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
    """What a function gives for each value."""
    if type(function) is FunctionType:  # Python calls its own functions quicker than map does
        return [function(value) for value in values]
    made = list(map(function, values))
    if len(made) < len(values):
        raise StopIteration(f"raised by {function!r}")  # map took it for its own end
    return made


def _hashable(keys: list[Any]) -> list[Any]:
    """The keys; one that a dict cannot take is the failure of the stage that gave it."""
    deque(map(hash, keys), maxlen=0)
    return keys


def _grouped(table: Table, keys: Iterable[Any], values: Iterable[Any]) -> Table:
    for key, value in zip(keys, values, strict=True):
        if key in table:
            table[key].append(value)
        else:
            table[key] = [value]
    return table


class _Adding:
    """Pairs that are combined with a table, from where the attempt before got stuck."""

    __slots__ = ("_op", "_pairs", "_table")

    def __init__(
        self, table: Table, pairs: Iterator[tuple[Any, Any]], op: Callable[[Any, Any], Any]
    ) -> None:
        self._table = table
        self._pairs = pairs
        self._op = op

    def go_on(self) -> Table:
        """The table, when all pairs are in it."""
        table, op = self._table, self._op
        get = table.get
        key = value = None
        try:
            if op is operator.add:  # quicker than calling it
                for key, value in self._pairs:
                    old = get(key)
                    table[key] = value if old is None and key not in table else old + value
            else:
                for key, value in self._pairs:
                    old = get(key)
                    table[key] = value if old is None and key not in table else op(old, value)
        except BaseException:
            self._pairs = chain(((key, value),), self._pairs)
            raise
        return table


def _changes(base: Table, pairs: Iterable[tuple[Any, Any]], op: Callable[[Any, Any], Any]) -> Table:
    """What a table's entries become when pairs are combined with them; it is left as it is."""
    made: Table = {}
    for key, value in pairs:
        if key in made:
            made[key] = op(made[key], value)
        elif key in base:
            made[key] = op(base[key], value)
        else:
            made[key] = value
    return made


async def _awaited_changes(
    base: Table, pairs: Iterable[tuple[Any, Any]], op: Callable[[Any, Any], Awaitable[Any]]
) -> Table:
    """The same with a coroutine to combine by."""
    made: Table = {}
    for key, value in pairs:
        if key in made:
            made[key] = await op(made[key], value)
        elif key in base:
            made[key] = await op(base[key], value)
        else:
            made[key] = value
    return made


def _extend(first: Table, table: Table) -> None:
    for key, values in table.items():
        if key in first:
            first[key].extend(values)
        else:
            first[key] = list(values)
