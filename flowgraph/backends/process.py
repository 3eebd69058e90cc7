"""One worker process, seen from its parent: start it, ask it, end it.

A process is ``python -c …`` and not a fork, nor a child of `multiprocessing`:
it inherits no threads and no locks, and never runs the user's script again.
It has a session of its own, so that Ctrl-C in a terminal reaches the parent
only.  When the parent is gone, however it went, the system closes its end of
the *life pipe*, and every process that waits at the other end leaves.  That
needs all ends of the parent to be the parent's alone: no program it starts
inherits them, and a forked copy of it closes its own at once.

A socket pair and not two pipes: on Linux it is twice as fast for 100 MB (57 ms
against 155), as fast for a byte, and tells a process that died before it had
read its task from one that died of it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from flowgraph.errors import WorkerDied
from flowgraph.runtime.child import AHEAD, READY
from flowgraph.runtime.setting import package_folder
from flowgraph.runtime.wire import read_message, write_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flowgraph.runtime.setting import Setting
    from flowgraph.runtime.wire import Part

__all__ = ["Child", "ChildDied"]

_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from flowgraph.runtime.child import main; main(*map(int, sys.argv[2:]))"
)

_GRACE = 2.0
"""Seconds for a process to leave by itself, its ``atexit`` functions included."""

_BUFFER = 1 << 18
"""Bytes that a line holds.  Linux has about this by itself, macOS 8 kB."""


class ChildDied(WorkerDied):
    """A worker process of the pool went away while it ran a task.

    Attributes
    ----------
    pid : int
        The process.
    exitcode : int
        What it exited with; minus the signal's number if one killed it.
    task : str
        What it ran.
    on_purpose : bool
        True if the pool was asked to kill it.
    """

    def __init__(
        self, pid: int, exitcode: int, task: str, on_purpose: bool = False, stage: str = ""
    ) -> None:
        super().__init__(stage or task, 1, f"process {pid}")
        self.pid = pid
        self.exitcode = exitcode
        self.task = task
        self.on_purpose = on_purpose
        how = f"ended with exit code {exitcode}"
        hint = "Something in it ended the process, os._exit for example."
        if self.signal is not None:
            how = f"was killed by signal {self.signal}"
            hint = "A crash in compiled code ends a process like this."
        if self.signal == "SIGKILL":
            hint = "The system does this when memory runs out."
        if on_purpose:
            hint = "It was stopped on purpose."
        self.args = (f"worker process {pid} {how} while it ran {task}.\n{hint}",)

    @property
    def signal(self) -> str | None:
        """Name of the signal that killed it, such as ``"SIGKILL"``; else None."""
        if self.exitcode >= 0:
            return None
        try:
            return signal.Signals(-self.exitcode).name
        except ValueError:
            return str(-self.exitcode)

    def __reduce__(self) -> tuple[type[ChildDied], tuple[Any, ...]]:
        return type(self), (self.pid, self.exitcode, self.task, self.on_purpose, self.stage)


class Child:
    """A worker process, started at once.

    Parameters
    ----------
    flags : int
        File descriptor of the stop flags.

    Attributes
    ----------
    pid : int
        Its number.
    setting : Setting or None
        What it was last told to follow.
    killed : bool
        True once `kill` was called: it must not get another task.

    Raises
    ------
    OSError
        If the system has no room for another process or line.
    """

    def __init__(self, flags: int) -> None:
        self.setting: Setting | None = None
        self.killed = False
        life, _ = _life_pipe()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            self._process = _start((theirs.fileno(), life, flags))
            self.pid = self._process.pid
            self._line = ours.detach()
        _children.add(self)

    def greet(self) -> None:
        """Wait until the process is up.

        Raises
        ------
        EOFError
            If it never will be.
        """
        if read_message(self._line) != [READY]:
            raise EOFError

    def ask(self, task: Sequence[Part]) -> None:
        """Send a task.

        Raises
        ------
        ConnectionError
            If it died before it had read the whole task.
        """
        write_message(self._line, task)

    def hear(self, ahead: Callable[[bytearray], object]) -> list[bytearray]:
        """Wait for the reply to a task, and hand on what it tells before.

        Parameters
        ----------
        ahead : callable
            Gets each of these messages.

        Raises
        ------
        ConnectionError
            If it died before it had read the whole task.
        EOFError
            If it died later.
        """
        while True:
            head, *rest = message = read_message(self._line)
            if head != AHEAD:
                return message
            ahead(*rest)

    def kill(self) -> None:
        """End it now, whatever it does."""
        self.killed = True
        self._process.kill()

    def close(self) -> None:
        """Hang up: an idle process then leaves by itself."""
        line, self._line = self._line, -1
        if line >= 0:
            os.close(line)

    def wait(self, grace: float = _GRACE) -> int:
        """Wait for its end, and force it after ``grace`` seconds.

        Returns
        -------
        int
            Its exit code; minus the signal's number if one killed it.
        """
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
        return self._process.wait()

    def leave(self) -> int:
        """Hang up and wait for its end, as `wait` does."""
        self.close()
        code = self.wait()
        _children.discard(self)
        return code

    def disown(self) -> None:
        """In a forked copy of the parent: it is not ours."""
        self.close()
        self._process.returncode = 0  # so that nobody waits for it


def _start(files: tuple[int, ...]) -> subprocess.Popen[bytes]:
    # -O, -W, -X and the like, as multiprocessing hands them on.
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    # -P: a user's "pickle.py" in the current directory must not be taken for the real one.
    command = [sys.executable, *flags, "-P", "-c", _BOOT, package_folder(), *map(str, files)]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        pass_fds=files,
        start_new_session=True,
        env={"PYTHONHASHSEED": _HASH_SEED, **os.environ},
    )


_HASH_SEED = str(int.from_bytes(os.urandom(4), "little"))
"""Worker processes agree on ``hash()``, as Dask's do: user code may split by it."""

_lock = threading.Lock()
_life: tuple[int, int] | None = None
_children: set[Child] = set()


def _life_pipe() -> tuple[int, int]:
    """The pipe that ends with this process, made when first asked for."""
    global _life  # noqa: PLW0603  a process has one life
    with _lock:
        if _life is None:
            _life = os.pipe()
        return _life


def _forget() -> None:
    """In a forked copy: close what would keep the original's worker processes waiting."""
    global _lock, _life
    for child in _children:
        child.disown()
    _children.clear()
    for file in _life or ():
        os.close(file)
    _lock, _life = threading.Lock(), None


if hasattr(os, "register_at_fork"):  # all but Windows
    os.register_at_fork(after_in_child=_forget)
