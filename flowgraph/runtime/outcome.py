"""What a Dask task gives back: a value or why there is none, and its report.

A value is pickled by `Outcome` itself, so that what cannot travel becomes a
`Failure` of its stage rather than an error of the transport; and it stays
packed until somebody asks for it, so that a process that only hands it on
never unpickles it.
"""

from __future__ import annotations

import pickle
from contextlib import nullcontext
from sys import getsizeof
from typing import TYPE_CHECKING, Any, Final, cast

from flowgraph.errors.wording import Mend
from flowgraph.runtime import pickling
from flowgraph.runtime.calm import no_collections
from flowgraph.runtime.failure import Failure, Skip, annotate
from flowgraph.runtime.partition import Listing, Partition
from flowgraph.runtime.pickling import CLOSED
from flowgraph.runtime.positions import at
from flowgraph.runtime.scope import here

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from flowgraph.runtime.place import Place
    from flowgraph.runtime.positions import Index
    from flowgraph.runtime.report import Bundle

    _Packed: TypeAlias = tuple[bytes, Sequence[Any]]

_LARGE: Final = 1_000_000
"""Bytes of a pickle in which there may be very many objects."""

__all__ = ["Outcome", "Report"]


class Outcome:
    """The value of a step, or why there is none.

    Parameters
    ----------
    value : object
        A value, a `Partition` or a `Listing`; None when there is none.
    missing : Failure or Skip, optional
        Why there is no value.
    stage : str
        Who made the value: named if it cannot be pickled.

    Attributes
    ----------
    maker : Place, tuple of Place or None
        The node that made the value; the nodes of several values.
    bundle : Bundle or None
        What its task reports, where the driver gets all outcomes.
    unnoted : tuple of Failure
        What could not be packed when the value left, after its task had
        reported: whoever reads the outcome reports it instead.
    weight : int
        Bytes of the value as it came from another process; 0 if it did not.
    paced : float or None
        When the last attempt started, if its starts are limited; seconds since
        the epoch.
    """

    __slots__ = ("_state", "bundle", "maker", "missing", "paced", "stage", "unnoted", "weight")

    def __init__(self, value: Any, missing: Failure | Skip | None = None, stage: str = "") -> None:
        # The value and what it is packed to; one of them may be lacking.  Always
        # replaced as a whole: several threads may unpack and pack it at once.
        self._state: tuple[Any, _Packed | None] = value, None
        self.missing = missing
        self.stage = stage
        self.maker: Place | tuple[Place, ...] | None = None
        self.bundle: Bundle | None = None
        self.unnoted: tuple[Failure, ...] = ()
        self.paced: float | None = None
        self.weight = 0

    @property
    def has_failed(self) -> bool:
        """True if its task tells of a final failure."""
        bundle = self.bundle
        return bundle is not None and bool(bundle.failures or bundle.lost)

    @property
    def value(self) -> Any:
        """The value, unpacked when first asked for.

        Raises
        ------
        Exception
            Whatever hinders unpickling it here.
        """
        value = self.glance()
        if self._state[0] is CLOSED:
            self._state = value, None
        return value

    def glance(self) -> Any:
        """The value for one who will not ask again: it is not kept beside what it is packed to.

        Raises
        ------
        Exception
            As `value`.
        """
        value, packed = self._state
        if value is CLOSED and packed is not None:
            large = len(packed[0]) > _LARGE
            with no_collections() if large else nullcontext():
                value = pickle.loads(packed[0], buffers=packed[1])
        return value

    def __sizeof__(self) -> int:
        """What Dask takes it to weigh: the value, as far as it tells without a look into it."""
        value, packed = self._state
        return object.__sizeof__(self) + (getsizeof(value) if packed is None else _size(packed))

    @classmethod
    def packed(cls, data: bytes, stage: str) -> Outcome:
        """The outcome whose value is pickled in ``data``."""
        return _arrived((data, ()), None, stage, None, None, (), None)

    @property
    def packed_size(self) -> int:
        """Bytes of what the value is packed to; 0 if it is not."""
        _, packed = self._state
        return 0 if packed is None else _size(packed)

    def seal(self) -> list[Failure]:
        """Pack the value; what cannot be packed becomes a failure and comes back."""
        packed, failures = self._packed()
        if packed is not None:
            self._state = self._state[0], packed
        return failures

    def leave(self) -> None:
        """Pack the value for a reader elsewhere, when its task has reported already."""
        self.unnoted += tuple(self.seal())

    def _packed(self) -> tuple[_Packed | None, list[Failure]]:
        """The value as it is sent, and what became a failure for that."""
        value, packed = self._state
        if packed is not None or self.missing is not None:
            return packed, []
        try:
            return _pack(value), []
        except Exception as error:
            failures = self._fail_unpicklable(value, error)
        return None if self.missing is not None else _pack(self._state[0]), failures

    def _fail_unpicklable(self, value: Any, error: Exception) -> list[Failure]:
        if isinstance(self.maker, tuple):
            return self._fail_several(value)
        if not isinstance(value, (Partition, Listing)):
            failure = self._cannot_travel(None, error, self.maker)
            self.missing, self._state = failure, (None, None)
            return [failure]
        values = list(value.values)
        where = range(len(values)) if value.where is None else value.where
        failures = []
        for k, item in enumerate(values):
            try:
                pickling.dumps(item)
            except Exception as item_error:
                failure = self._cannot_travel(at(where, k), item_error, self.maker)
                values[k] = failure
                failures.append(failure)
        self._state = type(value)(values, value.where, failed=True), None  # type: ignore[arg-type]
        return failures

    def _fail_several(self, results: Any) -> list[Failure]:
        """Of several calls' values, fail those that cannot be packed."""
        values, failures = list(results.values), []
        for k, place in enumerate(cast("tuple[Place, ...]", self.maker)):
            try:
                pickling.dumps(values[k])
            except Exception as error:
                values[k] = self._cannot_travel(None, error, place)
                failures.append(values[k])
        self._state = results.replaced(values), None
        return failures

    def _cannot_travel(self, index: Index | None, error: Exception, maker: Place | None) -> Failure:
        stage = self.stage if maker is None else maker.stage
        told = (
            f"The value that stage '{stage}' returned cannot go to another process. "
            'Return something that can be pickled, or use scheduler="threads".'
        )
        annotate(error, Mend(told))
        node = stage if maker is None else maker.name
        return Failure(stage, node, index, 1, here(), (error,))

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        # What it packs here is not kept, not to hold the value twice.
        packed, failures = self._packed()
        self.unnoted += tuple(failures)
        parts = (packed, self.missing, self.stage, self.maker, self.bundle, self.unnoted)
        return _arrived, (*parts, self.paced)


class Report(Outcome):
    """What a task reports ahead of its value, which is still on its worker."""

    __slots__ = ()

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(None)
        self.bundle = bundle


def _pack(value: Any) -> _Packed:
    buffers: list[pickle.PickleBuffer] = []
    return pickling.dumps(value, buffers), buffers


def _size(packed: _Packed) -> int:
    return len(packed[0]) + sum([memoryview(each).nbytes for each in packed[1]])


def _arrived(
    packed: _Packed | None,
    missing: Failure | Skip | None,
    stage: str,
    maker: Place | tuple[Place, ...] | None,
    bundle: Bundle | None,
    unnoted: tuple[Failure, ...],
    paced: float | None,
) -> Outcome:
    outcome = Outcome(None, missing, stage)
    if packed is not None:
        outcome._state = CLOSED, packed
        outcome.weight = _size(packed)
    outcome.maker, outcome.bundle = maker, bundle
    outcome.unnoted, outcome.paced = unnoted, paced
    return outcome
