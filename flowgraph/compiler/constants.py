"""Constants as they were when they were declared, for one plan.

A graph is run again and again, and a stage may change a list that it was given.  So each plan
has lists and dicts of its own; other objects are shared, as they are when a node is declared.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from flowgraph.runtime.call import PLAIN, InOrder, Nest, Slot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flowgraph.declare.steps import Call, Each

__all__ = ["own", "own_call"]

_PLAIN_OR_SLOT: Final = PLAIN | {Slot}
_COPIED: Final = frozenset({list, dict, Nest})
_LOOKED_INTO: Final = (list, dict, tuple, Nest)


def own(*args: Any) -> tuple[Any, ...]:
    """Templates of arguments, with copies of the lists and dicts in them.

    What is the same object twice stays so.

    Examples
    --------
    >>> sizes = [800, 600]
    >>> copied, again = own(sizes, sizes)
    >>> copied == sizes, copied is sizes, again is copied
    (True, False, True)
    """
    return args if _is_flat(args) else tuple(_copies(args, {}))


def own_call(call: Call | Each) -> tuple[tuple[Any, ...], tuple[tuple[str, Any], ...]]:
    """The positional arguments of a call and those by keyword, with copies as by `own`."""
    args, kwargs = call.args, call.kwargs
    if not kwargs:
        return (args if _is_plain(args) else own(*args)), kwargs
    names, values = zip(*kwargs, strict=True)
    made = own(*args, *values)
    return made[: len(args)], tuple(zip(names, made[len(args) :], strict=True))


def _is_plain(args: tuple[Any, ...]) -> bool:
    """True if there is nothing but nodes and constants of the commonest types; quickly."""
    return type(args) is InOrder or all(map(_PLAIN_OR_SLOT.__contains__, map(type, args)))


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
        copy = replace(template, items=tuple(_copies(template.items, made)))
    elif (kind is tuple or hasattr(kind, "_make")) and not _is_flat(template):
        copy = tuple(_copies(template, made))
        if kind is not tuple:
            copy = kind._make(copy)
    made[id(template)] = copy
    return copy
