"""What runs in a worker process: read a call, make it, send back what it gave.

The parent starts the process with three open files, given by number: the line
on which tasks come and replies go, a pipe that never carries anything but ends
when the parent does, and the shared memory of the stop flags.  Standard output
stays the user's own, and the parent's ``__main__`` is never imported.
Messages are those of `wire`::

    task    setting, "again" or nothing · pickle of (function, args) · its large buffers
    ahead   ahead · what a task tells before its reply, in whatever thread
    reply   ok · pickle of the result · its large buffers
            error · class · text · traceback

An error is sent as three texts and not as an exception: a reply must not fail.
"""

from __future__ import annotations

import _thread
import mmap
import os
import pickle
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING

from flowgraph.runtime.setting import Setting, ignore_signal
from flowgraph.runtime.wire import Part, dumps, read_message, write_message

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "AGAIN",
    "AHEAD",
    "ERROR",
    "OK",
    "READY",
    "Flag",
    "answer",
    "attach",
    "flag",
    "main",
    "teller",
]

READY = b"ready"
"""First message of a process: it is up."""
AGAIN = b"again"
"""In the place of a setting that says the same as the last one: it is applied once more."""
AHEAD = b"ahead"
"""Head of what a task tells before its reply."""
OK = b"ok"
"""Head of a reply with a result."""
ERROR = b"error"
"""Head of a reply with an error."""


class Flag:
    """The stop signal of a run, as its tasks in a worker process see it.

    Parameters
    ----------
    cells : memoryview
        Shared memory, as 64-bit numbers.
    cell : int
        Which of them.
    number : int
        The run's number; it is over once the cell is as large.
    """

    __slots__ = ("_cell", "_cells", "_number")

    def __init__(self, cells: memoryview, cell: int, number: int) -> None:
        self._cells = cells
        self._cell = cell
        self._number = number

    def is_set(self) -> bool:
        """True if the run is over.  Asking takes a tenth of a microsecond."""
        stopped: int = self._cells[self._cell]
        return stopped >= self._number


_line: int | None = None
_task = 0
_speaking = _thread.allocate_lock()
"""Held by whoever writes to the parent, or counts tasks."""
_cells: memoryview | None = None
_known: Setting | None = None
_wanted: Setting | None = None  # stays until it could be applied: no task runs in a wrong folder


def attach(file: int) -> None:
    """Map the memory of the parent's stop flags into this process."""
    global _cells  # noqa: PLW0603  a process has one parent
    _cells = memoryview(mmap.mmap(file, 0, access=mmap.ACCESS_READ)).cast("Q")


def flag(cell: int, number: int) -> Flag:
    """What a pickled stop signal becomes in a worker process.

    Raises
    ------
    RuntimeError
        Anywhere else.
    """
    if _cells is None:
        raise RuntimeError("a stop signal can only be unpickled in a worker process of its pool")
    return Flag(_cells, cell, number)


def teller() -> Callable[[bytes], None] | None:
    """How any thread tells the parent something of the task that runs now, until its reply.

    None in a process that is nobody's child.
    """
    line, task = _line, _task
    if line is None:
        return None

    def tell(said: bytes) -> None:
        with _speaking:
            if _task == task:
                write_message(line, [AHEAD, said])

    return tell


def answer(message: list[bytearray]) -> list[Part]:
    """The reply to a task.

    Whatever the call raises is caught, SystemExit too: a task that wants to
    leave must not take the process along.

    Parameters
    ----------
    message : list of bytearray
        The task.  It is emptied, so that its memory can go during the call.
    """
    try:
        data, buffers = _result_dumps(_call(message))
        return [OK, data, *buffers]
    except BaseException as error:
        try:
            return [ERROR, *_describe(error)]
        except BaseException:  # out of memory, most likely
            return [ERROR, _utf8(type(error).__qualname__), b"", b""]


def _call(message: list[bytearray]) -> object:
    global _known, _wanted  # noqa: PLW0603  a process has one setting
    setting, payload, *buffers = message
    message.clear()
    if setting:
        if setting != AGAIN:
            _known = pickle.loads(setting)
        _wanted = _known
    if _wanted is not None:
        _wanted.apply()
        _wanted = None
    function, args = pickle.loads(payload, buffers=buffers)
    del setting, payload, buffers
    return function(*args)


def _result_dumps(result: object) -> tuple[bytes, list[memoryview]]:
    try:
        return dumps(result)
    except Exception:
        try:
            import cloudpickle  # noqa: PLC0415  slow, rarely needed
        except ImportError:
            cloudpickle = None
        if cloudpickle is None:
            raise
        return dumps(result, cloudpickle.dumps)


def _describe(error: BaseException) -> tuple[bytes, bytes, bytes]:
    """Class, text and traceback of an exception, whatever its methods do."""
    import traceback  # noqa: PLC0415  slow to import, and most tasks go well

    kind = type(error)
    place = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    try:
        text = str(error)
    except Exception as failed:
        text = f"<str() of it raised {type(failed).__name__}>"
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    lines = "".join(traceback.format_exception(error.with_traceback(frames)))
    return _utf8(f"{place}{kind.__qualname__}"), _utf8(text), _utf8(lines)


def _utf8(text: str) -> bytes:
    return str.encode(text, "utf-8", "backslashreplace")


def main(line: int, life: int, flags: int) -> None:
    """Serve until the parent closes the line, or dies.

    Parameters
    ----------
    line, life, flags : int
        The file descriptors, as the text of this module says.
    """
    own = (line, life, flags)
    for file in own:
        os.set_inheritable(file, False)
    # A copy of this process, forked by a task, would keep the line open after its death.
    os.register_at_fork(after_in_child=partial(_close, own))
    # Ctrl-C is the parent's business.  Not SIG_IGN: programs that a task starts would inherit it.
    signal.signal(signal.SIGINT, ignore_signal)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPIPE})
    attach(flags)
    _thread.start_new_thread(_end_with_parent, (life,))
    try:
        write_message(line, [READY])
        _serve(line)
    except (EOFError, OSError):
        return


def _serve(line: int) -> None:
    global _line, _task  # noqa: PLW0603  a process has one parent
    process, _line = os.getpid(), line
    while True:
        reply = answer(read_message(line))
        if os.getpid() != process:  # a task forked, and its copy came back
            return
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()  # what a task prints must not be lost if this process is killed
            except Exception:
                continue
        with _speaking:
            _task += 1
            write_message(line, reply)
        del reply  # an idle process keeps no result alive


def _close(files: tuple[int, ...]) -> None:
    for file in files:
        os.close(file)


def _end_with_parent(life: int) -> None:
    os.read(life, 1)
    os._exit(1)
