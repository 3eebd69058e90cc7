"""What a task reports to the driver: timing records and final failures, packed.

Records are packed into one ``bytes`` as they arise; nobody opens it before the
driver does.
"""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass
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
    "Lost",
    "add_calls",
    "attempts_in",
    "change_outcome",
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
_HEAD = struct.Struct("<iiddHII")
_OUTCOME = struct.calcsize("<iqqii")
"""Where in a packed record its outcome stands, in bytes."""

Row = tuple[int, int, int, int, int, int, float, float]
"""Node number, first and last item, calls, attempt, outcome, start, seconds; see `attempts_in`."""

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

    def pack(self) -> bytes:
        """The bundle as bytes that say themselves where they end."""
        worker = self.worker.encode()
        failures = b""
        if self.failures or self.lost:
            failures = pickle.dumps((self.failures, self.lost), protocol=5)
        lengths = len(worker), len(self.rows), len(failures)
        head = _HEAD.pack(self.task, self.part, self.started, self.ended, *lengths)
        return b"".join((head, worker, self.rows, failures))

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
        worker, packed, failed = (data[at : at + lengths[0]], b"", b"")
        at += lengths[0]
        packed, at = data[at : at + lengths[1]], at + lengths[1]
        failed, at = data[at : at + lengths[2]], at + lengths[2]
        failures, lost = pickle.loads(failed) if failed else ((), ())
        yield Bundle(task, worker.decode(), started, ended, packed, failures, lost, part)


def rows(packed: bytes | bytearray) -> Iterator[Row]:
    """The records in a bundle, one by one."""
    return _ROW.iter_unpack(packed)


def pack_rows(records: Iterable[Iterable[float]]) -> bytes:
    """Records packed as a task packs them.

    Examples
    --------
    >>> list(rows(pack_rows([(0, 3, 4, 2, 1, 0, 10.0, 0.5)])))
    [(0, 3, 4, 2, 1, 0, 10.0, 0.5)]
    """
    return b"".join(pack_row(*record) for record in records)
