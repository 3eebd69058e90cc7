"""One call with all its attempts: retry, back-off, time limit, record."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any, Final

from flowgraph.errors import StageTimeout
from flowgraph.errors.wording import Mend, safe_repr
from flowgraph.runtime.failure import Failure, annotate
from flowgraph.runtime.report import FAILED, OK, RETRIED, TIMED_OUT, TIMED_OUT_RETRIED
from flowgraph.runtime.scope import Halt, here
from flowgraph.runtime.setting import ignore_signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowgraph.runtime.code import Stage
    from flowgraph.runtime.pace import Pace
    from flowgraph.runtime.positions import Index
    from flowgraph.runtime.scope import Scope
    from flowgraph.runtime.watch import Watch

__all__ = [
    "LATER",
    "Attempts",
    "Site",
    "attempt",
    "is_interrupt",
    "is_late",
    "next_delay",
    "outcome_of",
    "own_frames_off",
]

_OWN: Final = os.path.dirname(__file__) + os.sep


class _Later:
    """Stands for the value of a call that is to be tried again."""


LATER: Final = _Later()


class Site:
    """Which call is meant: the stage, its node, how many calls a success counts, and its pace."""

    __slots__ = ("count", "name", "node", "pace", "stage")

    def __init__(
        self, stage: Stage, node: int, name: str, count: int = 1, pace: Pace | None = None
    ) -> None:
        self.stage = stage
        self.node = node
        self.name = name
        self.count = count
        self.pace = pace

    def failure(self, index: Index | None, errors: list[BaseException]) -> Failure:
        """The final failure of the call, after these errors."""
        return Failure(self.stage.name, self.name, index, len(errors), here(), tuple(errors))


class Attempts:
    """One call, and its attempts so far.

    Parameters
    ----------
    scope : Scope
        Gets the records.
    site : Site
        Whose call it is.
    call : callable
        Takes no arguments.
    watch : Watch, optional
        Runs the call under the stage's time limit.
    calls : int
        How many calls of the stage it makes.
    """

    __slots__ = (
        "_calls",
        "_errors",
        "_noted",
        "_scope",
        "_since",
        "_site",
        "_watch",
        "call",
        "due",
    )

    def __init__(
        self,
        scope: Scope,
        site: Site,
        call: Callable[[], Any],
        watch: Watch | None = None,
        calls: int = 1,
    ) -> None:
        self._scope = scope
        self._calls = calls
        self._site = site
        self.call = call
        self._watch = watch
        self._errors: list[BaseException] = []
        self._since: float | None = None
        self._noted = (0, 0)
        self.due = 0.0
        """When the next attempt is to be made."""

    def make(self) -> Any | Failure:
        """The value, the failure after the last attempt, or LATER: another one is due.

        Raises
        ------
        Halt
            If the run is over.
        KeyboardInterrupt
            If the user interrupts the main thread.
        """
        begun = self.begin()
        if isinstance(begun, Failure):
            return begun
        call, watch = self.call, self._watch
        try:
            value = call() if watch is None else watch.call(call)
        except BaseException as raised:
            return self.failed(raised, begun)
        self.succeeded(begun, self._scope.now())
        return value

    def begin(self) -> float | Failure:
        """When an attempt begins, after what its pace wants; the failure if that is too late.

        Raises
        ------
        Halt
            If the run is over.
        """
        scope, site = self._scope, self._site
        if site.pace is not None:
            scope.sleep(site.pace.reserve(scope.now()))
        begun = scope.now()
        if self._since is None:
            self._since = begun
        elif is_late(site.stage, self._errors, begun - self._since):
            scope.change(self._noted, outcome_of(self._errors[-1], final=True))
            return site.failure(None, self._errors)
        return begun

    def succeeded(self, begun: float, ended: float) -> None:
        """Note that the call is made."""
        site, attempt = self._site, len(self._errors) + 1
        self._scope.note(site.node, None, None, site.count, attempt, OK, begun, ended, self._calls)

    @property
    def stage(self) -> Stage:
        """Whose attempts they are."""
        return self._site.stage

    def close(self) -> None:
        """Let go of what kept the time limit."""
        if self._watch is not None:
            self._watch.leave()

    def failed(self, raised: BaseException, begun: float, ended: float | None = None) -> Any:
        """What `make` gives after an attempt that failed, which may have been made elsewhere.

        Parameters
        ----------
        raised : BaseException
            What it raised.
        begun, ended : float
            When; ``ended`` left out for now.

        Raises
        ------
        BaseException
            What was raised, if it is to leave the task.
        """
        if is_interrupt(raised):
            raise raised
        error = own_frames_off(raised)
        if ended is None:
            ended = self._scope.now()
        if self._since is None:
            self._since = begun
        site, errors = self._site, self._errors
        errors.append(error)
        delay = next_delay(site.stage, errors, ended - self._since)
        outcome = outcome_of(error, final=delay is None)
        self._noted = self._scope.mark()
        # One call, also where a success counts none: a part of a reduction.
        self._scope.note(site.node, None, None, 1, len(errors), outcome, begun, ended)
        if delay is None:
            return site.failure(None, errors)
        self.due = ended + delay
        return LATER


def attempt(
    scope: Scope,
    site: Site,
    call: Callable[[], Any],
    watch: Watch | None = None,
    calls: int = 1,
) -> Any | Failure:
    """The value of ``call()``, or the failure after its last attempt; see `Attempts`."""
    attempts = Attempts(scope, site, call, watch, calls)
    while (made := attempts.make()) is LATER:
        scope.sleep(attempts.due - scope.now())
    return made


def next_delay(stage: Stage, errors: list[BaseException], spent: float) -> float | None:
    """Seconds until the next attempt; None if there is none.

    Parameters
    ----------
    stage : Stage
        Has the policy.
    errors : list of BaseException
        Those of the attempts so far.
    spent : float
        Seconds since the first attempt began.
    """
    retry = stage.retry
    if retry is None or len(errors) > retry.retries:
        return None
    try:
        wanted = retry.wants(errors[-1])
    except Exception as broken:
        told = f"The retry condition of stage '{stage.name}' raised {safe_repr(broken)}."
        annotate(errors[-1], Mend(told))
        return None
    if not wanted:
        return None
    delay = retry.delay(len(errors) - 1)
    return None if is_late(stage, errors, spent + delay) else delay


def is_late(stage: Stage, errors: list[BaseException], spent: float) -> bool:
    """True if an attempt would begin past the deadline; the last error then says so.

    To be asked again before the attempt is made, as waiting may have taken longer
    than it was to: for a worker that was busy, for a place, for the stage's rate.

    Parameters
    ----------
    stage : Stage
        Has the deadline.
    errors : list of BaseException
        Those of the attempts so far.
    spent : float
        Seconds from the begin of the first attempt to that of the next.
    """
    if stage.deadline is None or spent < stage.deadline:
        return False
    annotate(errors[-1], f"The deadline of stage '{stage.name}' left no time to try again.")
    return True


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


def own_frames_off(error: BaseException) -> BaseException:
    """The error with a traceback that begins where the user's code does."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OWN):
        frames = frames.tb_next
    return error.with_traceback(frames)
