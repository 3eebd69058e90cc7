"""Where a chain's items end up: in a list, folded to one value, or counted.

A sink keeps entries in item order.  An entry is what was taken, or a `Hole`
that an item which waits for its next attempt will fill later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from flowgraph.runtime.attempt import attempt
from flowgraph.runtime.failure import Failure
from flowgraph.runtime.fold import fold
from flowgraph.runtime.loop import call_on_loop
from flowgraph.runtime.partition import Partition
from flowgraph.runtime.positions import join, only
from flowgraph.runtime.sections import Pieces

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from flowgraph.runtime.attempt import Site
    from flowgraph.runtime.positions import Index, Where
    from flowgraph.runtime.scope import Scope
    from flowgraph.runtime.watch import Watch

__all__ = ["Counting", "Folding", "Hole", "Keeping", "Sink", "folder"]

_LONG: Final = 64
"""Items of a piece, on average, from which on pieces are left as they are."""


class Hole:
    """The place of an item that is not settled yet."""

    __slots__ = ("dead", "sink")

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.dead = False


class Sink:
    """Takes what comes out of a chain, in item order."""

    __slots__ = ("_floor", "entries")

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self._floor = 0

    def take(self, values: Sequence[Any], where: Where) -> None:
        """Add items."""
        raise NotImplementedError

    def fail(self, failure: Failure, index: Index) -> None:
        """Add an item that failed."""

    def together(self, first: Any, second: Any) -> Sequence[Any]:
        """Two entries as one, if that takes less memory."""
        return first, second

    def sprout(self) -> Self:
        """A sink of the same kind, for a hole."""
        return type(self)()

    def result(self) -> Any | Failure:
        """What was taken, as one value."""
        raise NotImplementedError

    def leave_hole(self) -> Hole:
        """Keep a place for what an item will give later."""
        hole = Hole(self.sprout())
        self.entries.append(hole)
        return hole

    def begin(self) -> int:
        """Start something that `rollback` may strike out; gives its mark."""
        floor, self._floor = self._floor, len(self.entries)
        return floor

    def commit(self, mark: int) -> None:
        """End what `begin` started, for good: it need not stay apart from what was before."""
        self._floor = mark
        entries = self.entries
        if len(entries) >= mark + 2 and Hole not in (type(entries[-2]), type(entries[-1])):
            last = entries.pop()
            entries[-1:] = self.together(entries[-1], last)

    def rollback(self, mark: int) -> None:
        """End what `begin` started, and strike out what was added since."""
        for entry in self.entries[self._floor :]:
            if type(entry) is Hole:
                entry.dead = True
        del self.entries[self._floor :]
        self._floor = mark

    def flat(self) -> list[Any]:
        """The entries, those of filled holes in their places."""
        flat: list[Any] = []
        for entry in self.entries:
            if type(entry) is Hole:
                flat.extend(entry.sink.flat())
            else:
                flat.append(entry)
        return flat

    def _growing(self) -> bool:
        """True if the last entry may be changed: it is not a hole nor behind a mark."""
        return len(self.entries) > self._floor and type(self.entries[-1]) is not Hole


class Keeping(Sink):
    """Keeps the items, and Failure objects in the places of failed ones."""

    __slots__ = ()

    def take(self, values: Sequence[Any], where: Where) -> None:
        """Add items."""
        self.entries.append((values, where))

    def fail(self, failure: Failure, index: Index) -> None:
        """Add an item that failed."""
        self.entries.append(((failure,), only(index)))

    def result(self) -> Partition:
        """The items as one partition."""
        entries = self.flat()
        values: Sequence[Any] = []
        if len(entries) == 1:
            values, where = entries[0]
        else:
            where = join([(where, len(part)) for part, where in entries])
            pieces = Pieces([part for part, _ in entries])
            values = pieces if len(pieces) >= _LONG * len(entries) else pieces.whole()
        failed = any(len(part) == 1 and type(part[0]) is Failure for part, _ in entries)
        return Partition(values, where, failed)


class Counting(Sink):
    """Counts the items that did not fail."""

    __slots__ = ()

    def take(self, values: Sequence[Any], where: Where) -> None:
        """Count items."""
        if self._growing():
            self.entries[-1] += len(values)
        else:
            self.entries.append(len(values))

    def together(self, first: int, second: int) -> Sequence[int]:
        """Their sum."""
        return (first + second,)

    def result(self) -> int:
        """How many items there were."""
        return sum(self.flat())


class Folding(Sink):
    """Combines the items with a binary operation, in order.

    Parameters
    ----------
    fold : callable
        Combines a sequence of at least one value to one, or to a Failure.
    """

    __slots__ = ("_fold",)

    def __init__(self, fold: Callable[[Sequence[Any]], Any | Failure]) -> None:
        super().__init__()
        self._fold = fold

    def take(self, values: Sequence[Any], where: Where) -> None:
        """Combine items with what is there."""
        if not values:
            return
        if not self._growing():
            self.entries.append(self._fold(values))
        elif type(self.entries[-1]) is not Failure:
            value = self._fold(values)
            if type(value) is not Failure:
                value = self._fold((self.entries[-1], value))
            self.entries[-1] = value
        # After a failure the rest is not combined, but the stages before still run.

    def together(self, first: Any, second: Any) -> Sequence[Any]:
        """Both combined, or the failure that there is."""
        if type(first) is Failure or type(second) is Failure:
            return (first if type(first) is Failure else second,)
        return (self._fold((first, second)),)

    def sprout(self) -> Folding:
        """A sink of the same kind, for a hole."""
        return Folding(self._fold)

    def result(self) -> tuple[Any, ...] | Failure:
        """The combined value in a tuple, which is empty if there were no items."""
        values = self.flat()
        for value in values:
            if type(value) is Failure:
                return value
        if not values:
            return ()
        value = self._fold(values)
        return value if type(value) is Failure else (value,)


def folder(
    scope: Scope, site: Site, watch: Watch | None
) -> Callable[[Sequence[Any]], Any | Failure]:
    """What combines values with a stage, all in one attempt, with its retries.

    Its failure is one of the reduction, and told here: who gets it passes it on.
    """
    function = site.stage.function

    def combine(values: Sequence[Any]) -> Any:
        if site.stage.is_coroutine:
            return call_on_loop(scope, site.stage, lambda: _reduced(function, values))
        return fold(function, values)

    def folded(values: Sequence[Any]) -> Any | Failure:
        if len(values) == 1:
            return values[0]
        made = attempt(scope, site, lambda: combine(values), watch, len(values) - 1)
        if type(made) is Failure:
            scope.fail(made)
        return made

    return folded


async def _reduced(function: Callable[..., Awaitable[Any]], values: Sequence[Any]) -> Any:
    made, *others = values
    for value in others:
        made = await function(made, value)
    return made
