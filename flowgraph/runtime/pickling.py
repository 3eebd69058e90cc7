"""How values are pickled on their way from one process to another."""

from __future__ import annotations

import enum
import pickle
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

__all__ = ["CLOSED", "Closed", "Dump", "code_of", "dumps", "plain_first", "use", "use_on_worker"]


class Closed(enum.Enum):
    """In the place of a value that is packed; an enum's member is one in every process."""

    CLOSED = "closed"


CLOSED: Final = Closed.CLOSED


class Dump(Protocol):
    """Pickles a value; large binary parts may go to ``buffer_callback`` instead."""

    def __call__(
        self,
        value: Any,
        /,
        protocol: int | None = None,
        buffer_callback: Callable[[pickle.PickleBuffer], object] | None = None,
    ) -> bytes: ...


_plain: Dump = cast("Dump", pickle.dumps)
_dump = _plain


def use(dump: Dump) -> None:
    """Set what pickles in a driver's process: it sends user code by value."""
    global _dump  # noqa: PLW0603  one hook a process
    _dump = dump


def use_on_worker(dump: Dump) -> None:
    """Set what pickles in a worker's process, unless a driver lives there too."""
    if _dump is _plain:
        use(dump)


def code_of(file: str, make: Callable[..., CodeType], args: tuple[Any, ...]) -> CodeType:
    """A function's code as it was where it came from: tracebacks show lines of that file."""
    return make(*args).replace(co_filename=file)


def plain_first(fallback: Dump) -> Dump:
    """Pickle with the standard library's pickle, with ``fallback`` where that fails."""

    def dump(
        value: Any,
        /,
        protocol: int | None = None,
        buffer_callback: Callable[[pickle.PickleBuffer], object] | None = None,
    ) -> bytes:
        kept: list[pickle.PickleBuffer] = []
        keep = None if buffer_callback is None else kept.append
        try:
            data = pickle.dumps(value, protocol=protocol, buffer_callback=keep)
        except Exception:
            return fallback(value, protocol=protocol, buffer_callback=buffer_callback)
        if buffer_callback is not None:
            for buffer in kept:
                buffer_callback(buffer)
        return data

    return dump


def dumps(value: Any, buffers: list[pickle.PickleBuffer] | None = None) -> bytes:
    """The value as bytes.

    Parameters
    ----------
    value : object
        Anything.
    buffers : list, optional
        Gets large binary parts (of NumPy arrays, say) instead of having them
        copied into the bytes.

    Raises
    ------
    Exception
        Whatever says that the value cannot be pickled.
    """
    return _dump(value, protocol=5, buffer_callback=None if buffers is None else buffers.append)
