"""Values that stay on a cluster's workers, and how stints and the driver come by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from flowgraph.runtime.handover import Borrowed, Known
from flowgraph.runtime.onecall import UNREACHED
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.results import Results

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from distributed import Future

    from flowgraph.runtime.failure import Failure
    from flowgraph.runtime.place import Place

__all__ = ["Fetch", "Held", "borrowing", "whole"]

Fetch: TypeAlias = "Callable[[Mapping[Any, Future]], Mapping[Any, Outcome]]"
"""Brings outcomes to the driver, but for those that are lost."""
Lose: TypeAlias = "Callable[[Held, Place], Failure]"


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


def whole(outcome: Outcome, fetch: Fetch, lose: Lose | None = None) -> Outcome:
    """What a region gave, with the values that are on workers.

    Parameters
    ----------
    outcome : Outcome
        Some of its values may be `Held`.
    fetch : callable
        Brings them.
    lose : callable, optional
        Says what to put for one that is lost; default that it was not reached.
    """
    values = outcome.value.values
    wanted = {value.future.key: value.future for value in values if type(value) is Held}
    if not wanted:
        return outcome
    came = fetch(wanted)
    places = cast("Sequence[Place]", outcome.maker)
    found: list[Any] = []
    for place, value in zip(places, values, strict=True):
        if type(value) is not Held:
            found.append(value)
        else:
            made = came.get(value.future.key)
            brought = UNREACHED if made is None else made.value.values[value.place]
            if brought is UNREACHED and lose is not None:
                brought = lose(value, place)
            found.append(brought)
    made_whole = Outcome(Results(found), stage=outcome.stage)
    made_whole.maker = outcome.maker
    return made_whole
