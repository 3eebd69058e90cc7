"""The calls of a stint that are not begun: taken from the front, given back from the end.

A stint looks at the clock between its calls.  When one of them is slow, those behind
it would wait for its end, whoever is free.  So another thread takes them away when the
stint's time is up, or a call lasts far longer than it was to: each call is taken out of
one queue, by one of the two.  The driver is told of them, and can ask what was made
before the slow one.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from math import inf
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from flowgraph.runtime.onecall import OneCall

__all__ = ["Unbegun"]


class Unbegun:
    """The calls that a stint has before it.

    Parameters
    ----------
    calls : iterable of (int, OneCall)
        Each with its place.
    until : float
        When its time is up, by `time.perf_counter`.
    bound : container of int
        Places of the calls that stay with the one before.
    tell : callable
        Called, in another thread, with the places of those that are given back; again and
        again while the stint is at a slow call, mostly with none.
    left : set of int
        Places of those that the stint has passed over; they are given back, too.
    patience : float
        Seconds that one call may last before time is up.

    Attributes
    ----------
    given_back : frozenset of int
        The places of those that nobody makes here any more.

    Examples
    --------
    >>> told = []
    >>> unbegun = Unbegun(zip(range(5), "abcde"), 10.0, {1, 4}, told.append)
    >>> calls = iter(unbegun)
    >>> next(calls)
    (0, 'a')
    >>> unbegun.look(10.0)
    >>> list(calls), told
    ([(1, 'b')], [frozenset({2, 3, 4})])
    """

    __slots__ = (
        "_bound",
        "_closed",
        "_left",
        "_lock",
        "_patience",
        "_seen",
        "_since",
        "_tell",
        "_todo",
        "_until",
        "given_back",
    )

    def __init__(
        self,
        calls: Iterable[tuple[int, OneCall]],
        until: float,
        bound: Container[int],
        tell: Callable[[frozenset[int]], object],
        left: AbstractSet[int] = frozenset(),
        *,
        patience: float = inf,
    ) -> None:
        self.given_back: frozenset[int] = frozenset()
        self._todo = deque(calls)
        self._until = until
        self._bound = bound
        self._tell = tell
        self._left = left
        self._lock = Lock()
        self._closed = False
        self._patience = patience
        self._seen = -1
        self._since = 0.0

    def close(self) -> None:
        """Tell nothing any more."""
        with self._lock:
            self._closed = True

    def __iter__(self) -> Iterator[tuple[int, OneCall]]:
        """The calls to be begun, one after the other."""
        take = self._todo.popleft
        while True:
            try:
                call = take()
            except IndexError:
                with self._lock:  # it may be about to put some back
                    if self._todo:
                        continue
                return
            yield call

    def look(self, now: float) -> None:
        """Give back what is not begun, if time is up; to be called in another thread."""
        if len(self._todo) != self._seen:
            self._seen, self._since = len(self._todo), now
        if now < self._until and now - self._since <= self._patience:
            return
        with self._lock:
            if self._closed:
                return
            taken = self._taken() | (frozenset(self._left) - self.given_back)
            self.given_back |= taken
            with suppress(Exception):  # else it is told when the stint ends
                self._tell(taken)

    def _taken(self) -> frozenset[int]:
        taken: list[int] = []
        rest: list[tuple[int, OneCall]] = []  # calls without the one that they stay with
        try:
            while True:
                rest.append(self._todo.pop())
                if rest[-1][0] not in self._bound:
                    taken.extend([slot for slot, _ in rest])
                    rest.clear()
        except IndexError:
            self._todo.extend(reversed(rest))
        return frozenset(taken)
