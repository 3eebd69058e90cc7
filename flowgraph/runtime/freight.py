"""What several tasks take along, sent to a worker once instead of with each of them."""

from __future__ import annotations

import pickle
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from flowgraph.runtime import pickling
from flowgraph.runtime.code import Parcel
from flowgraph.runtime.pickling import CLOSED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Awaited", "Freight", "carried"]

T = TypeVar("T")


class Freight:
    """Bytes, and the ticket that they lie ready under while a task runs that has it.

    An object rather than bytes: a cluster would copy those once more.
    """

    __slots__ = ("data", "ticket")

    def __init__(self, ticket: str, data: bytes) -> None:
        self.ticket = ticket
        self.data = data

    def __reduce__(self) -> tuple[Any, ...]:
        return Freight, (self.ticket, self.data)


class Awaited(Parcel[T], Generic[T]):
    """A parcel that is empty but for the ticket of its freight."""

    __slots__ = ("_ticket",)

    def __init__(self, ticket: str) -> None:
        super().__init__(cast("T", CLOSED), pickling.dumps)
        self._ticket = ticket

    def open(self) -> T:
        """The value; in a task that has the freight."""
        value, _ = self._state
        if value is CLOSED:
            value = pickle.loads(_ready[self._ticket][0])
            self._state = value, None
        return cast("T", value)

    def __reduce__(self) -> tuple[Any, ...]:
        return Awaited, (self._ticket,)


_ready: dict[str, tuple[bytes, int]] = {}
"""The bytes under each ticket, and how many tasks that run have it."""
_turning = threading.Lock()


def carried(count: int, function: Callable[..., T], /, *args: Any) -> T:
    """What a function gives for all but the last arguments, which are freight for it.

    Parameters
    ----------
    count : int
        How many of the arguments are freight.
    function : callable
        Opens what is `Awaited`.
    *args : object
        Its arguments, then the freight.
    """
    freight = args[-count:]
    with _turning:
        for each in freight:
            _, users = _ready.get(each.ticket, (b"", 0))
            _ready[each.ticket] = each.data, users + 1
    try:
        return function(*args[:-count])
    finally:
        _leave(freight)


def _leave(freight: Sequence[Freight]) -> None:
    with _turning:
        for each in freight:
            data, users = _ready.pop(each.ticket)
            if users > 1:
                _ready[each.ticket] = data, users - 1
