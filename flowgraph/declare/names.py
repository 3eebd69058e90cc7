"""Names for nodes: those that were given, and defaults made unique."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

__all__ = ["Names", "numbered"]


class Names:
    """Makes names that nobody has.

    Parameters
    ----------
    taken : container of str
        The names that there are; it grows.

    Examples
    --------
    >>> taken = {"load", "load-3"}
    >>> names = Names(taken)
    >>> for _ in range(3):
    ...     taken.add(names.unique("load"))
    >>> sorted(taken)
    ['load', 'load-2', 'load-3', 'load-4', 'load-5']
    """

    def __init__(self, taken: Container[str]) -> None:
        self._taken = taken
        self._counts: dict[str, int] = {}

    def unique(self, default: str) -> str:
        """A default, with a number if it is taken."""
        taken, counts = self._taken, self._counts
        count = counts.get(default)
        if count is None:
            if default not in taken:
                return default
            count = 1
        count += 1
        while (made := numbered(default, count)) in taken:
            count += 1
        counts[default] = count
        return made

    def alike(self, default: str, many: int) -> list[str]:
        """What `unique` would give one after the other, if each were taken at once."""
        first = self.unique(default)
        begin = self._counts.get(default, 1) + 1
        others = [f"{default}-{count}" for count in range(begin, begin + many - 1)]
        taken = self._taken
        if clashes := [name for name in others if name in taken]:
            known, count = set(clashes), begin + many - 2
            others = [name for name in others if name not in known]
            while len(others) < many - 1:
                count += 1
                if (name := numbered(default, count)) not in taken:
                    others.append(name)
            self._counts[default] = count
        elif others:
            self._counts[default] = begin + many - 2
        return [first, *others]


def numbered(default: str, count: int) -> str:
    """What `Names.unique` gives the last of so many, if no other name is in its way.

    Examples
    --------
    >>> numbered("load", 1), numbered("load", 2)
    ('load', 'load-2')
    """
    return default if count == 1 else f"{default}-{count}"
