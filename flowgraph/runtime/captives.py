"""What stays in the process that makes a row: values that only the row's own calls read.

Such a value may be one that cannot leave its process, as a lock or a connection.  So who
is alone in reading it is called there too, when time is up, or when calls are given back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowgraph.runtime.call import PLAIN
from flowgraph.runtime.calling import UNREACHED
from flowgraph.runtime.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from flowgraph.runtime.row import Declared

__all__ = ["Captives"]


class Captives:
    """Knows which calls of a row read what the others make.

    Parameters
    ----------
    calls : sequence of Declared
        The row.
    first : int
        The place of its first call.
    are_read : bytes
        For each call 1 if others than these read its value.

    Examples
    --------
    >>> from types import SimpleNamespace as Call
    >>> captives = Captives([Call(needs=()), Call(needs=(5,)), Call(needs=())], 5, bytes(3))
    >>> values = [*range(5), object(), UNREACHED, UNREACHED]
    >>> captives.bound_to(5, values), list(captives.bound(range(6, 8), values))
    (frozenset({6}), [6])
    """

    def __init__(self, calls: Sequence[Declared], first: int, are_read: bytes) -> None:
        self._calls = calls
        self._first = first
        self._are_read = are_read

    def bound_to(self, place: int, values: Sequence[Any]) -> frozenset[int]:
        """The calls that read what may have to stay, if one that is under way is made.

        Parameters
        ----------
        place : int
            Of the call that is under way.
        values : sequence
            What is known and made, as far as it has come.
        """
        found: set[int] = set()
        for reader, call in enumerate(self._calls[place + 1 - self._first :], place + 1):
            new = [need for need in call.needs if need >= place]
            if any(need != place and need not in found for need in new):
                continue
            stay = any(not self._are_read[need - self._first] for need in new)
            if stay or any(need < place and self._stays(need, values) for need in call.needs):
                found.add(reader)
        return frozenset(found)

    def bound(self, left: Iterable[int], values: Sequence[Any]) -> Iterator[int]:
        """Of the calls that are left those that read what is not to leave; one after the other.

        Each is to be made before the next one is asked for.
        """
        for place in sorted(left):
            needs = self._calls[place - self._first].needs
            if any(self._stays(need, values) for need in needs) and all(
                values[need] is not UNREACHED for need in needs
            ):
                yield place

    def _stays(self, place: int, values: Sequence[Any]) -> bool:
        return (
            place >= self._first
            and not self._are_read[place - self._first]
            and type(values[place]) not in PLAIN
        )

    def leaving(self, values: Sequence[Any], left: Container[int]) -> list[Any]:
        """What leaves the process of each call; None where its value does not."""
        wanted = bytearray(self._are_read)
        first = self._first
        for place, call in enumerate(self._calls, first) if left else ():
            if place in left:
                for need in call.needs:
                    if need >= first:
                        wanted[need - first] = 1
        return [
            value if is_wanted or type(value) is Failure else None
            for value, is_wanted in zip(values[first:], wanted, strict=True)
        ]
