"""What user code sees of the process around it, and how a worker process follows its parent's."""

from __future__ import annotations

import importlib
import os
import sys
from functools import cache

__all__ = ["Setting", "ignore_signal", "package_folder"]


class Setting:
    """What user code sees of its process: folder, environment, where modules are found.

    Parameters
    ----------
    folder : str or None
        The current directory; None leaves it as it is.
    environ : dict
        Environment variables.
    path : list of str
        `sys.path`.
    argv : list of str
        `sys.argv`.
    """

    __slots__ = ("argv", "environ", "folder", "path")

    def __init__(
        self, folder: str | None, environ: dict[str, str], path: list[str], argv: list[str]
    ) -> None:
        self.folder = folder
        self.environ = environ
        self.path = path
        self.argv = argv

    @classmethod
    def here(cls) -> Setting:
        """The setting of this process as it is now."""
        try:
            folder = os.getcwd()
        except FileNotFoundError:  # it was deleted
            folder = None
        path = [entry for entry in sys.path if isinstance(entry, str)]
        return cls(folder, _environ(), path, list(sys.argv))

    def is_like(self, other: Setting) -> bool:
        """True if the two say the same."""
        return (
            self.folder == other.folder
            and self.environ == other.environ
            and self.path == other.path
            and self.argv == other.argv
        )

    def apply(self) -> None:
        """Make the setting of this process equal to this one.

        Raises
        ------
        OSError
            If the folder cannot be entered.
        """
        if self.folder is not None:
            os.chdir(self.folder)
        if _environ() != self.environ:
            for name in os.environ.keys() - self.environ.keys():
                del os.environ[name]
            for name, value in self.environ.items():
                if os.environ.get(name) != value:
                    os.environ[name] = value
        # A parent can find flowgraph in other ways than by its path.
        home = [] if package_folder() in self.path else [package_folder()]
        sys.path[:] = [*self.path, *home]
        sys.argv[:] = self.argv
        importlib.invalidate_caches()  # modules may have been written since the last run


_seen: tuple[object, dict[str, str]] = None, {}
"""The environment as Python keeps it, when it was last read, and what was read."""


def _environ() -> dict[str, str]:
    """The environment variables; nobody changes the dict.

    Each is decoded whenever it is asked for: all of them take longer than a
    trivial task.  How Python keeps them is not documented.
    """
    global _seen  # noqa: PLW0603  a process has one environment
    kept = getattr(os.environ, "_data", None)
    raw = None if kept is None else dict(kept)
    before, read = _seen
    if raw is None or raw != before:
        read = dict(os.environ)
        _seen = raw, read
    return read


@cache
def package_folder() -> str:
    """The folder that holds the flowgraph package."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def ignore_signal(number: int, frame: object) -> None:
    """Handle a signal by doing nothing."""
