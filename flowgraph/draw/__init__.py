"""Pictures of a graph: one function per format over one drawing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from flowgraph.errors import GraphError

if TYPE_CHECKING:
    from flowgraph.draw.model import Drawing

__all__ = ["FORMATS", "format_for", "format_of", "picture"]

FORMATS: Final = ("svg", "png", "pdf", "html", "dot", "mermaid", "text")

_SUFFIXES: Final = {
    ".svg": "svg",
    ".png": "png",
    ".pdf": "pdf",
    ".html": "html",
    ".dot": "dot",
    ".gv": "dot",
    ".mermaid": "mermaid",
    ".mmd": "mermaid",
    ".txt": "text",
}


def format_of(path: str) -> str:
    """The format that a file's name asks for.

    Raises
    ------
    GraphError
        If its suffix is none that is known.

    Examples
    --------
    >>> format_of("pipeline.mmd")
    'mermaid'
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise GraphError.unknown_suffix(path, tuple(_SUFFIXES))
    return _SUFFIXES[suffix]


def format_for(path: str, wanted: str) -> str:
    """The format that is wanted for a file, if its name does not say another.

    Raises
    ------
    GraphError
        If it does.

    Examples
    --------
    >>> format_for("pipeline.txt", "dot"), format_for("pipeline.picture", "png")
    ('dot', 'png')
    """
    says = _SUFFIXES.get(Path(path).suffix.lower(), wanted)
    is_text = says == "text" and wanted in ("dot", "mermaid")
    if says != wanted and not is_text:
        raise GraphError.other_suffix(path, wanted)
    return wanted


def picture(drawing: Drawing, format: str) -> bytes:  # noqa: A002  the word for it
    """The picture of a drawing.

    Parameters
    ----------
    drawing : Drawing
        What to draw.  For a laid-out format a very large one is collapsed.
    format : str
        One of `FORMATS`.

    Raises
    ------
    GraphError
        If there is no such format.
    FlowgraphError
        If the layout engine fails or is missing.
    """
    from flowgraph.draw.collapse import collapse, is_large
    from flowgraph.draw.dot import dot
    from flowgraph.draw.html import page
    from flowgraph.draw.mermaid import mermaid
    from flowgraph.draw.render import render
    from flowgraph.draw.text import text

    if format == "dot":
        return dot(drawing).encode()
    if format == "mermaid":
        return (mermaid(drawing) + "\n").encode()
    if format == "text":
        return (text(drawing) + "\n").encode()
    if format not in FORMATS:
        raise GraphError.bad_option("format", format, f"one of {', '.join(FORMATS)}")
    shown = collapse(drawing) if is_large(drawing) else drawing
    if format == "html":
        return page(drawing, render(dot(shown), "svg").decode()).encode()
    return render(dot(shown), format)
