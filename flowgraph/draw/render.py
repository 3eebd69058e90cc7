"""From DOT source to a picture: by the system's Graphviz, else by pygraphviz's own."""

from __future__ import annotations

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
    found["pygraphviz"] = [sys.executable, "-c", _PYGRAPHVIZ, "{format}"]
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
        Default the system's ``dot`` when there is one, else pygraphviz.

    Raises
    ------
    FlowgraphError
        If it cannot be drawn, with the command that installs what is missing.
    """
    known = engines()
    command = known[engine or next(iter(known))]
    if format == "png" and not _has_fonts():
        warnings.warn(
            "this machine has no fonts, so a PNG would show empty boxes; "
            "take SVG, or install a font (Debian: apt-get install fonts-dejavu-core)",
            stacklevel=2,
        )
    try:
        done = subprocess.run(
            [part.replace("{format}", format) for part in command],
            input=source.encode(),
            capture_output=True,
            timeout=_LIMIT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FlowgraphError.not_drawn(str(error)) from error
    if done.returncode != 0:
        raise FlowgraphError.not_drawn(done.stderr.decode(errors="replace").strip()[-300:])
    return done.stdout


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
