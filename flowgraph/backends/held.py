"""Values that stay on a cluster's workers, and how stints and the driver come by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from flowgraph.runtime.calling import UNREACHED
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.region import Borrowed, Known
from flowgraph.runtime.results import Results

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from distributed import Future

__all__ = ["Fetch", "Held", "borrowing", "whole"]

Fetch: TypeAlias = "Callable[[Mapping[Any, Future]], Mapping[Any, Outcome]]"
"""Brings outcomes to the driver, but for those that are lost."""


class Held(NamedTuple):
    """A value that is on a worker."""

    future: Future
    """Of what has it."""
    place: int | None
    """Where it is in that, if there are several."""


def borrowing(known: Known) -> tuple[Known, list[Future]]:
    """What a stint is to know, and the futures of what it fetches on the workers."""
    numbers: dict[Any, int] = {}
    futures: list[Future] = []
    values = dict(known.values)
    for slot, value in values.items():
        if type(value) is Held:
            key = value.future.key
            if key not in numbers:
                numbers[key] = len(futures)
                futures.append(value.future)
            values[slot] = Borrowed(numbers[key], value.place)
    return Known(values, known.missing), futures


def whole(outcome: Outcome, fetch: Fetch) -> Outcome:
    """What a region gave, with the values that are on workers."""
    values = outcome.value.values
    wanted = {value.future.key: value.future for value in values if type(value) is Held}
    if not wanted:
        return outcome
    came = fetch(wanted)
    found = [_of(value, came) if type(value) is Held else value for value in values]
    made = Outcome(Results(found), stage=outcome.stage)
    made.maker = outcome.maker
    return made


def _of(held: Held, came: Mapping[Any, Outcome]) -> Any:
    made = came.get(held.future.key)
    return UNREACHED if made is None else made.value.values[held.place]
