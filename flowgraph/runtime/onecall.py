"""One call as the plan says it, and what it takes to make it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flowgraph.runtime.attempt import Attempts, Site
from flowgraph.runtime.call import fill, listed
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.report import FAILED
from flowgraph.runtime.watch import watch_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from flowgraph.runtime.pace import Pace
    from flowgraph.runtime.scope import Scope

__all__ = ["UNREACHED", "OneCall", "Values", "blocked", "called_again", "ready"]

UNREACHED: Final = Skip(None)
"""Stands for the value of a call that was not made, as its run ended before."""

Values = list[Any] | dict[int, Any]
"""Values by their places."""


class OneCall(NamedTuple):
    """A single call, as the plan says it.

    A tuple: a frozen dataclass takes three times as long to make.
    """

    stage: int
    node: int
    name: str
    args: tuple[Any, ...]
    """Templates; their slots count in ``needs``."""
    kwargs: tuple[tuple[str, Any], ...]
    needs: tuple[int, ...]
    """Where the values that it needs are, among the inputs and the calls of its task."""
    condition: Any = True
    """Template of what must be true for the call to be made."""
    otherwise: int | None = None
    """The stage that is called if the condition is false; None for nothing."""


def blocked(call: OneCall, missing: Mapping[int, Failure | Skip]) -> Skip | None:
    """Why a call cannot be made."""
    return Skip.for_first(missing[k] for k in call.needs if k in missing)


def ready(
    scope: Scope, call: OneCall, values: Sequence[Any], pace: Pace | None
) -> Attempts | Failure | Skip:
    """The call with what it needs, ready to be made; or why it is not.

    Parameters
    ----------
    scope : Scope
        The task's notebook.
    call : OneCall
        What is to be called.
    values : sequence
        What it needs.
    pace : Pace or None
        When attempts may start.
    """
    stages = scope.control.code.stages()
    stage = stages[call.stage]
    if call.condition is not True:
        holds = _truth(scope, Site(stage, call.node, call.name), fill(call.condition, values))
        if isinstance(holds, Failure):
            return holds
        if not holds and call.otherwise is None:
            return Skip(call.name, failed=False)
        if not holds and call.otherwise is not None:
            stage = stages[call.otherwise]
    args = [fill(arg, values) for arg in call.args]
    kwargs = {name: fill(arg, values) for name, arg in call.kwargs}
    called = _awaited if stage.is_coroutine else _called
    site = Site(stage, call.node, call.name, pace=pace)
    return Attempts(
        scope, site, partial(called, stage.function, args, kwargs), watch_of(stage, scope)
    )


def called_again(function: Callable[..., Any], call: OneCall, values: Values) -> Any:
    """What a function gives for a call's arguments, which are put together again."""
    read = [values[need] for need in call.needs]
    args = [fill(arg, read) for arg in call.args]
    return _called(function, args, {name: fill(arg, read) for name, arg in call.kwargs})


def _called(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What a function gives, as `listed`."""
    return listed(function(*args, **kwargs))


async def _awaited(
    function: Callable[..., Awaitable[Any]], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    """What a coroutine function gives, as `listed`."""
    return listed(await function(*args, **kwargs))


def _truth(scope: Scope, site: Site, value: Any) -> bool | Failure:
    """The truth of a condition's value, or the failure of asking for it."""
    try:
        return bool(value)
    except Exception as error:
        now = scope.now()
        scope.note(site.node, None, None, 1, 1, FAILED, now, now)
        return site.failure(None, [error])
