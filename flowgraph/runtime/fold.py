"""Combining values two by two, as `functools.reduce` does, but as quickly as it can be done."""

from __future__ import annotations

import operator
import sys
from functools import reduce
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["fold"]

_PLAIN_SUM: Final = sys.version_info < (3, 12)


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
    # From an integer on `sum` adds just so, but since Python 3.12 it rounds floats in the end only.
    if function is operator.add and type(values[0]) is int and (_PLAIN_SUM or _all_int(values)):
        return sum(values)
    return reduce(function, values)


def _all_int(values: Sequence[Any]) -> bool:
    return all(kind is int for kind, _ in groupby(values, type))
