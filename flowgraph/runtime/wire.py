"""Messages between two processes: a row of byte strings, each with its length in front."""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Callable, Sequence

__all__ = ["Part", "dumps", "read_message", "write_message"]

Part = bytes | bytearray | memoryview
"""One byte string of a message; a memoryview must be of single bytes."""

_JOINED = 1 << 16
"""Bytes up to which a message is copied together, to go in one write."""
_LARGE = 1 << 16
"""Bytes from which a buffer travels beside its pickle, uncopied."""


def write_message(line: int, parts: Sequence[Part]) -> None:
    """Send a message.

    Parameters
    ----------
    line : int
        File descriptor of a pipe or a socket, which blocks.
    parts : sequence of bytes
        Any number, of any length.

    Raises
    ------
    BrokenPipeError
        If the other side has gone before it could read all of it.

    Examples
    --------
    >>> receive, send = os.pipe()
    >>> write_message(send, [b"hello", b""])
    >>> read_message(receive)
    [bytearray(b'hello'), bytearray(b'')]
    >>> os.close(send)
    >>> read_message(receive)
    Traceback (most recent call last):
    EOFError
    >>> os.close(receive)
    """
    sizes = [len(part) for part in parts]
    head = struct.pack(f"<{len(sizes) + 1}Q", len(sizes), *sizes)
    small = sum(sizes) <= _JOINED
    for piece in (b"".join((head, *parts)),) if small else (head, *parts):
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(line, rest) :]


def read_message(line: int) -> list[bytearray]:
    """Receive a message.

    Raises
    ------
    EOFError
        If the other side has gone, be it in the middle of a message.
    ConnectionResetError
        If the other side of a socket has gone, and had not read all that was
        sent to it.
    """
    (count,) = struct.unpack("<Q", _read(line, 8))
    sizes: tuple[int, ...] = struct.unpack(f"<{count}Q", _read(line, 8 * count))
    return [_read(line, size) for size in sizes]


def _read(line: int, size: int) -> bytearray:
    data = bytearray(size)
    rest = memoryview(data)
    while rest:
        count = os.readv(line, [rest])
        if not count:
            raise EOFError
        rest = rest[count:]
    return data


def dumps(
    value: object, dump: Callable[..., bytes] = pickle.dumps
) -> tuple[bytes, list[memoryview]]:
    """A value as a pickle, and the large buffers (of NumPy arrays, say) that go beside it.

    Parameters
    ----------
    value : object
        Anything that can be pickled.
    dump : callable
        `pickle.dumps` or ``cloudpickle.dumps``.

    Returns
    -------
    bytes, list of memoryview
        What ``pickle.loads(data, buffers=buffers)`` takes.

    Raises
    ------
    Exception
        Whatever says that the value cannot be pickled.
    """
    buffers: list[memoryview] = []

    def stays_inside(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < _LARGE:
            return True
        buffers.append(raw)
        return False

    return dump(value, protocol=5, buffer_callback=stays_inside), buffers
