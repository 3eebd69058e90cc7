"""What may have to stay in the process that makes a row: a value that one call of it alone reads.

It may be a lock, or a connection, which cannot leave its process.  So whoever is alone in
reading it, and reads nothing else that is not there, is called in that process too.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from flowgraph.runtime.call import PLAIN
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.handover import Kept

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from flowgraph.runtime.row import Declared

__all__ = ["Captives"]

_STAYS: Final = Kept(0)
"""Tells the driver, too, that values of this row are not small: no other is made."""


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
    >>> calls = [Call(needs=()), Call(needs=(5,)), Call(needs=(5, 6)), Call(needs=(7,))]
    >>> captives = Captives(calls, 5, bytes(4))
    >>> captives.chain(5), captives.chain(7)
    ([], [8])
    """

    def __init__(self, calls: Sequence[Declared], first: int, are_read: bytes) -> None:
        self._calls = calls
        self._first = first
        self._are_read = are_read

    def chain(self, place: int) -> list[int]:
        """The places of the calls that are each alone in reading the one before, from one on.

        Without that one.  All that stands before it is made, nothing behind it.
        """
        first, begin = self._first, place
        readers = defaultdict[int, list[int]](list)
        for reader, call in enumerate(self._calls[place + 1 - first :], place + 1):
            for need in call.needs:
                if need >= begin:
                    readers[need].append(reader)
        found: list[int] = []
        known: set[int] = set()
        while not self._are_read[place - first] and len(readers[place]) == 1:
            (reader,) = readers[place]
            needs = self._calls[reader - first].needs
            if any(n > begin and n not in known for n in needs):
                break
            found.append(reader)
            known.add(reader)
            place = reader
        return found

    def leaving(self, values: Sequence[Any], left: Container[int]) -> list[Any]:
        """What leaves the process of each call; what stands for a value that nobody else reads."""
        wanted = bytearray(self._are_read)
        first = self._first
        for place, call in enumerate(self._calls, first) if left else ():
            if place in left:
                for need in call.needs:
                    if need >= first:
                        wanted[need - first] = 1
        return [
            value
            if is_wanted or type(value) is Failure or type(value) is Skip
            else (None if type(value) in PLAIN else _STAYS)
            for value, is_wanted in zip(values[first:], wanted, strict=True)
        ]
