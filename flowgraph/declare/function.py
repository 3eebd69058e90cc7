"""What kind of thing a function is, and what it is called."""

from __future__ import annotations

import functools
import inspect
from types import FunctionType
from typing import Any

from flowgraph.errors import GraphError

__all__ = ["inner", "is_coroutine", "is_lambda", "name_of", "refuse"]


def refuse(function: Any) -> None:
    """Refuse what cannot be a stage.

    Raises
    ------
    GraphError
        If it is not callable, or an asynchronous generator.
    """
    if not callable(function):
        raise GraphError.not_callable(function)
    if any(map(inspect.isasyncgenfunction, _codes(function))):
        raise GraphError.async_generator(name_of(function))


def is_coroutine(function: Any) -> bool:
    """True if calling it gives something to await."""
    return any(map(inspect.iscoroutinefunction, _codes(function)))


def _codes(function: Any) -> tuple[Any, Any]:
    """What may tell the kind of a callable: itself, or how its class is called."""
    called = inner(function)
    return called, type(called).__call__


def inner(function: Any) -> Any:
    """What a partial calls in the end."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


def is_lambda(function: Any) -> bool:
    """True for a lambda, also a partial one, whose name says nothing.

    Examples
    --------
    >>> is_lambda(lambda x: x), is_lambda(len)
    (True, False)
    """
    called = inner(function)
    return isinstance(called, FunctionType) and called.__name__ == "<lambda>"


def name_of(function: Any) -> str:
    """The name of a function, or of the class of another callable.

    Examples
    --------
    >>> name_of(functools.partial(pow, 2))
    'pow'
    """
    called = inner(function)
    found = getattr(called, "__name__", None)
    return found if isinstance(found, str) and found else type(called).__name__
