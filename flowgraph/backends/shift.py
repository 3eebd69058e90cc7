"""A region while its calls are made."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from flowgraph.runtime.outcome import Report

if TYPE_CHECKING:
    from flowgraph.backends.foreman import Foreman
    from flowgraph.compiler.plan import Key
    from flowgraph.runtime.code import Control
    from flowgraph.runtime.outcome import Outcome
    from flowgraph.runtime.report import Bundle
    from flowgraph.runtime.stint import Stint

__all__ = ["Ahead", "Desk", "Shift"]

Ahead = Callable[[frozenset[int]], object]
"""Gets the places of the calls that a stint gives back, while it is at a slow one."""


class Desk(Protocol):
    """Where stints are handed out and reported."""

    def stint(
        self, control: Control, stint: Stint, known: Outcome, ahead: Ahead, /
    ) -> Future[Outcome]:
        """Have a worker make a stint; ``ahead`` is to be told what it gives back."""
        ...

    def note(self, key: Key, outcome: Outcome, /) -> None:
        """Keep what a stint reports."""
        ...

    def wake(self) -> None:
        """Let the driver know that something was kept."""
        ...


class Shift:
    """Hands out the stints of a region until it is done.

    Parameters
    ----------
    desk : Desk
        Where.
    key : tuple of str
        Of the region.
    control : Control
        What the tasks of the run share.
    foreman : Foreman
        Says what is next.

    Attributes
    ----------
    whole : Future
        Of the region's outcome.
    """

    def __init__(self, desk: Desk, key: Key, control: Control, foreman: Foreman) -> None:
        self.whole: Future[Outcome] = Future()
        self._desk = desk
        self._key = key
        self._control = control
        self._foreman = foreman
        self._lock = Lock()
        self._rests = False
        self._closed = False

    def rest(self) -> None:
        """Hand out no more, but take what comes."""
        with self._lock:
            self._rests = True

    def close(self) -> Outcome:
        """Take no more; gives what the region has given so far."""
        with self._lock:
            self._closed = True
            return self._foreman.outcome()

    @property
    def waits(self) -> bool:
        """True if quick calls wait for stints that are under way."""
        return self._foreman.waits

    def go_on(self, *, hurry: bool = False) -> None:
        """Hand out what is ready, as long as workers are free.

        Parameters
        ----------
        hurry : bool
            True if nothing is to wait for the stints that are under way.
        """
        while True:
            with self._lock:
                wanted = not (self._rests or self._closed or self._is_over())
                handed = (
                    self._foreman.next(hurry=hurry, tell=self._is_at_a_slow_call)
                    if wanted
                    else None
                )
                if handed is None:
                    return
            stint, known = handed
            ahead = partial(self._gives_back, stint)
            future = self._desk.stint(self._control, stint, known, ahead)
            if not future.done():
                future.add_done_callback(partial(self._arrived, stint))
            else:  # not by a callback, which could go as deep as there are stints
                self._take(stint, future)

    def returned(self, stint: Stint, slots: frozenset[int]) -> None:
        """Hand out what a stint that is under way has given back."""
        with self._lock:
            self._foreman.give_back(stint, slots)
        self.go_on()

    def _gives_back(self, stint: Stint, slots: frozenset[int]) -> None:
        """As `returned`, in whatever thread."""
        try:
            self.returned(stint, slots)
        except BaseException as error:
            self._break_off(error)

    def _is_at_a_slow_call(
        self, stint: Stint, slots: frozenset[int], bundle: Bundle | None
    ) -> None:
        """Take from a stint in this process what it has made, and what it has not begun."""
        if bundle is None and not slots:
            return
        try:
            with self._lock:
                if self._closed:
                    return
                part = self._foreman.look(stint, slots)
                if bundle is not None:
                    self._desk.note(self._key, Report(replace(bundle, part=part)))
            self._desk.wake()
            self.go_on()
        except BaseException as error:
            self._break_off(error)

    def split(self, stint: Stint) -> bool:
        """Hand out the calls of a stint that was lost a few at a time; False if it cannot be."""
        with self._lock:
            is_split = self._foreman.split(stint)
        if is_split:
            self.go_on()
        return is_split

    def _is_over(self) -> bool:
        """True if nobody wants the run any more."""
        return self._control.stop is not None and self._control.stop.is_set()

    def _arrived(self, stint: Stint, future: Future[Outcome]) -> None:
        if future.cancelled():  # the run has ended
            return
        try:
            self._take(stint, future)
            self.go_on()
        except BaseException as error:
            self._break_off(error)

    def _break_off(self, error: BaseException) -> None:
        """End the region with an error: else nobody would hear of it, and the run would wait."""
        with self._lock:
            known, self._closed = self._closed, True
        if not known and not self.whole.done():
            self.whole.set_exception(error)

    def _take(self, stint: Stint, future: Future[Outcome]) -> None:
        """Note what a stint made."""
        outcome = future.result()
        with self._lock:
            if self._closed:
                return
            over = self._foreman.over
            counts = self._foreman.take(stint, outcome)
            if counts:
                self._desk.note(self._key, outcome)
            whole = self._foreman.outcome() if self._foreman.over and not over else None
        self._desk.wake()
        if whole is not None:
            self.whole.set_result(whole)
