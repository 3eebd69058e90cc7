"""Ending a run from outside: who waits for its tasks must wake up."""

from __future__ import annotations

import threading
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Alarm", "Answers"]


class Alarm(threading.Event):
    """An event that also calls those who cannot look at it, since they wait for something else."""

    def __init__(self) -> None:
        super().__init__()
        self._bells: list[Callable[[], object]] = []

    def set(self) -> None:
        """Set it, and ring."""
        super().set()
        for bell in tuple(self._bells):
            bell()

    @contextmanager
    def rings(self, bell: Callable[[], object]) -> Iterator[None]:
        """Call ``bell`` when the event is set, at once if it is, as long as the context lasts."""
        self._bells.append(bell)
        try:
            if self.is_set():
                bell()
            yield
        finally:
            self._bells.remove(bell)

    @contextmanager
    def after(self, seconds: float) -> Iterator[Callable[[], bool]]:
        """Set it after some time, unless the context ends before; what it gives says if it did."""
        rang = threading.Event()

        def ring() -> None:
            rang.set()
            self.set()

        timer = threading.Timer(seconds, ring)
        timer.daemon = True
        timer.start()
        try:
            yield rang.is_set
        finally:
            timer.cancel()


class Answers:
    """The futures that somebody waits for, who is to be told that the run is over.

    Parameters
    ----------
    submit : callable
        Starts a task; gives its future.
    """

    def __init__(self, submit: Callable[..., Future[Any]]) -> None:
        self._submit = submit
        self._waiting: set[Future[Any]] = set()

    def submit(self, *args: Any) -> Future[Any]:
        """Start a task; gives a future that `fail` can end before the task does."""
        answer: Future[Any] = Future()
        self._waiting.add(answer)

        def settle(done: Future[Any]) -> None:
            self._waiting.discard(answer)
            with suppress(InvalidStateError):  # it has failed meanwhile
                if done.cancelled():
                    answer.cancel()
                elif (error := done.exception()) is not None:
                    answer.set_exception(error)
                else:
                    answer.set_result(done.result())

        self._submit(*args).add_done_callback(settle)
        return answer

    def fail(self, error: BaseException) -> None:
        """End what is waited for with an error."""
        for answer in tuple(self._waiting):
            with suppress(InvalidStateError):
                answer.set_exception(error)
