"""A stage: a plain function, and how it is to be run."""

from __future__ import annotations

import functools
import sys
from types import MethodType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar, Unpack, overload

from flowgraph.declare.function import is_coroutine, name_of, refuse
from flowgraph.declare.options import (
    StageOptions,
    checked_count,
    checked_flag,
    checked_name,
    checked_rate,
    checked_retry,
    checked_seconds,
    placement,
)
from flowgraph.declare.signature import Signature
from flowgraph.errors import GraphError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flowgraph.runtime.retry import Retry

__all__ = ["Stage"]

P = ParamSpec("P")
R = TypeVar("R")

_STAYS = {"positional", "_signature", "__annotations__", "__type_params__"}


class Stage(Generic[P, R]):
    """A function with options; calling it just calls the function.

    `flowgraph.stage` makes one.

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
    deadline : float or None
        Seconds for an item over all its attempts and waits.
    max_concurrency : int or None
        Attempts at once, over the whole run.
    rate : float or None
        Attempts started per second, over the whole run.
    batch_size : int or None
        Items per Dask task.
    pause : float or None
        Seconds between one batch of items and the next.
    sequential : bool
        One item at a time, in item order.
    placement : dict
        Dask's annotations: priority, resources, workers.
    is_coroutine : bool
        True if calling the function gives something to await.
    """

    __wrapped__: Callable[P, R]
    __name__: str
    __qualname__: str

    def __init__(self, function: Callable[P, R], **options: Unpack[StageOptions]) -> None:
        unknown = sorted(options.keys() - StageOptions.__optional_keys__)
        if unknown:
            raise GraphError.unknown_options(unknown, sorted(StageOptions.__optional_keys__))
        function, inherited = _plain(function)
        refuse(function)
        options = {**inherited, **options}
        default = name_of(function)
        functools.update_wrapper(self, function, updated=())
        vars(self).setdefault("__name__", default)
        vars(self).setdefault("__qualname__", default)
        self.function = function
        self.name: str = checked_name(options.get("name"), default)
        self.retry: Retry | None = checked_retry(options.get("retry"))
        self.timeout = checked_seconds("timeout", options.get("timeout"))
        self.deadline = checked_seconds("deadline", options.get("deadline"))
        self.max_concurrency = checked_count("max_concurrency", options.get("max_concurrency"))
        self.rate = checked_rate(options.get("rate"))
        self.batch_size = checked_count("batch_size", options.get("batch_size"))
        self.pause = checked_seconds("pause", options.get("pause"), zero=True)
        self.sequential = checked_flag("sequential", options.get("sequential", False))
        self.placement = placement(options)
        self.is_coroutine = is_coroutine(function)
        self._options = options

    @classmethod
    def of(cls, function: Callable[P, R]) -> Stage[P, R]:
        """The stage itself, or one with default options around any other callable.

        Raises
        ------
        GraphError
            If it is not callable, or an asynchronous generator.
        """
        return function if isinstance(function, Stage) else cls(function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Just call the function."""
        return self.function(*args, **kwargs)

    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None, /) -> Stage[..., R]: ...
    def __get__(self, instance: object, owner: type | None = None, /) -> Stage[..., R]:
        """As a method it binds as its function does, and keeps its options."""
        bind = getattr(type(self.function), "__get__", None)
        bound = self.function if bind is None else bind(self.function, instance, owner)
        return self if bound is self.function else Stage(bound, **self._options)

    def has_options_of(self, other: Stage[..., Any]) -> bool:
        """True if another stage has the same options."""
        return self._options == other._options

    def options(self, **options: Unpack[StageOptions]) -> Stage[P, R]:
        """A copy with some options changed.

        Examples
        --------
        >>> Stage(len, retry=2).options(name="length").retry.retries
        2
        """
        merged: StageOptions = {**self._options, **options}
        return Stage(self.function, **merged)

    def check(
        self,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        at_least: bool = False,
        gets: str | None = None,
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
        gets : str, optional
            What it is called with, for the error; default what the user gives.

        Raises
        ------
        GraphError
            With the function's signature.
        """
        reason = self._signature.refuses(args, kwargs, at_least=at_least)
        if reason is not None:
            raise GraphError.wrong_arguments(self.name, self._signature.text, reason, gets)

    @functools.cached_property
    def _signature(self) -> Signature:
        return Signature(self.function)

    @functools.cached_property
    def positional(self) -> tuple[int, float]:
        """The fewest and the most positional arguments that surely fit, without others."""
        return self._signature.positional

    @property
    def given(self) -> dict[str, Any]:
        """The options that were given."""
        return dict(self._options)

    # `inspect.iscoroutinefunction` asks whatever looks like a function for these.

    @property
    def __code__(self) -> Any:
        return self.function.__code__

    @property
    def __defaults__(self) -> Any:
        return self.function.__defaults__

    @property
    def __kwdefaults__(self) -> Any:
        return self.function.__kwdefaults__

    def __reduce__(self) -> str | tuple[Any, ...]:
        found = _at_home(self)
        if found is self:
            return str(self.__qualname__)
        if isinstance(found, Stage) and found.function is self.function:
            # The function cannot be pickled by its name: there is that other stage.
            return _changed, (found, self._options)
        method: Any = self.function
        of_method = isinstance(method, MethodType) and isinstance(found, Stage)
        if of_method and found.function is method.__func__:
            return _bound, (found, method.__self__, self._options)
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


def _bound(stage: Stage[..., R], instance: object, options: StageOptions) -> Stage[..., R]:
    return stage.__get__(instance).options(**options)


def _plain(function: Any) -> tuple[Any, StageOptions]:
    """The function of a stage, also of a partial one, and the options that it had."""
    if isinstance(function, Stage):
        return function.function, function._options
    if type(function) is functools.partial and isinstance(function.func, Stage):
        stage = function.func
        plain = functools.partial(stage.function, *function.args, **function.keywords)
        return plain, {**stage._options, "name": stage.name}
    if isinstance(function, MethodType) and isinstance(function.__func__, Stage):
        stage = function.__func__  # of a classmethod
        return MethodType(stage.function, function.__self__), {**stage._options, "name": stage.name}
    return function, {}
