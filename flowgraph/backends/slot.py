"""A slot of the pool: a thread that feeds one worker process, one task after the other."""

from __future__ import annotations

import pickle
import signal
import threading
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flowgraph.backends.process import Child, ChildDied
from flowgraph.backends.stop import stop_flags
from flowgraph.errors import RemoteError, SchedulerError
from flowgraph.runtime.child import AGAIN, OK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flowgraph.runtime.setting import Setting
    from flowgraph.runtime.wire import Part

__all__ = ["Slot", "Task"]

_KEPT = 1 << 20
"""Bytes of a task that stay with it while it runs, in case that the process never read it.
What is larger does not fit into a line: once it was sent, it was being read."""


class Task:
    """A call on its way, and the future for its result.

    Parameters
    ----------
    parts : sequence of bytes
        Pickle of ``(function, args)`` and its large buffers.
    setting : Setting
        What the process is to follow.
    label : str
        What the task is called when its process dies.
    ahead : callable
        Gets, in the thread of the slot, what the task tells before its reply.
    """

    __slots__ = ("ahead", "future", "label", "parts", "setting")

    def __init__(
        self,
        parts: Sequence[Part],
        setting: Setting,
        label: str,
        ahead: Callable[[bytearray], object],
    ) -> None:
        self.future: Future[Any] = Future()
        self.parts = parts
        self.setting = setting
        self.label = label
        self.ahead = ahead


class Slot:
    """Room for one worker process, started when there is a task for it.

    Its own thread calls `feed`, any thread the other methods.
    """

    __slots__ = ("_abandoned", "_child", "_future", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._future: Future[Any] | None = None  # of the task that runs
        self._abandoned = False

    def feed(self, next_task: Callable[[], Task | None], done: Callable[[], None]) -> None:
        """Do tasks until there is a None, and then end the process.

        Parameters
        ----------
        next_task : callable
            Waits for a task.
        done : callable
            Called after each, just before its result can be seen.
        """
        # A user may have given SIGPIPE its deadly default: here a dead process is just an error.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
        while (task := next_task()) is not None:
            begun = task.future.set_running_or_notify_cancel()
            result, error = self._run(task) if begun else (None, None)
            done()
            with suppress(InvalidStateError):
                if error is not None:
                    task.future.set_exception(error)
                elif begun:
                    task.future.set_result(result)
            del task, result, error  # while it waits, a slot keeps nothing alive
        child = self.dismiss()
        if child is not None:
            child.leave()

    def kill(self, future: Future[Any]) -> bool:
        """End the process if it runs this task; says whether it does."""
        with self._lock:
            if self._future is not future or self._child is None:
                return False
            self._child.kill()
            return True

    def dismiss(self) -> Child | None:
        """Hang up on the process if it is idle, and give it back, to wait for its end."""
        with self._lock:
            if self._future is not None or self._child is None:
                return None
            child, self._child = self._child, None
            child.close()
            return child

    def abandon(self) -> Child | None:
        """End the process, a busy one by force, and start no other."""
        child = self.dismiss()
        with self._lock:
            self._abandoned = True
            if child is None and self._child is not None:
                child = self._child
                child.kill()
            return child

    def _run(self, task: Task) -> tuple[Any, BaseException | None]:
        """What a task gave, or its error: not raised, as tracebacks keep their frames alive."""
        try:
            reply = self._reply(task)
        except OSError as error:
            reply = SchedulerError.no_worker(str(error))
        except BaseException as error:  # out of memory for the reply, most likely
            self._drop()
            reply = error.with_traceback(None)
        finally:
            with self._lock:
                self._future = None
        return (None, reply) if isinstance(reply, BaseException) else _open(reply, task.label)

    def _reply(self, task: Task) -> list[bytearray] | BaseException:
        """The reply to a task, or what became of the process instead."""
        child = self._warm(task.future)
        if child is not None:
            try:
                return _exchange(child, task)
            except EOFError:
                return self._bury(child, task)
            except ConnectionError:
                died = self._bury(child, task)
                if died.on_purpose or not task.parts:
                    return died
                # It went while it was idle, with no part in this task: another one does it.
        child = self._start()
        try:
            child.greet()
        except (EOFError, ConnectionError):
            died = self._bury(child, task)
            how = f"it ended with exit code {died.exitcode} while it started"
            return died if died.on_purpose else SchedulerError.no_worker(how)
        try:
            return _exchange(child, task)
        except (EOFError, ConnectionError):
            return self._bury(child, task)

    def _warm(self, future: Future[Any]) -> Child | None:
        """The process there is, now with a task."""
        with self._lock:
            self._future = future
            child = self._child
            if child is None or not child.killed:
                return child
            self._child = None  # killed when it had just finished
        child.leave()
        return None

    def _start(self) -> Child:
        with self._lock:
            if self._abandoned:
                raise OSError("the interpreter exits")
            # Under the lock, so that kill() finds a process that is still starting.
            self._child = Child(stop_flags().file)
            return self._child

    def _bury(self, child: Child, task: Task) -> ChildDied:
        with self._lock:
            self._child = None
        return ChildDied(child.pid, child.leave(), task.label, child.killed)

    def _drop(self) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.leave()


def _exchange(child: Child, task: Task) -> list[bytearray]:
    child.ask((_told(child.setting, task.setting), *task.parts))
    child.setting = task.setting
    if sum(map(len, task.parts)) > _KEPT:
        task.parts = ()
    return child.hear(task.ahead)


def _told(last: Setting | None, setting: Setting) -> bytes:
    """What a process is told of the setting of its next task."""
    if setting is last:
        return b""
    return AGAIN if last is not None and setting.is_like(last) else pickle.dumps(setting)


def _open(reply: list[bytearray], label: str) -> tuple[Any, BaseException | None]:
    head, *parts = reply
    if head != OK:
        name, text, traceback = (part.decode() for part in parts)
        error = RemoteError(name, text, traceback)
        error.add_note(f"In the worker process:\n{traceback}".rstrip())
        return None, error
    try:
        return pickle.loads(parts[0], buffers=parts[1:]), None
    except BaseException as failed:
        error = RemoteError.unreadable(label, failed)
        error.__cause__ = failed.with_traceback(None)
        return None, error
