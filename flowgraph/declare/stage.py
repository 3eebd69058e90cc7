"""A stage: a plain function, and how it is to be run."""

from __future__ import annotations

import functools
import inspect
import sys
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypedDict, TypeVar, Unpack, overload

from flowgraph.errors import GraphError
from flowgraph.runtime.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Stage", "StageOptions", "stage"]

P = ParamSpec("P")
R = TypeVar("R")


class StageOptions(TypedDict, total=False):
    """Options of a stage, all optional."""

    name: str | None
    """Shown in pictures, timings, errors and Dask keys; default the function's name."""
    retry: int | Retry | None
    """Attempts after the first, or when and how to make them."""
    timeout: float | None
    """Seconds for each attempt."""
    sequential: bool
    """One item at a time, in item order."""


class Stage(Generic[P, R]):
    """A function with options; calling it just calls the function.

    `stage` makes one.

    Attributes
    ----------
    function : callable
        The plain function.
    name : str
        Shown in pictures, timings, errors and Dask keys.
    retry : Retry or None
        When and how a failed attempt is repeated.
    timeout : float or None
        Seconds for each attempt.
    sequential : bool
        One item at a time, in item order.
    """

    __wrapped__: Callable[P, R]

    def __init__(self, function: Callable[P, R], **options: Unpack[StageOptions]) -> None:
        if isinstance(function, Stage):
            merged: StageOptions = {**function._options, **options}  # type: ignore[typeddict-item]
            function, options = function.function, merged
        _refuse(function)
        unknown = sorted(options.keys() - StageOptions.__optional_keys__)
        if unknown:
            raise GraphError.unknown_options(unknown, sorted(StageOptions.__optional_keys__))
        functools.update_wrapper(self, function, updated=())
        self.function = function
        self._options = options
        self.name = _name(options.get("name"), function)
        self.retry = _retry(options.get("retry"))
        self.timeout = _timeout(options.get("timeout"))
        self.sequential = bool(options.get("sequential", False))

    @classmethod
    def of(cls, function: Callable[P, R]) -> Stage[P, R]:
        """The stage itself, or one with default options around any other callable.

        Raises
        ------
        GraphError
            If it is not callable, or a coroutine function.
        """
        return function if isinstance(function, Stage) else cls(function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def options(self, **options: Unpack[StageOptions]) -> Stage[P, R]:
        """A copy with some options changed.

        Examples
        --------
        >>> stage(len, retry=2).options(name="length").retry.retries
        2
        """
        return Stage(self.function, **{**self._options, **options})

    def check(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Refuse arguments that do not fit the function.

        Raises
        ------
        GraphError
            With the function's signature.
        """
        signature, least, most = self._signature
        if signature is None or (not kwargs and least <= len(args) <= most):
            return
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            raise GraphError.wrong_arguments(self.name, signature, str(error)) from None

    @functools.cached_property
    def _signature(self) -> tuple[inspect.Signature | None, int, float]:
        """The function's signature; how many positional arguments alone surely fit."""
        try:
            signature = inspect.signature(self.function)
        except (TypeError, ValueError):  # some builtins have none
            return None, 0, 0
        least, most = 0, 0.0
        for parameter in signature.parameters.values():
            required = parameter.default is inspect.Parameter.empty
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                most = float("inf")
            elif parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                if required:
                    return signature, 1, 0
            elif parameter.kind is not inspect.Parameter.VAR_KEYWORD:
                least += required
                most += 1
        return signature, least, most

    def __reduce__(self) -> str | tuple[Any, ...]:
        found: Any = sys.modules.get(self.__module__)
        for part in self.__qualname__.split("."):
            found = getattr(found, part, None)
        if found is self:
            return self.__qualname__
        return _rebuild, (self.function, self._options)

    def __repr__(self) -> str:
        return f"<Stage {self.name}>"


def _rebuild(function: Callable[P, R], options: StageOptions) -> Stage[P, R]:
    return Stage(function, **options)


@overload
def stage(function: Callable[P, R], /, **options: Unpack[StageOptions]) -> Stage[P, R]: ...
@overload
def stage(
    **options: Unpack[StageOptions],
) -> Callable[[Callable[P, R]], Stage[P, R]]: ...
def stage(function: Callable[..., Any] | None = None, /, **options: Unpack[StageOptions]) -> Any:
    """A stage: a function with options for how it is run.  Also a decorator.

    Parameters
    ----------
    function : callable, optional
        Any callable; without it the result is a decorator.
    name : str, optional
        Shown in pictures, timings, errors and Dask keys; default the
        function's name.
    retry : int or Retry, optional
        Attempts after the first, or a `Retry`.
    timeout : float, optional
        Seconds for each attempt.  It is then abandoned and ends with a
        `StageTimeout`; its worker's slot is free at once.
    sequential : bool
        One item at a time, in item order, each after the one before has ended.

    Raises
    ------
    GraphError
        If an option is out of its range, or the function cannot be a stage.

    Examples
    --------
    >>> @stage(retry=2)
    ... def double(x):
    ...     return 2 * x
    >>> double(4)
    8
    >>> stage(len, name="length")
    <Stage length>
    """
    if function is None:
        return lambda decorated: Stage(decorated, **options)
    return Stage(function, **options)


def _refuse(function: Any) -> None:
    if not callable(function):
        raise GraphError.not_callable(function)
    plain = function.func if isinstance(function, functools.partial) else function
    call = getattr(type(plain), "__call__", None)
    if any(
        inspect.iscoroutinefunction(f) or inspect.isasyncgenfunction(f) for f in (plain, call)
    ):
        raise GraphError.coroutine(_name(None, function))


def _name(name: str | None, function: Any) -> str:
    if name is not None:
        if not isinstance(name, str) or not name:
            raise GraphError.bad_option("name", name, "a text that is not empty")
        return name
    while isinstance(function, functools.partial):
        function = function.func
    found = getattr(function, "__name__", None)
    return found if isinstance(found, str) else type(function).__name__


def _retry(retry: int | Retry | None) -> Retry | None:
    if retry is None or isinstance(retry, Retry):
        return retry
    made = Retry(retry)
    return made if made.retries else None


def _timeout(timeout: float | None) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise GraphError.bad_option("timeout", timeout, "a number of seconds above 0")
    return float(timeout)
