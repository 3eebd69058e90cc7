"""A stage: a plain function, and how it is to be run."""

from __future__ import annotations

import functools
import inspect
import sys
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, Unpack, overload

from flowgraph.declare.options import (
    StageOptions,
    checked_flag,
    checked_name,
    checked_retry,
    checked_timeout,
)
from flowgraph.declare.signature import Signature
from flowgraph.errors import GraphError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flowgraph.runtime.retry import Retry

__all__ = ["Stage", "stage"]

P = ParamSpec("P")
R = TypeVar("R")

_STAYS = {"_signature", "__annotations__", "__type_params__"}


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
    __name__: str
    __qualname__: str

    def __init__(self, function: Callable[P, R], **options: Unpack[StageOptions]) -> None:
        unknown = sorted(options.keys() - StageOptions.__optional_keys__)
        if unknown:
            raise GraphError.unknown_options(unknown, sorted(StageOptions.__optional_keys__))
        function, inherited = _plain(function)
        _refuse(function)
        options = {**inherited, **options}
        default = _name_of(function)
        functools.update_wrapper(self, function, updated=())
        vars(self).setdefault("__name__", default)
        vars(self).setdefault("__qualname__", default)
        self.function = function
        self.name: str = checked_name(options.get("name"), default)
        self.retry: Retry | None = checked_retry(options.get("retry"))
        self.timeout = checked_timeout(options.get("timeout"))
        self.sequential = checked_flag("sequential", options.get("sequential", False))
        self._options = options

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
        """Just call the function."""
        return self.function(*args, **kwargs)

    def options(self, **options: Unpack[StageOptions]) -> Stage[P, R]:
        """A copy with some options changed.

        Examples
        --------
        >>> stage(len, retry=2).options(name="length").retry.retries
        2
        """
        merged: StageOptions = {**self._options, **options}
        return Stage(self.function, **merged)

    def check(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], *, at_least: bool = False
    ) -> None:
        """Refuse arguments that do not fit the function.

        Parameters
        ----------
        args : sequence
            Positional arguments; only their number counts.
        kwargs : mapping
            Keyword arguments; only their names count.
        at_least : bool
            More positional arguments will come in front, nobody knows yet how
            many.

        Raises
        ------
        GraphError
            With the function's signature.
        """
        reason = self._signature.refuses(args, kwargs, at_least=at_least)
        if reason is not None:
            raise GraphError.wrong_arguments(self.name, self._signature.text, reason)

    @functools.cached_property
    def _signature(self) -> Signature:
        return Signature(self.function)

    def __reduce__(self) -> str | tuple[Any, ...]:
        found = _at_home(self)
        if found is self:
            return str(self.__qualname__)
        if isinstance(found, Stage) and found.function is self.function:
            # The function cannot be pickled by its name: there is that other stage.
            return _changed, (found, self._options)
        return self.by_value()

    def by_value(self) -> tuple[Any, ...]:
        """How pickle takes it apart for a process that cannot import its module.

        Its parts are put in after it was made: a function may call the stage
        that it is in.
        """
        state = {key: part for key, part in vars(self).items() if key not in _STAYS}
        return object.__new__, (Stage,), state

    def __repr__(self) -> str:
        return f"<Stage {self.name}>"


def _at_home(thing: Any) -> Any:
    """What is found under a function's own module and name; None if nothing is."""
    found: Any = sys.modules.get(thing.__module__)
    for part in thing.__qualname__.split("."):
        found = getattr(found, part, None)
    return found


def _changed(stage: Stage[P, R], options: StageOptions) -> Stage[P, R]:
    return Stage(stage.function, **options)


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


def _plain(function: Any) -> tuple[Any, StageOptions]:
    """The function of a stage, also of a partial one, and the options that it had."""
    if isinstance(function, Stage):
        return function.function, function._options
    if type(function) is functools.partial and isinstance(function.func, Stage):
        stage = function.func
        plain = functools.partial(stage.function, *function.args, **function.keywords)
        return plain, {**stage._options, "name": stage.name}
    return function, {}


def _refuse(function: Any) -> None:
    if not callable(function):
        raise GraphError.not_callable(function)
    inner = _inner(function)
    for code in (inner, type(inner).__call__):
        if inspect.iscoroutinefunction(code) or inspect.isasyncgenfunction(code):
            raise GraphError.coroutine(_name_of(function))


def _inner(function: Any) -> Any:
    """What a partial calls in the end."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _name_of(function: Any) -> str:
    inner = _inner(function)
    found = getattr(inner, "__name__", None)
    return found if isinstance(found, str) and found else type(inner).__name__
