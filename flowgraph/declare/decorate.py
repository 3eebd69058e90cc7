"""The decorator that makes stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, Unpack, overload

from flowgraph.declare.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowgraph.declare.options import StageOptions

__all__ = ["stage"]

P = ParamSpec("P")
R = TypeVar("R")


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
    deadline : float, optional
        Seconds for an item over all its attempts and waits; past it there is
        no further attempt.
    max_concurrency : int, optional
        At most so many attempts at once, over the whole run and all nodes that
        use this stage.  A coroutine stage without it has 100 per worker slot.
    rate : float, optional
        At most so many attempts started per second, over the whole run.
    batch_size : int, optional
        Items per Dask task; default chosen by the compiler.
    pause : float, optional
        Seconds between the end of one batch of ``batch_size`` items and the
        start of the next; the items inside a batch run in parallel.
    sequential : bool
        One item at a time, in item order, each after the one before has ended.
    priority, resources, workers : optional
        Dask's annotations.

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
