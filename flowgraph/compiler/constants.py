"""Constants as they were when they were declared, for one plan.

A graph is run again and again, and a stage may change a list that it was given.  So each plan
has lists and dicts of its own; other objects are shared, as they are when a node is declared.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from flowgraph.runtime.call import PLAIN, Nest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["own", "own_kwargs"]

_COPIED: Final = frozenset({list, dict, Nest})
_LOOKED_INTO: Final = (list, dict, tuple, Nest)


def own(templates: tuple[Any, ...]) -> tuple[Any, ...]:
    """Templates of arguments, with copies of the lists and dicts in them.

    What is the same object twice stays so.

    Examples
    --------
    >>> sizes = [800, 600]
    >>> own(("photos", sizes)) == ("photos", sizes)
    True
    >>> own(("photos", sizes))[1] is sizes
    False
    """
    return templates if _is_flat(templates) else tuple(_copies(templates, {}))


def own_kwargs(templates: Sequence[tuple[str, Any]]) -> tuple[tuple[str, Any], ...]:
    """The same of keyword arguments."""
    if not templates:
        return ()
    names, values = zip(*templates, strict=True)
    return tuple(zip(names, own(values), strict=True))


def _is_flat(templates: Iterable[Any]) -> bool:
    """True if nothing is to be copied among them; by their types, as there may be millions."""
    kinds = set(map(type, templates)) - PLAIN
    tuples = {kind for kind in kinds if issubclass(kind, tuple)}
    if tuples and _COPIED.isdisjoint(kinds):
        inside = chain.from_iterable(each for each in templates if type(each) in tuples)
        return not any(issubclass(kind, _LOOKED_INTO) for kind in set(map(type, inside)))
    return not tuples and _COPIED.isdisjoint(kinds)


def _copies(templates: Iterable[Any], made: dict[int, Any]) -> list[Any]:
    return [each if type(each) in PLAIN else _copy(each, made) for each in templates]


def _copy(template: Any, made: dict[int, Any]) -> Any:
    """A template's copy; ``made`` has those there are, by the id of what they are copies of."""
    kind, known = type(template), made.get(id(template), made)
    if known is not made:
        return known
    copy = template
    if kind is list:
        copy = template.copy() if _is_flat(template) else _copies(template, made)
    elif kind is dict:
        copy = template.copy()
        if not _is_flat(template.values()):
            copy.update(zip(template, _copies(template.values(), made), strict=True))
    elif kind is Nest:
        copy = replace(template, items=own(template.items))
    elif (kind is tuple or hasattr(kind, "_make")) and not _is_flat(template):
        copy = tuple(_copies(template, made))
        if kind is not tuple:
            copy = kind._make(copy)
    made[id(template)] = copy
    return copy
