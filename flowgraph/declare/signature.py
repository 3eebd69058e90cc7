"""Whether arguments fit a function, asked once for each shape of a call."""

from __future__ import annotations

import functools
import inspect
from math import inf
from types import BuiltinFunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Signature"]

_CACHED = type(functools.lru_cache(len))


class Signature:
    """What a function takes; a function that does not say takes anything.

    Parameters
    ----------
    function : callable
        Any callable.

    Attributes
    ----------
    positional : (int, float)
        How many positional arguments alone surely fit: least and most.
    """

    __slots__ = ("_fitting", "_signature", "positional")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._signature = _signature_of(function)
        self.positional = _positional(self._signature)
        self._fitting: set[tuple[object, ...]] = set()

    @property
    def text(self) -> str:
        """As Python writes it."""
        return str(self._signature)

    def refuses(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], *, at_least: bool = False
    ) -> str | None:
        """Why arguments do not fit; None if they do.

        Parameters
        ----------
        args : sequence
            Positional arguments; only their number counts.
        kwargs : mapping
            Keyword arguments; only their names count.
        at_least : bool
            More positional arguments will come in front, nobody knows yet how
            many.

        Examples
        --------
        >>> Signature(divmod).refuses([7], {})
        "missing a required argument: 'y'"
        """
        count = len(args)
        least, most = self.positional
        if not kwargs and (at_least or least <= count) and count <= most:
            return None
        shape = (at_least, count, *kwargs)
        if self._signature is None or shape in self._fitting:
            return None
        bind = self._signature.bind_partial if at_least else self._signature.bind
        try:
            bind(*args, **kwargs)
        except TypeError as error:
            return str(error)
        self._fitting.add(shape)
        return None


def _signature_of(function: Any) -> inspect.Signature | None:
    while isinstance(function, _CACHED):
        function = function.__wrapped__
    return _signature_of_lasting(function) if _lasts(function) else _inspected(function)


def _lasts(function: Any) -> bool:
    """True for what the interpreter brings along, such as `operator.add` and `str`."""
    if isinstance(function, BuiltinFunctionType):
        return isinstance(function.__self__, ModuleType)
    return isinstance(function, type) and function.__module__ == "builtins"


@functools.lru_cache(maxsize=256)
def _signature_of_lasting(function: Any) -> inspect.Signature | None:
    """The same, asked once: Python reads it from a text, which takes 0.1 ms."""
    return _inspected(function)


def _inspected(function: Any) -> inspect.Signature | None:
    try:
        # Not through other wrappers: a decorator may take or give arguments of its own.
        return inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):  # some builtins have none
        return None


def _positional(signature: inspect.Signature | None) -> tuple[int, float]:
    if signature is None:
        return 0, inf
    least, most = 0, 0.0
    for parameter in signature.parameters.values():
        required = parameter.default is inspect.Parameter.empty
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            most = inf
        elif parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            if required:
                return 0, -1
        elif parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            least += required
            most += 1
    return least, most
