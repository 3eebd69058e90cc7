"""The user's functions and data on their way to a worker.

User code travels once per process, by value: a table of all functions of a
plan is pickled together, so that functions of one module go on sharing its
globals, and the worker keeps the unpickled table by the hash of its bytes.
Nothing is unpickled before a worker runs a task: a Dask scheduler that handles
the graph never needs the user's modules.
"""

from __future__ import annotations

import hashlib
import pickle
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from flowgraph.runtime import pickling

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowgraph.runtime.retry import Retry
    from flowgraph.runtime.scope import Stop

__all__ = ["Code", "Control", "Parcel", "Stage"]

T = TypeVar("T")

_KEPT = 32


@dataclass(frozen=True, slots=True)
class Stage:
    """What the runtime needs to know of a stage."""

    name: str
    function: Callable[..., Any]
    retry: Retry | None
    timeout: float | None
    in_order: bool
    """One item after the other: an item that waits for a retry holds up the rest."""


class Parcel(Generic[T]):
    """A value that is opened where it is used; in one process it is just the value."""

    __slots__ = ("_data", "_pack", "_value")

    def __init__(self, value: T, pack: Callable[[Any], bytes]) -> None:
        self._value: T | None = value
        self._data: bytes | None = None
        self._pack: Callable[[Any], bytes] | None = pack

    def open(self) -> T:
        """The value.

        Raises
        ------
        Exception
            Whatever hinders unpickling, such as a module this worker lacks.
        """
        data = self._data
        if self._pack is None and data is not None:
            # In this order: two threads may open it at once.
            self._value = pickle.loads(data)
            self._data = None
        return self._value  # type: ignore[return-value]

    def seal(self) -> bytes:
        """The value as bytes; they are made once.

        Raises
        ------
        Exception
            If the value cannot be pickled.
        """
        if self._data is None:
            pack = self._pack or pickling.dumps
            self._data = pack(self._value)
        return self._data

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, (self.seal(),)


def _arrived(data: bytes) -> Parcel[Any]:
    parcel: Parcel[Any] = Parcel.__new__(Parcel)
    parcel._value, parcel._data, parcel._pack = None, data, None
    return parcel


class Code:
    """The table of a plan's stages.

    Parameters
    ----------
    stages : tuple of Stage
        What `stages` gives back, here or on a worker.
    pack : callable
        Pickles the table with the user's functions by value.
    fallback : callable
        Pickles on a worker what plain pickle cannot; sent by name.
    """

    __slots__ = ("_fallback", "_parcel", "digest")

    def __init__(
        self, stages: tuple[Stage, ...], pack: Callable[[Any], bytes], fallback: pickling.Dump
    ) -> None:
        self._parcel = Parcel(stages, pack)
        self._fallback = fallback
        self.digest = ""

    def stages(self) -> tuple[Stage, ...]:
        """The stages, in the order of the table."""
        if not self.digest:
            return self._parcel.open()
        return _load(self.digest, self._parcel, self._fallback)

    def seal(self) -> bytes:
        """The table as bytes."""
        return self._parcel.seal()

    def __reduce__(self) -> tuple[Any, ...]:
        data = self._parcel.seal()
        return _arrived_code, (hashlib.sha256(data).hexdigest(), self._parcel, self._fallback)


def _arrived_code(digest: str, parcel: Parcel[Any], fallback: pickling.Dump) -> Code:
    code: Code = Code.__new__(Code)
    code.digest, code._parcel, code._fallback = digest, parcel, fallback
    return code


_loaded: OrderedDict[str, tuple[Stage, ...]] = OrderedDict()
_loading = threading.Lock()


def _load(
    digest: str, parcel: Parcel[tuple[Stage, ...]], fallback: pickling.Dump
) -> tuple[Stage, ...]:
    """The table with this digest, unpickled once per process."""
    with _loading:
        stages = _loaded.get(digest)
        if stages is None:
            pickling.use_on_worker(pickling.plain_first(fallback))
            stages = _loaded[digest] = parcel.open()
            while len(_loaded) > _KEPT:
                _loaded.popitem(last=False)
        else:
            _loaded.move_to_end(digest)
        return stages


@dataclass(slots=True)
class Control:
    """What all tasks of a run share; a backend fills in the rest before it starts."""

    code: Code
    halts: bool = False
    """True if the first final failure ends the run."""
    stop: Stop | None = None
    """Set when the run is over; None where it cannot be seen."""
    signal: Callable[[int, bytes, bool], None] | None = None
    """Told of each task that ends where the driver cannot see it: task number,
    packed bundle, whether it holds a failure."""
    seals: bool = False
    """True if every value leaves the process that made it."""
    used: bool = False
    """True once a run has begun: a second one would get the first one's keys."""
    carries: bool = False
    """True if records reach the driver only on the way through later tasks."""
