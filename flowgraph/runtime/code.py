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
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from flowgraph.errors.wording import said
from flowgraph.runtime import pickling
from flowgraph.runtime.pickling import CLOSED, Closed
from flowgraph.runtime.remade import reduced

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowgraph.runtime.retry import Retry
    from flowgraph.runtime.scope import Stop
    from flowgraph.runtime.worker import Line

__all__ = ["Code", "Control", "Later", "Parcel", "Stage", "unloadable"]

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
    deadline: float | None = None
    is_coroutine: bool = False

    __reduce__ = reduced


class Parcel(Generic[T]):
    """A value that is opened where it is used; in one process it is just the value."""

    __slots__ = ("_pack", "_state")

    def __init__(self, value: T, pack: Callable[[Any], bytes]) -> None:
        # The value and its bytes; one of them may be lacking.  Always replaced as
        # a whole: several threads may open and seal it at once.
        self._state: tuple[T | Closed, bytes | None] = value, None
        self._pack = pack

    def open(self) -> T:
        """The value.

        Raises
        ------
        Exception
            Whatever hinders unpickling, such as a module this worker lacks.
        """
        value, data = self._state
        if value is CLOSED and data is not None:
            value = pickle.loads(data)
            self._state = value, None
        return cast("T", value)

    def seal(self) -> bytes:
        """The value as bytes; they are made once.

        Raises
        ------
        Exception
            If the value cannot be pickled.
        """
        value, data = self._state
        if data is None:
            data = self._pack(value)
            self._state = value, data
        return data

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, (self.seal(),)


def _arrived(data: bytes) -> Parcel[Any]:
    parcel: Parcel[Any] = Parcel(CLOSED, pickling.dumps)
    parcel._state = CLOSED, data
    return parcel


class Later(Parcel[T]):
    """A parcel whose value is made when somebody asks for it; in a thread or two, it is the same.

    Parameters
    ----------
    make : callable
        Makes the value.
    pack : callable
        As for `Parcel`.

    Examples
    --------
    >>> Later(lambda: [1, 2], pickle.dumps).open()
    [1, 2]
    """

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[], T], pack: Callable[[Any], bytes]) -> None:
        self._make = make
        self._pack = pack
        self._state = CLOSED, None

    def open(self) -> T:
        """The value.

        Raises
        ------
        Exception
            Whatever hinders making it.
        """
        value, data = self._state
        if value is CLOSED:
            value = self._make()
            self._state = value, data
        return value

    def seal(self) -> bytes:
        """The value as bytes; they are made once.

        Raises
        ------
        Exception
            If the value cannot be made, or not pickled.
        """
        self.open()
        return super().seal()


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

    def within(self, parcel: Parcel[tuple[Stage, ...]]) -> Code:
        """The same table, if its bytes come to a worker in another parcel."""
        digest = hashlib.sha256(self.seal()).hexdigest()
        return _arrived_code(digest, parcel, self._fallback)

    def __reduce__(self) -> tuple[Any, ...]:
        digest = self.digest or hashlib.sha256(self.seal()).hexdigest()
        return _arrived_code, (digest, self._parcel, self._fallback)


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


def unloadable(code: Code) -> str | None:
    """Why the stages cannot be loaded in this process; None if they can."""
    try:
        code.stages()
    except Exception as error:
        return said(error)
    return None


@dataclass(frozen=True, slots=True)
class Control:
    """What all tasks of a run share; a backend makes it."""

    code: Code
    halts: bool = False
    """True if the first final failure ends the run."""
    stop: Stop | None = None
    """Set when the run is over; None where it cannot be seen, or ``line`` tells."""
    line: Line | None = None
    """Where tasks report, if their outcomes do not reach the driver."""
    seals: bool = False
    """True if stages run in processes of their own, which their values leave."""
    abandons: bool = False
    """True if a run that is over must not wait for the call that a task is at."""
    run: str = ""
    """The token of the run."""
    brake: Callable[[], object] | None = None
    """Sets ``stop`` at the first final failure that ends the run, where a task can do that."""

    __reduce__ = reduced

    def __dask_tokenize__(self) -> str:
        """As that of `flowgraph.runtime.work.Work`."""
        return type(self).__name__
