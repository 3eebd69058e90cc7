"""What a Dask task gives back: a value or why there is none, and its report.

A value is pickled by `Outcome` itself, so that what cannot travel becomes a
`Failure` of its stage rather than an error of the transport; and it stays
packed until somebody asks for it, so that a process that only hands it on
never unpickles it.
"""

from __future__ import annotations

import enum
import pickle
from typing import TYPE_CHECKING, Any

from flowgraph.runtime import pickling
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.positions import at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from flowgraph.runtime.positions import Index, Where
    from flowgraph.runtime.scope import Bundle

    _Packed: TypeAlias = tuple[bytes, Sequence[Any]]

__all__ = ["Listing", "Outcome", "Partition", "Report"]


class Partition:
    """A part of a data-parallel collection.

    An object rather than a list: Dask's cluster takes a bare list apart and
    sends it element by element, a hundred times slower.
    """

    __slots__ = ("failed", "values", "where")

    def __init__(self, values: Sequence[Any], where: Where, failed: bool = False) -> None:
        self.values = values
        self.where = where
        self.failed = failed

    def successes(self) -> Sequence[Any]:
        """The values of the items that did not fail."""
        if not self.failed:
            return self.values
        return [value for value in self.values if type(value) is not Failure]

    def with_errors(self) -> list[Any]:
        """All values, with a `flowgraph.StageError` in the place of a failed item."""
        if not self.failed:
            return list(self.values)
        return [v.to_error() if type(v) is Failure else v for v in self.values]

    def __reduce__(self) -> tuple[Any, ...]:
        return Partition, (self.values, self.where, self.failed)


class Listing:
    """The items of a collection whose length was unknown before."""

    __slots__ = ("values",)

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values

    def __reduce__(self) -> tuple[Any, ...]:
        return Listing, (self.values,)


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
    """

    __slots__ = ("_packed", "_value", "bundle", "carried", "missing", "stage")

    def __init__(self, value: Any, missing: Failure | Skip | None = None, stage: str = "") -> None:
        self._value = value
        self._packed: _Packed | None = None
        self.missing = missing
        self.stage = stage
        self.bundle: Bundle | None = None
        self.carried = b""

    @property
    def value(self) -> Any:
        """The value, unpacked when first asked for.

        Raises
        ------
        Exception
            Whatever hinders unpickling it here.
        """
        packed = self._packed
        if self._value is _Closed.CLOSED and packed is not None:
            # In this order: two threads may ask at once.
            self._value = pickle.loads(packed[0], buffers=packed[1])
            self._packed = None
        return self._value

    @property
    def failed(self) -> bool:
        """True if something failed for good in this very task."""
        return isinstance(self.missing, Failure) or bool(self.bundle and self.bundle.failures)

    def seal(self, worker: str = "") -> list[Failure]:
        """Pack the value; what cannot be packed becomes a failure and comes back."""
        if self._packed is None and self.missing is None:
            try:
                self._packed = _pack(self._value)
            except Exception as error:
                return self._without_unpicklable(error, worker)
        return []

    def _without_unpicklable(self, error: Exception, worker: str) -> list[Failure]:
        value = self._value
        if not isinstance(value, Partition):
            failure = _cannot_travel(self.stage, None, error, worker)
            self.missing, self._value = failure, None
            return [failure]
        values = list(value.values)
        failures = []
        for k, item in enumerate(values):
            try:
                pickling.dumps(item)
            except Exception as item_error:
                failure = _cannot_travel(self.stage, at(value.where, k), item_error, worker)
                values[k] = failure
                failures.append(failure)
        self._value = Partition(values, value.where, failed=True)
        self._packed = _pack(self._value)
        return failures

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        kept = self._packed
        self.seal()
        parts = (self._packed, self.missing, self.stage, self.bundle, self.carried)
        if self._value is not _Closed.CLOSED:
            self._packed = kept  # not to hold the value twice
        return _arrived, parts


class Report(Outcome):
    """What a task reports ahead of its value, which is still on its worker."""

    __slots__ = ()

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(None)
        self.bundle = bundle


class _Closed(enum.Enum):
    CLOSED = "closed"


def _pack(value: Any) -> _Packed:
    buffers: list[pickle.PickleBuffer] = []
    return pickling.dumps(value, buffers), buffers


def _arrived(
    packed: _Packed | None,
    missing: Failure | Skip | None,
    stage: str,
    bundle: Bundle | None,
    carried: bytes,
) -> Outcome:
    outcome = Outcome(None if packed is None else _Closed.CLOSED, missing, stage)
    outcome._packed, outcome.bundle, outcome.carried = packed, bundle, carried
    return outcome


def _cannot_travel(stage: str, index: Index | None, error: Exception, worker: str) -> Failure:
    error.add_note(
        f"The value that stage '{stage}' returned cannot go to another process. "
        'Return something that can be pickled, or use scheduler="threads".'
    )
    return Failure(stage, stage, index, 1, worker, (error,))
