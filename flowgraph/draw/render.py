"""From DOT source to a picture: by the system's Graphviz, else by pygraphviz's own."""

from __future__ import annotations

import importlib.util
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
        drawn, reason = _run([part.replace("{format}", format) for part in command], source)
        if drawn:
            return drawn
    raise FlowgraphError.not_drawn(reason)


def _run(command: list[str], source: str) -> tuple[bytes, str]:
    """What an engine drew; else nothing, and why."""
    try:
        done = subprocess.run(
            command, input=source.encode(), capture_output=True, timeout=_LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return b"", f"the layout took longer than {_LIMIT:g} s"
    except OSError as error:
        return b"", str(error)
    if done.returncode == 0 and done.stdout:
        return done.stdout, ""  # what it says on stderr then are warnings
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return b"", said[-1][-300:] if said else f"the engine ended with code {done.returncode}"


def _has_fonts() -> bool:
    folders = ("/usr/share/fonts", "/usr/local/share/fonts", "/System/Library/Fonts")
    places = [Path(folder) for folder in folders] + [Path.home() / ".fonts"]
    if sys.platform == "win32":
        return True
    suffixes = (".ttf", ".otf", ".pfb", ".ttc", ".pfa")
    return any(
        path.suffix.lower() in suffixes
        for place in places
        if place.is_dir()
        for path in place.rglob("*")
    )
