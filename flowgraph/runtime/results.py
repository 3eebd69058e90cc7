"""The values of several nodes that one task made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Results", "pick", "picked"]


class Results:
    """What a group of calls gave, by their places: values, and why some have none.

    Parameters
    ----------
    values : list
        A value for each call that others read, or a Failure or Skip in its place.
    """

    __slots__ = ("values",)

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def replaced(self, values: list[Any]) -> Results:
        """The same with other values."""
        return Results(values)

    def __reduce__(self) -> tuple[Any, ...]:
        return Results, (self.values,)


def pick(outcome: Outcome, place: int) -> Outcome:
    """The outcome of one call of a group."""
    if outcome.missing is not None:
        return outcome
    value = outcome.value.values[place]
    if type(value) is Outcome:  # packed alone
        return value
    lacks = type(value) is Failure or type(value) is Skip
    made = Outcome(None, value) if lacks else Outcome(value)
    maker = outcome.maker
    made.maker = maker[place] if isinstance(maker, tuple) else maker
    made.stage, made.unnoted = outcome.stage, outcome.unnoted
    return made


def picked(inputs: Sequence[Outcome], picks: Sequence[tuple[int, int | None]]) -> list[Outcome]:
    """The inputs of a task, where some are one call's of a group."""
    return [
        inputs[number] if place is None else pick(inputs[number], place) for number, place in picks
    ]
