"""From DOT source to a picture: by the system's Graphviz, else by pygraphviz's own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Final

from flowgraph.errors import FlowgraphError

__all__ = ["engines", "render"]

_LIMIT: Final = 120.0
"""Seconds for a layout."""
_FOLDERS: Final = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
"""Where fontconfig looks if nothing else is set, besides two folders of the user's."""

# In a process of its own: it holds the GIL during the layout, and graphs that are
# laid out at the same time leak attributes into one another.
_PYGRAPHVIZ: Final = """
import sys, warnings
warnings.simplefilter("ignore")
from pygraphviz import AGraph
source = sys.stdin.buffer.read().decode()
sys.stdout.buffer.write(AGraph(string=source).draw(format=sys.argv[1], prog="dot"))
"""


def engines() -> dict[str, list[str]]:
    """Commands that read DOT and write a picture, the preferred one first."""
    found = {}
    system = shutil.which("dot")
    if system is not None:
        found["dot"] = [system, "-T{format}"]
    if importlib.util.find_spec("pygraphviz") is not None:
        # -P: not a file of that name in the current folder.
        found["pygraphviz"] = [sys.executable, "-P", "-c", _PYGRAPHVIZ, "{format}"]
    return found


def render(source: str, format: str, engine: str | None = None) -> bytes:  # noqa: A002
    """The picture of DOT source.

    Parameters
    ----------
    source : str
        A graph in DOT.
    format : {"svg", "png", "pdf"}
        What the picture is to be.
    engine : {"dot", "pygraphviz"}, optional
        Default the system's ``dot``; where there is none, or it fails, pygraphviz.

    Raises
    ------
    FlowgraphError
        If it cannot be drawn, with the command that installs what is missing.

    Warns
    -----
    UserWarning
        If the machine has no fonts to draw a PNG or PDF with.

    Examples
    --------
    >>> render("digraph { a -> b }", "png")[1:4]
    b'PNG'
    """
    known = engines()
    commands = list(known.values()) if engine is None else [known[engine]]
    if format in ("png", "pdf") and not _has_fonts():
        warnings.warn(
            f"this machine has no fonts, so a {format.upper()} would show empty boxes; "
            "take SVG, or install a font (Debian: apt-get install fonts-dejavu-core)",
            stacklevel=2,
        )
    reason = "there is no layout engine"
    for command in commands:
        try:
            drawn, reason = _run([part.replace("{format}", format) for part in command], source)
        except subprocess.TimeoutExpired:
            # Another engine would take as long.
            raise FlowgraphError.slow_picture(_LIMIT) from None
        if drawn:
            return drawn
    raise FlowgraphError.not_drawn(reason)


def _run(command: list[str], source: str) -> tuple[bytes, str]:
    """What an engine drew; else nothing, and why."""
    try:
        done = subprocess.run(
            command, input=source.encode(), capture_output=True, timeout=_LIMIT, check=False
        )
    except OSError as error:
        return b"", str(error)
    if done.returncode == 0 and done.stdout:
        return done.stdout, ""  # what it says on stderr then are warnings
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return b"", said[-1][-300:] if said else f"the engine ended with code {done.returncode}"


def _has_fonts() -> bool:
    """True if letters can be drawn; Windows and macOS always have fonts."""
    if sys.platform in ("win32", "darwin"):
        return True
    listed = _listed_fonts()
    if listed is not None:
        return listed
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return any(
        path.suffix.lower() in (".ttf", ".otf", ".ttc", ".pfa", ".pfb")
        for place in (*_FOLDERS, data / "fonts", Path.home() / ".fonts")
        for path in place.rglob("*")
    )


def _listed_fonts() -> bool | None:
    """Whether fontconfig, by which Graphviz finds fonts, finds any; None if it cannot be asked."""
    lister = shutil.which("fc-list")
    if lister is None:
        return None
    try:
        done = subprocess.run([lister], capture_output=True, timeout=_LIMIT, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return bool(done.stdout.strip())
