"""What a function of a keyed operation gives for each value of a block, at the speed of C.

Nothing is guessed: a function of the user's is called for each value, unless its
code does no more than return a constant, which nobody can tell from a call.
"""

from __future__ import annotations

import dis
import operator
from collections import deque
from functools import partial
from itertools import groupby
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["all_are", "all_ones", "caller", "is_constant", "key_caller"]

_PLAIN: Final = bool, bytes, float, int, str
"""Types that can be hashed, and that give back what is of them already."""

_CONSTANT: Final = frozenset(
    ("RESUME", "NOP", "LOAD_CONST", "LOAD_SMALL_INT", "RETURN_CONST", "RETURN_VALUE")
)
"""Instructions of a function that returns a constant and does nothing else."""


def caller(function: Callable[[Any], Any]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """What gives a function's results for a block.

    Examples
    --------
    >>> caller(str.lower)(["A", "B"]), caller(lambda _: 1)("ab")
    (['a', 'b'], [1, 1])
    """
    if is_constant(function):
        return partial(_alike, function)
    if type(function) is FunctionType:  # Python calls its own functions quicker than map does
        return lambda values: [function(value) for value in values]
    return partial(_mapped, function)


def key_caller(function: Callable[[Any], Any]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """The same for results that a dict can take; one that it cannot raises.

    What a plain type makes of values that are of it is they themselves.

    Examples
    --------
    >>> key_caller(str)(["a", 1]), key_caller(len)(["a", ""])
    (['a', '1'], [1, 0])
    >>> key_caller(list)(["a"])
    Traceback (most recent call last):
    TypeError: unhashable type: 'list'
    """
    call = caller(function)
    for kind in _PLAIN:
        if function is kind:
            return lambda values: values if all_are(kind, values) else _hashable(call(values))
    return lambda values: _hashable(call(values))


def is_constant(function: Callable[[Any], Any]) -> bool:
    """True if a function's code does no more than return a constant.

    Examples
    --------
    >>> is_constant(lambda _: 1), is_constant(lambda value: value), is_constant(len)
    (True, False, False)
    """
    if type(function) is not FunctionType or len(function.__code__.co_code) > 8:  # noqa: PLR2004
        return False
    return _CONSTANT.issuperset(step.opname for step in dis.get_instructions(function))


def all_are(kind: type, values: Sequence[Any]) -> bool:
    """True if all values are of a type, and not of one that is derived from it.

    Examples
    --------
    >>> all_are(int, [1, 2]), all_are(int, [1, True])
    (True, False)
    """
    return all(found is kind for found, _ in groupby(values, type))


def all_ones(values: Sequence[Any]) -> bool:
    """True if all values are the integer 1: no bool, no float, nothing with an ``==`` of its own.

    Examples
    --------
    >>> all_ones([1, 1]), all_ones([1, True]), all_ones([1, 2])
    (True, False, False)
    """
    if (
        not len(values)
        or type(values[0]) is not int
        or type(values[-1]) is not int
        or values[0] != 1
    ):
        return False
    return all_are(int, values) and operator.countOf(values, 1) == len(values)


def _hashable(keys: Sequence[Any]) -> Sequence[Any]:
    if len(keys) and not (type(keys[0]) in _PLAIN and all_are(type(keys[0]), keys)):
        deque(map(hash, keys), maxlen=0)
    return keys


def _alike(function: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
    """The first value's result for all: called once, it raises if it does not take one value."""
    return [function(value) for value in values[:1]] * len(values)


def _mapped(function: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
    made = list(map(function, values))
    if len(made) < len(values):
        raise StopIteration(f"raised by {function!r}")  # map took it for its own end
    return made
