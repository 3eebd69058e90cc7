"""The event loop of a process: in a thread of its own, so that it works wherever a task runs.

A caller may sit in a running loop itself, as in a notebook; a task's thread
only waits here, and looks now and then whether its run is over.
"""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import Future, wait
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final, TypeVar

from flowgraph.errors import StageTimeout

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from flowgraph.runtime.code import Stage
    from flowgraph.runtime.scope import Scope

__all__ = ["call_on_loop", "limited", "on_the_loop", "run_alone", "run_on_loop", "the_loop"]

T = TypeVar("T")

_LOOK: Final = 0.1
"""Seconds between looks at whether the run is over."""

_loops: dict[int, asyncio.AbstractEventLoop] = {}
_starting = threading.Lock()
_abandoned: set[asyncio.Task[Any]] = set()
"""Attempts that ran out of time and have not ended yet: asyncio itself keeps no reference."""


def run_on_loop(coroutine: Coroutine[Any, Any, T], scope: Scope) -> T:
    """The value of a coroutine, which runs on this process's loop with the caller's context.

    Raises
    ------
    Halt
        If the run is over; the coroutine is cancelled.
    BaseException
        What the coroutine raises.
    """
    loop = the_loop()
    answer: Future[T] = Future()
    started: list[asyncio.Task[None]] = []

    async def settle() -> None:
        try:
            answer.set_result(await coroutine)
        except BaseException as error:
            # None may leave: asyncio ends the whole loop at a SystemExit.
            answer.set_exception(error)

    def start() -> None:
        task = loop.create_task(settle())
        task.add_done_callback(lambda _: coroutine.close())  # it may have been cancelled unbegun
        started.append(task)

    def cancel() -> None:
        for task in started:
            task.cancel()

    loop.call_soon_threadsafe(start, context=copy_context())
    try:
        while not wait([answer], _LOOK).done:
            scope.check()
    except BaseException:
        loop.call_soon_threadsafe(cancel)
        raise
    return answer.result()


def call_on_loop(scope: Scope, stage: Stage, call: Callable[[], Awaitable[T]]) -> T:
    """The value of one call of a coroutine function, under its stage's time limit.

    Raises
    ------
    Halt
        If the run is over.
    BaseException
        What the call raises, or a `StageTimeout`.
    """
    value, error = run_on_loop(limited(call, stage.timeout, stage.name, scope.check), scope)
    if error is not None:
        raise error
    return value  # type: ignore[return-value]


def run_alone(awaitable: Awaitable[T]) -> T:
    """The value of something that is awaited, on this process's loop."""
    settled = _settled(lambda: awaitable)
    value, error = asyncio.run_coroutine_threadsafe(settled, the_loop()).result()
    if error is not None:
        raise error
    return value  # type: ignore[return-value]


def _goes_on() -> None:
    """What is asked where no run could be over."""


async def limited(
    call: Callable[[], Awaitable[T]],
    seconds: float | None,
    stage: str,
    check: Callable[[], object] = _goes_on,
) -> tuple[T | None, BaseException | None]:
    """What an attempt gives or raises; cancelled and left behind if it takes too long.

    Parameters
    ----------
    call : callable
        Makes what is awaited.
    seconds : float or None
        Limit.
    stage : str
        Named in the `flowgraph.StageTimeout`.
    check : callable
        Asked just before the call is made, which may be long after this was handed to the loop,
        if coroutines block it.

    Raises
    ------
    Halt
        If `check` does: the run is over.
    """
    if seconds is None:
        return await _settled(call, check)
    task = asyncio.ensure_future(_settled(call, check))
    try:
        await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if task.done():
        return task.result()
    _abandoned.add(task)
    task.add_done_callback(_abandoned.discard)
    task.cancel()
    return None, StageTimeout(stage, seconds)


async def _settled(
    call: Callable[[], Awaitable[T]], check: Callable[[], object] = _goes_on
) -> tuple[T | None, BaseException | None]:
    check()
    try:
        return await call(), None
    except asyncio.CancelledError as error:
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            raise
        return None, error  # the stage's own
    except BaseException as error:
        return None, error


def the_loop() -> asyncio.AbstractEventLoop:
    """The loop of this process; a forked one has none of its own yet."""
    pid = os.getpid()
    with _starting:
        loop = _loops.get(pid)
        if loop is None:
            loop = _loops[pid] = asyncio.new_event_loop()
            name = "flowgraph-loop"
            threading.Thread(target=_serve, args=(loop,), name=name, daemon=True).start()
    return loop


def on_the_loop() -> bool:
    """True in the thread of the loop: who waits there for a coroutine waits for ever."""
    try:
        return asyncio.get_running_loop() is _loops.get(os.getpid())
    except RuntimeError:
        return False


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop; a SystemExit in a task that the user's code began ends no more than that."""
    while True:
        try:
            return loop.run_forever()
        except (SystemExit, KeyboardInterrupt):  # its task has it; the others go on
            continue
