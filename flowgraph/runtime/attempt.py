"""One call with all its attempts: retry, back-off, time limit, record."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

from flowgraph.errors import StageTimeout
from flowgraph.runtime.failure import Failure
from flowgraph.runtime.scope import (
    FAILED,
    OK,
    RETRIED,
    TIMED_OUT,
    TIMED_OUT_RETRIED,
    Halt,
    here,
)
from flowgraph.runtime.setting import ignore_signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowgraph.runtime.code import Stage
    from flowgraph.runtime.positions import Index
    from flowgraph.runtime.scope import Scope
    from flowgraph.runtime.watch import Watch

__all__ = ["Site", "attempt", "is_interrupt", "next_delay", "outcome_of", "own_frames_off"]


class Site:
    """Which call is meant: the stage, its node, and how many calls a success counts."""

    __slots__ = ("count", "name", "node", "stage")

    def __init__(self, stage: Stage, node: int, name: str, count: int = 1) -> None:
        self.stage = stage
        self.node = node
        self.name = name
        self.count = count

    def failure(self, index: Index | None, errors: list[BaseException]) -> Failure:
        """The final failure of the call, after these errors."""
        return Failure(self.stage.name, self.name, index, len(errors), here(), tuple(errors))


def attempt(
    scope: Scope, site: Site, call: Callable[[], Any], watch: Watch | None = None
) -> Any | Failure:
    """The value of ``call()``, or the failure after its last attempt.

    Parameters
    ----------
    scope : Scope
        Gets the records; also says how to wait.
    site : Site
        Whose call it is.
    call : callable
        Takes no arguments.
    watch : Watch, optional
        Runs the call under the stage's time limit.

    Raises
    ------
    Halt
        If the run is over.
    KeyboardInterrupt
        If the user interrupts the main thread.
    """
    errors: list[BaseException] = []
    while True:
        begun = scope.now()
        error: BaseException
        try:
            value = call() if watch is None else watch.call(call)
        except BaseException as raised:
            if is_interrupt(raised):
                raise
            error = own_frames_off(raised, 1)
        else:
            scope.note(site.node, None, None, site.count, len(errors) + 1, OK, begun, scope.now())
            return value
        ended = scope.now()
        errors.append(error)
        delay = next_delay(site.stage, errors)
        # A retried attempt counts as one call, also where a success counts none.
        count = site.count if delay is None else 1
        outcome = outcome_of(error, final=delay is None)
        scope.note(site.node, None, None, count, len(errors), outcome, begun, ended)
        if delay is None:
            return site.failure(None, errors)
        scope.sleep(delay)


def next_delay(stage: Stage, errors: list[BaseException]) -> float | None:
    """Seconds until the next attempt after these errors; None if there is none."""
    retry = stage.retry
    if retry is None or len(errors) > retry.retries:
        return None
    try:
        wanted = retry.wants(errors[-1])
    except Exception as broken:
        errors[-1].add_note(f"The retry condition of stage '{stage.name}' raised {broken!r}.")
        return None
    return retry.delay(len(errors) - 1) if wanted else None


def outcome_of(error: BaseException, *, final: bool) -> int:
    """How the record of a failed attempt calls it."""
    if isinstance(error, StageTimeout):
        return TIMED_OUT if final else TIMED_OUT_RETRIED
    return FAILED if final else RETRIED


def is_interrupt(error: BaseException) -> bool:
    """True for what must leave the task: the end of the run, or Ctrl-C in the main thread.

    In any other thread, and in a process that ignores SIGINT, a
    KeyboardInterrupt can only come from the stage itself.
    """
    if isinstance(error, Halt):
        return True
    return (
        isinstance(error, KeyboardInterrupt)
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) not in (signal.SIG_IGN, ignore_signal)
    )


def own_frames_off(error: BaseException, levels: int) -> BaseException:
    """The error with a traceback that begins where the user's code does."""
    frames = error.__traceback__
    for _ in range(levels):
        if frames is None or frames.tb_next is None:
            break
        frames = frames.tb_next
    return error.with_traceback(frames)
