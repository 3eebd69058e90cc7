"""Combining values two by two, as `functools.reduce` does, but as quickly as it can be done."""

from __future__ import annotations

import operator
from functools import reduce
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["fold"]


def fold(function: Callable[[Any, Any], Any], values: Sequence[Any]) -> Any:
    """``functools.reduce(function, values)``, whatever the values are and raise.

    The greatest or least of many values is found, and numbers are added up,
    five to ten times as quickly by ``max``, ``min`` and ``sum``.

    Parameters
    ----------
    function : callable
        Combines two values.
    values : sequence
        At least one.

    Examples
    --------
    >>> fold(operator.add, [1, 2, 3]), fold(operator.add, ["a", "b"])
    (6, 'ab')
    >>> fold(max, [2, 3, 1])
    3
    """
    # Both compare each value with the best one before it.
    if function is max or function is min:
        return function(values)
    if function is operator.add and type(values[0]) is type(values[-1]) is int:
        total = sum(values)
        # Integers alone give one: `sum` does not round floats each time, as addition does.
        if type(total) is int:
            return total
    return reduce(function, values)
