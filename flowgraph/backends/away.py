"""The stints of a region that are under way, and what of them is settled before they end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Away"]

_NONE: Final[frozenset[int]] = frozenset()


class Away:
    """Numbers of the stints under way; of each the calls that it gave back, or made long ago.

    Examples
    --------
    >>> away = Away()
    >>> part = away.begin()
    >>> sorted(away.give_back(part, frozenset({3, 4})))
    [3, 4]
    >>> sorted(away.give_back(part, frozenset({2, 3, 4})))
    [2]
    >>> away.settle(part, [0])
    >>> sorted(away.settled(part)), len(away)
    ([0, 2, 3, 4], 1)
    >>> returned, made = away.end(part)
    >>> sorted(returned), sorted(made), len(away)
    ([2, 3, 4], [0], 0)
    """

    def __init__(self) -> None:
        self._count = 0
        self._parts: set[int] = set()
        self._returned: dict[int, frozenset[int]] = {}
        self._made: dict[int, set[int]] = {}

    def __len__(self) -> int:
        return len(self._parts)

    def number(self) -> int:
        """One for a report that is no stint's."""
        number, self._count = self._count, self._count + 1
        return number

    def begin(self) -> int:
        """The number of a stint that begins."""
        part = self.number()
        self._parts.add(part)
        return part

    def parts(self) -> frozenset[int]:
        """The numbers of those under way."""
        return frozenset(self._parts)

    def give_back(self, part: int, slots: frozenset[int]) -> frozenset[int]:
        """Note what a stint gives back; gives what is new: made anew, it gives the same again."""
        before = self._returned.get(part, _NONE)
        self._returned[part] = before | slots
        return slots - before

    def returned(self, part: int) -> frozenset[int]:
        """What a stint gave back so far."""
        return self._returned.get(part, _NONE)

    def settle(self, part: int, slots: Iterable[int]) -> None:
        """Note calls that a stint has made, while it goes on."""
        self._made.setdefault(part, set()).update(slots)

    def settled(self, part: int) -> frozenset[int]:
        """What of a stint is not waited for any more."""
        return self.returned(part).union(self._made.get(part, ()))

    def end(self, part: int) -> tuple[frozenset[int], frozenset[int]]:
        """Forget a stint; gives what it gave back, and what it had made while it went on."""
        self._parts.discard(part)
        return self._returned.pop(part, _NONE), frozenset(self._made.pop(part, ()))
