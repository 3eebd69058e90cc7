"""What a stint is given to read, and what it gives back: values, or what stands for them."""

from __future__ import annotations

from sys import getsizeof
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flowgraph.errors.wording import Mend
from flowgraph.runtime.call import PLAIN
from flowgraph.runtime.failure import Failure, Skip, annotate
from flowgraph.runtime.onecall import UNREACHED
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.results import Results

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowgraph.runtime.onecall import Values
    from flowgraph.runtime.walk import Walk

__all__ = ["LIGHT", "Borrowed", "Done", "Kept", "Known", "LostValue", "opened"]

LIGHT: Final = 1 << 14
"""Bytes of a value above which it stays on a cluster's worker until somebody reads it."""
_ROOM: Final = 1 << 18
"""Bytes, as Python counts them, of what a stint sends with its report: a scheduler keeps it."""


class LostValue(Exception):
    """A value went with its worker, and what Dask made anew ended before it came to it."""

    def __init__(self) -> None:
        super().__init__(
            "a value was lost with its worker, and was not made again; run the graph again"
        )

    def __reduce__(self) -> tuple[type[LostValue], tuple[()]]:
        return LostValue, ()


class Borrowed(NamedTuple):
    """Stands for a value that another stint made and kept on its worker."""

    stint: int
    """Which of the stints that come as inputs."""
    place: int | None
    """Which of what it made; None if it is one value."""


class Kept(NamedTuple):
    """Stands for a value that is still on the worker that made it."""

    weight: int
    """Its bytes."""


class Known:
    """The values that a stint reads, by place, and why some are missing; or its way along a row."""

    __slots__ = ("missing", "values", "walk")

    def __init__(
        self, values: Values, missing: dict[int, Failure | Skip], walk: Walk | None = None
    ) -> None:
        self.values = values
        self.missing = missing
        self.walk = walk


class Done(Results):
    """What a stint made.

    Parameters
    ----------
    values : list
        What each of its calls gave whose value others read, in order; a Failure or
        Skip where there is no value, an Outcome where it is packed by itself.
    left : frozenset of int, or range
        Places of the calls that it did not begin.
    busy : float
        Seconds that its calls took.
    """

    __slots__ = ("busy", "left")

    def __init__(self, values: list[Any], left: frozenset[int] | range, busy: float) -> None:
        super().__init__(values)
        self.left = left
        self.busy = busy

    @property
    def kept(self) -> int:
        """Bytes of the values that are still on the worker that made them."""
        return sum([value.weight for value in self.values if type(value) is Kept])

    def receipt(self) -> Done:
        """The same, but for the heavy values."""
        room, values = _ROOM, list[Any]()
        if PLAIN.issuperset(map(type, self.values)):
            weights = [getsizeof(value) for value in self.values if value is not None]
            if max(weights, default=0) <= LIGHT and sum(weights) <= room:
                return self
        for value in self.values:
            weight = _weight(value)
            stays = weight > LIGHT or room < weight
            if stays and type(value) is not Failure and type(value) is not Skip:
                values.append(Kept(weight))
            else:
                values.append(value)
                room -= weight
        return self.replaced(values)

    def __sizeof__(self) -> int:
        """What Dask takes it to weigh: it moves tasks to data, and data to disk."""
        return sum(map(_weight, self.values))

    def replaced(self, values: list[Any]) -> Done:
        """The same with other values."""
        return Done(values, self.left, self.busy)

    def __reduce__(self) -> tuple[Any, ...]:
        return Done, (self.values, self.left, self.busy)


def _weight(value: Any) -> int:
    return value.packed_size if type(value) is Outcome else getsizeof(value)


def opened(
    known: Known, stints: Sequence[Outcome]
) -> tuple[dict[int, Any], dict[int, Failure | Skip], dict[int, BaseException]]:
    """The values that came to this process, unpacked; why others are missing, or cannot be."""
    values: dict[int, Any] = {}
    missing = dict(known.missing)
    unreadable: dict[int, BaseException] = {}
    assert isinstance(known.values, dict)
    for slot, given in known.values.items():
        value = given
        if type(given) is Borrowed:
            made = stints[given.stint]
            value = made if given.place is None else made.value.values[given.place]
        if value is UNREACHED:
            unreadable[slot] = LostValue()
        elif type(value) is Failure or type(value) is Skip:  # of a stint that was made anew
            missing[slot] = value
        elif type(value) is not Outcome:
            values[slot] = value
        elif value.missing is not None:
            missing[slot] = value.missing
        else:
            try:
                values[slot] = value.value
            except Exception as error:
                told = "It reads a value that can be pickled, but not unpickled: mend its class."
                annotate(error, Mend(told))
                unreadable[slot] = error
    return values, missing, unreadable
