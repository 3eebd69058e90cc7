"""Values combined by their keys: first inside each partition, then in a tree.

Keys of a table stand in the order in which they first came: partitions are in the
order of the source, and so are the tables that are put together.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from flowgraph.runtime.attempt import Site, attempt
from flowgraph.runtime.calm import no_collections
from flowgraph.runtime.each import all_ones, caller, is_constant, key_caller
from flowgraph.runtime.failure import Failure
from flowgraph.runtime.loop import call_on_loop
from flowgraph.runtime.sink import Sink
from flowgraph.runtime.tables import (
    Adding,
    AddingOnes,
    awaited_changes,
    changes,
    extend,
    grouped,
)
from flowgraph.runtime.watch import entered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import ExitStack

    from flowgraph.runtime.positions import Where
    from flowgraph.runtime.scope import Scope
    from flowgraph.runtime.tables import Table
    from flowgraph.runtime.watch import Watch

__all__ = ["Combiner", "KeyedPlan", "Keying"]


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
        self._watches: dict[int, Watch | None] = {}
        """One for each stage: a watch has a thread of its own, until the stack is closed."""
        self._keys = key_caller(self._stages[plan.key].function)
        self._op = None if plan.op is None else self._stages[plan.op].function
        value = None if plan.value is None else self._stages[plan.value].function
        self._values = None if value is None else caller(value)
        self._alike = value is not None and is_constant(value)

    def add(self, table: Table, values: Sequence[Any]) -> Table | Failure:
        """A table with some items added; it is changed, or lost with the failure."""
        plan, total = self._plan, len(values)
        keys = self._attempt(plan.key, total, lambda: self._keys(values))
        if isinstance(keys, Failure):
            return keys
        combined: Any = values
        if plan.value is not None and (made := self._values) is not None:
            combined = self._attempt(plan.value, total, lambda: made(values))
            if isinstance(combined, Failure):
                return combined
        if plan.op is None:
            return self._attempt(plan.key, total, lambda: grouped(table, keys, combined))
        in_place = self._op is operator.add and self._stages[plan.op].timeout is None
        if in_place and all_ones(combined[:1] if self._alike else combined):
            return self._attempt(plan.op, total, AddingOnes(table, keys).go_on)
        return self._combine(table, total, partial(zip, keys, combined, strict=True))

    def joined(self, first: Table, tables: Iterable[Table]) -> Table | Failure:
        """The first table with others in their order behind it; it is changed."""
        for table in tables:
            if self._op is None:
                with no_collections():
                    extend(first, table)
                continue
            if first:
                made = self._combine(first, len(table), table.items)
            else:  # nothing to combine with: copied as it is
                made = self._attempt(self._plan.op, len(table), partial(_copied, first, table))
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
            return self._attempt(number, total, Adding(table, iter(pairs()), op).go_on)

        def changed() -> Table:
            if stage.is_coroutine:
                awaited = partial(awaited_changes, table, pairs(), op)
                return call_on_loop(self._scope, stage, awaited)
            return changes(table, pairs(), op)

        # An attempt that is abandoned goes on, so each has a table of its own.
        made = self._attempt(number, total, changed)
        if isinstance(made, Failure):
            return made
        table.update(made)
        return table

    def _attempt(self, number: int | None, calls: int, call: Callable[[], Any]) -> Any | Failure:
        assert number is not None
        stage = self._stages[number]
        site = Site(stage, self._plan.node, self._plan.name, count=self._count)
        if number not in self._watches:
            self._watches[number] = entered(self._stack, stage, self._scope)
        made = attempt(self._scope, site, call, self._watches[number], calls)
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


def _copied(first: Table, table: Table) -> Table:
    first.update(table)
    return first
