"""Constants as they were when they were declared, for one plan.

A graph is run again and again, and a stage may change a list that it was given.  So each plan
has lists and dicts of its own; other objects are shared, as they are when a node is declared.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flowgraph.declare.arguments import is_plain
from flowgraph.declare.inside import worth_a_look
from flowgraph.runtime.call import PLAIN, Nest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flowgraph.declare.steps import Call, Each

__all__ = ["own", "own_call"]


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
    return tuple(_copies(args, {}))


def own_call(call: Call | Each) -> tuple[tuple[Any, ...], tuple[tuple[str, Any], ...]]:
    """The positional arguments of a call and those by keyword, with copies as by `own`."""
    args, kwargs = call.args, call.kwargs
    if is_plain(call):
        return args, kwargs
    made = own(*args, *[value for _, value in kwargs])
    names = [name for name, _ in kwargs]
    return made[: len(args)], tuple(zip(names, made[len(args) :], strict=True))


def _copies(templates: Iterable[Any], made: dict[int, Any]) -> list[Any]:
    return [each if type(each) in PLAIN else _copy(each, made) for each in templates]


def _copy(template: Any, made: dict[int, Any]) -> Any:
    """A template's copy; ``made`` has those there are, by the id of what they are copies of."""
    kind, known = type(template), made.get(id(template), made)
    if known is not made:
        return known
    copy = template
    if kind is list:
        copy = _copies(template, made) if worth_a_look(template) else template.copy()
    elif kind is dict:
        copy = template.copy()
        if worth_a_look(template.values()):
            copy.update(zip(template, _copies(template.values(), made), strict=True))
    elif kind is Nest:
        copy = replace(template, items=tuple(_copies(template.items, made)))
    elif (kind is tuple or hasattr(kind, "_make")) and worth_a_look(template):
        copy = tuple(_copies(template, made))
        if kind is not tuple:
            copy = kind._make(copy)
    made[id(template)] = copy
    return copy
