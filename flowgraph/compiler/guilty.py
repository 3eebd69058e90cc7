"""Which part of a thing cannot be pickled, as its user would recognise it."""

from __future__ import annotations

from functools import partial
from itertools import chain, filterfalse
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["guilty_part"]


def guilty_part(thing: Any, travels: Callable[[Any], bool]) -> str:
    """The innermost part that does not travel, in words.

    Parameters
    ----------
    thing : object
        What does not travel.
    travels : callable
        Says whether a part does.

    Examples
    --------
    >>> guilty_part([1, {"k": [None, 2]}], lambda part: part in (1, 2))
    'None'
    """
    seen: set[int] = set()  # a container may contain itself
    rest: list[Iterator[Any]] = [iter((thing,))]
    while rest:
        for part in rest[-1]:
            if id(part) not in seen:
                break
        else:
            rest.pop()
            continue
        seen.add(id(part))
        for name, used in _used(part):
            if not travels(used):
                return f"'{name}' = {_shown(used)}, which it uses,"
        guilty = filterfalse(travels, _inside(part))
        try:
            first = next(guilty)
        except StopIteration:
            return _shown(part)
        rest.append(chain((first,), guilty))
    return _shown(thing)


def _used(thing: Any) -> Iterator[tuple[str, Any]]:
    """What a function uses that is not its own, by name."""
    function = thing.func if isinstance(thing, partial) else thing
    function = function.__func__ if isinstance(function, MethodType) else function
    if not isinstance(function, FunctionType):
        return
    code = function.__code__
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            value = cell.cell_contents
        except ValueError:  # nothing was assigned to it yet
            continue
        yield name, value
    for name in code.co_names:
        if name in function.__globals__:
            yield name, function.__globals__[name]


def _inside(thing: Any) -> Iterable[Any]:
    if isinstance(thing, (list, tuple)):
        return thing
    return thing.values() if isinstance(thing, dict) else ()


def _shown(thing: Any) -> str:
    try:
        return repr(thing)
    except Exception:  # a class of the user's may not be able to
        return f"an object of type {type(thing).__name__}"
