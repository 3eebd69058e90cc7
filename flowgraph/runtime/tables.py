"""Pairs that are combined with a table of values by their keys.

A table is a dict, so keys are equal as in a dict, and they stand in the order in
which they first came.
"""

from __future__ import annotations

import operator
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

__all__ = ["Adding", "AddingOnes", "Table", "awaited_changes", "changes", "extend", "grouped"]

Table = dict[Any, Any]


class Adding:
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


class AddingOnes:
    """The same for pairs of a key and the integer 1, which are added: they are counted in C.

    Examples
    --------
    >>> AddingOnes({"b": 0.5}, ["a", "b", "a"]).go_on()
    {'b': 1.5, 'a': 2}
    """

    __slots__ = ("_keys", "_table")

    def __init__(self, table: Table, keys: Sequence[Any]) -> None:
        self._table = table
        self._keys = keys

    def go_on(self) -> Table:
        """The table, when all keys are in it."""
        keys = iter(self._keys)
        try:
            # For each key ``table[key] = table.get(key, 0) + 1``, whatever is there: any dict will
            # do, and 0 + 1 is the 1 that comes of the first pair.
            Counter.update(self._table, keys)  # type: ignore[call-overload]
        except BaseException:
            stuck = len(self._keys) - operator.length_hint(keys) - 1
            self._keys = self._keys[max(stuck, 0) :]
            raise
        return self._table


def grouped(table: Table, keys: Iterable[Any], values: Iterable[Any]) -> Table:
    """The table of lists, with each value at the end of its key's."""
    for key, value in zip(keys, values, strict=True):
        if key in table:
            table[key].append(value)
        else:
            table[key] = [value]
    return table


def changes(base: Table, pairs: Iterable[tuple[Any, Any]], op: Callable[[Any, Any], Any]) -> Table:
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


async def awaited_changes(
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


def extend(first: Table, table: Table) -> None:
    """Put the lists of a table behind those of the first one."""
    for key, values in table.items():
        if key in first:
            first[key].extend(values)
        else:
            first[key] = list(values)
