"""What a task reports to the driver: timing records and final failures, packed.

Records are packed into one ``bytes`` as they arise; nobody opens it before the
driver does.
"""

from __future__ import annotations

import pickle
import struct
from array import array
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flowgraph.runtime.failure import Failure
    from flowgraph.runtime.positions import Index

__all__ = [
    "FAILED",
    "OK",
    "RETRIED",
    "SKIPPED",
    "TIMED_OUT",
    "TIMED_OUT_RETRIED",
    "Bundle",
    "Columns",
    "Lost",
    "add_calls",
    "attempts_in",
    "change_outcome",
    "pack_quick",
    "pack_row",
    "pack_rows",
    "read_bundles",
    "rows",
]

OK: Final = 0
RETRIED: Final = 1
FAILED: Final = 2
TIMED_OUT: Final = 3
TIMED_OUT_RETRIED: Final = 4
SKIPPED: Final = 5

_ROW = struct.Struct("<iqqiibdd")
_HEAD = struct.Struct("<iiddHIII")
_EPOCH = struct.Struct("<d")
_QUICK = 20
"""Bytes of a quick call: the number of its node, begin and end."""
_OUTCOME = struct.calcsize("<iqqii")
"""Where in a packed record its outcome stands, in bytes."""

Row = tuple[int, int, int, int, int, int, float, float]
"""Node number, first and last item, calls, attempt, outcome, start, seconds; see `attempts_in`."""

Columns = tuple[list[int], list[float], list[float]]
"""Of single calls that succeeded at once: the numbers of their nodes, begins, ends in seconds."""

pack_row = _ROW.pack
"""Pack one record: see `Row`."""


def change_outcome(rows: bytearray, begin: int, outcome: int) -> None:
    """Give the packed record that begins at byte ``begin`` another outcome."""
    rows[begin + _OUTCOME] = outcome


def add_calls(rows: bytearray, begin: int, calls: int, last: int, seconds: float) -> None:
    """Add calls to the packed record that begins at byte ``begin``.

    Parts of a reduction count as no calls: how many share a record is told by a
    number below zero.

    Examples
    --------
    >>> record = bytearray(pack_row(0, 3, 4, 2, 1, OK, 10.0, 0.5))
    >>> add_calls(record, 0, calls=3, last=7, seconds=0.25)
    >>> list(rows(record))
    [(0, 3, 7, 5, 1, 0, 10.0, 0.75)]
    """
    node, first, _, had, attempt, outcome, start, took = _ROW.unpack_from(rows, begin)
    both = had + calls if calls else min(had, -1) - 1
    packed = node, first, last, both, attempt, outcome, start, took + seconds
    _ROW.pack_into(rows, begin, *packed)


def attempts_in(calls: int) -> int:
    """How many attempts a record with such a number of calls stands for."""
    return max(abs(calls), 1)


@dataclass(frozen=True, slots=True)
class Lost:
    """A call that succeeded, but whose value cannot leave its process.

    It takes back a success; two tasks may tell of the same.
    """

    node: int
    """Number of its node."""
    call: Index | None
    """Position of the item that it was made for."""
    failure: Failure
    partial: bool
    """True for a part of a reduction, whose success counted as no call."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What one task reports to the driver, beside its value."""

    task: int
    """Number of the task in its plan."""
    worker: str
    """Host, process and thread that ran it."""
    started: float
    """Seconds since the epoch, by the worker's clock."""
    ended: float
    """Seconds since the epoch, by the worker's clock."""
    rows: bytes
    """Records, packed; see `rows`."""
    failures: tuple[Failure, ...] = ()
    """Final failures, as they happened."""
    lost: tuple[Lost, ...] = ()
    """Values that were there but cannot travel."""
    part: int = 0
    """Which of the pieces that the task was done in."""
    quick: bytes = b""
    """Single calls that succeeded at once, packed; see `pack_quick`."""

    def records(self) -> Iterator[Row]:
        """All its records, one by one."""
        return chain(rows(self.rows), _quick_rows(self.quick)) if self.quick else rows(self.rows)

    def pack(self) -> bytes:
        """The bundle as bytes that say themselves where they end."""
        worker = self.worker.encode()
        failures = b""
        if self.failures or self.lost:
            failures = pickle.dumps((self.failures, self.lost), protocol=5)
        lengths = len(worker), len(self.rows), len(self.quick), len(failures)
        head = _HEAD.pack(self.task, self.part, self.started, self.ended, *lengths)
        return b"".join((head, worker, self.rows, self.quick, failures))

    def __reduce__(self) -> tuple[object, ...]:
        return _one_bundle, (self.pack(),)


def _one_bundle(data: bytes) -> Bundle:
    return next(read_bundles(data))


def read_bundles(data: bytes) -> Iterator[Bundle]:
    """The bundles that were packed one after the other into ``data``."""
    at = 0
    while at < len(data):
        task, part, started, ended, *lengths = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        parts = []
        for length in lengths:
            parts.append(data[at : at + length])
            at += length
        worker, packed, quick, failed = parts
        failures, lost = pickle.loads(failed) if failed else ((), ())
        yield Bundle(task, worker.decode(), started, ended, packed, failures, lost, part, quick)


def rows(packed: bytes | bytearray) -> Iterator[Row]:
    """The records in a bundle, one by one."""
    return _ROW.iter_unpack(packed)


def pack_quick(calls: Columns, epoch: float) -> bytes:
    """Single calls that succeeded at once, packed column by column: a third of their rows' price.

    Parameters
    ----------
    calls : tuple of lists
        See `Columns`.
    epoch : float
        What is to be added to begins and ends for seconds since the epoch.

    Examples
    --------
    >>> packed = pack_quick(([3, 4], [1.5, 2.0], [1.75, 2.5]), 100.0)
    >>> list(Bundle(0, "worker", 0.0, 0.0, b"", quick=packed).records())
    [(3, -1, -1, 1, 1, 0, 101.5, 0.25), (4, -1, -1, 1, 1, 0, 102.0, 0.5)]
    """
    numbers, begun, ended = calls
    if not numbers:
        return b""
    columns = array("i", numbers), array("d", begun), array("d", ended)
    return _EPOCH.pack(epoch) + b"".join([column.tobytes() for column in columns])


def _quick_rows(packed: bytes) -> Iterator[Row]:
    """The records of calls that `pack_quick` packed."""
    (epoch,) = _EPOCH.unpack_from(packed)
    count, view = len(packed) // _QUICK, memoryview(packed)[_EPOCH.size :]
    middle = 4 * count
    times = array("d", view[middle:].tobytes())
    for node, begun, ended in zip(
        array("i", view[:middle].tobytes()), times[:count], times[count:], strict=True
    ):
        yield node, -1, -1, 1, 1, OK, begun + epoch, ended - begun


def pack_rows(records: Iterable[Iterable[float]]) -> bytes:
    """Records packed as a task packs them.

    Examples
    --------
    >>> list(rows(pack_rows([(0, 3, 4, 2, 1, 0, 10.0, 0.5)])))
    [(0, 3, 4, 2, 1, 0, 10.0, 0.5)]
    """
    return b"".join(pack_row(*record) for record in records)
