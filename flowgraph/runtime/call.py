"""The form of a call before its inputs are known.

The arguments of a call are constants, `Slot` objects that stand for the value
of an input, and `Nest` objects: containers with such slots inside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "PLAIN",
    "InOrder",
    "Nest",
    "Slot",
    "fill",
    "in_order",
    "listed",
    "renumber",
    "slot",
    "slots",
]


PLAIN: Final[frozenset[type]] = frozenset({str, int, float, bool, bytes, type(None), complex})
"""The commonest types that have nothing inside: no node, no code of the user's."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Stands for the value of one input of a step."""

    position: int
    """Which of the step's needs, from 0."""

    def __reduce__(self) -> tuple[Any, ...]:
        return slot, (self.position,)


@dataclass(frozen=True, slots=True)
class Nest:
    """A container that holds slots, at any depth."""

    build: Callable[[list[Any]], Any]
    """Makes the container from its filled items; a dict from (key, item) pairs."""
    items: tuple[Any, ...]
    """Constants, slots and nests."""
    keys: tuple[Any, ...] | None = None
    """A dict's keys, in order; None for a sequence."""

    def __reduce__(self) -> tuple[Any, ...]:
        # A list of a thousand nodes is mostly slots in a row: they are as good as two numbers.
        items = self.items
        if set(map(type, items)) == {Slot}:  # before any is compared: constants are the user's
            first = items[0].position
            if [slot.position for slot in items] == list(range(first, first + len(items))):
                return _row_of_slots, (self.build, first, len(items), self.keys)
        return Nest, (self.build, items, self.keys)


_SLOTS = list(map(Slot, range(256)))
_MOST: Final = 1 << 17
"""Slots that are kept."""


def slot(position: int) -> Slot:
    """The slot for an input; of the first ones there is one object each."""
    return _SLOTS[position] if position < len(_SLOTS) else Slot(position)


def slots(start: int, stop: int) -> list[Slot]:
    """The slots for inputs from one on to before another.

    Examples
    --------
    >>> slots(2, 4)
    [Slot(position=2), Slot(position=3)]
    """
    global _SLOTS  # noqa: PLW0603  grown as a whole: several threads may do it at once
    if stop > _MOST:
        return list(map(slot, range(start, stop)))
    known = _SLOTS
    if len(known) < stop:
        known = _SLOTS = [*known, *map(Slot, range(len(known), stop))]
    return known[start:stop]


def _row_of_slots(
    build: Callable[[list[Any]], Any], first: int, count: int, keys: tuple[Any, ...] | None
) -> Nest:
    return Nest(build, tuple(slots(first, first + count)), keys)


class InOrder(tuple[Slot, ...]):
    """The arguments of a call that are its inputs, as they come.

    Known by its type; of the first numbers of inputs there is one object each, in each process.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return in_order, (len(self),)


_IN_ORDER: Final = tuple([InOrder(_SLOTS[:count]) for count in range(9)])


def in_order(count: int) -> InOrder:
    """The arguments that are so many inputs."""
    return _IN_ORDER[count] if count < len(_IN_ORDER) else InOrder(slots(0, count))


def fill(template: Any, values: Sequence[Any]) -> Any:
    """The template with every slot replaced by the value it stands for.

    Parameters
    ----------
    template : object
        A constant, a `Slot` or a `Nest`; a constant comes back as it is.
    values : sequence
        The values of the step's needs, in order.

    Examples
    --------
    >>> fill(Nest(list, (Slot(1), "x")), ["a", "b"])
    ['b', 'x']
    """
    kind = type(template)
    if kind is Slot:
        return values[template.position]
    if kind is Nest:
        filled = [
            values[item.position] if type(item) is Slot else fill(item, values)
            for item in template.items
        ]
        if template.keys is not None:
            return template.build(list(zip(template.keys, filled, strict=True)))
        return template.build(filled)
    return template


def renumber(template: Any, slots: Sequence[int]) -> Any:
    """The template with slot ``k`` made slot ``slots[k]``.

    Examples
    --------
    >>> renumber(Slot(1), [5, 7])
    Slot(position=7)
    """
    kind = type(template)
    if kind is Slot:
        return slot(slots[template.position])
    if kind is Nest:
        return replace(template, items=tuple(renumber(item, slots) for item in template.items))
    return template


def listed(value: Any) -> Any:
    """The value; a list of what is in it if it is an iterator, which can be read only once.

    Raises
    ------
    TypeError
        If it is a coroutine, which nobody would await.

    Examples
    --------
    >>> listed(reversed("ab")), listed("ab")
    (['b', 'a'], 'ab')
    """
    if type(value) is CoroutineType:
        value.close()  # else Python complains, too
        raise TypeError(
            f"the stage returned the coroutine {value.__qualname__}() without awaiting it. "
            "Declare the stage with 'async def', or give that function itself."
        )
    return list(value) if hasattr(type(value), "__next__") else value
