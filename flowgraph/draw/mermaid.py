"""A drawing in Mermaid's language, which many sites draw in Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from flowgraph.draw.model import Box, Drawing

__all__ = ["mermaid"]

_ARROWS: Final = {"value": "-->", "items": "==>", "control": "-.->"}
_NAMED: Final = {'"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;"}


def mermaid(drawing: Drawing) -> str:
    """The Mermaid source of a drawing.

    Examples
    --------
    >>> from flowgraph.draw.model import Box, Drawing
    >>> print(mermaid(Drawing("d", (Box("end", "end", "task"),), ())))
    flowchart LR
      n0["end"]
    """
    # Never the user's names as ids: "end" or "graph" would be syntax errors.
    ids = {box.name: f"n{number}" for number, box in enumerate(drawing.boxes)}
    lines = ["flowchart LR"]
    lines += [f"  {ids[box.name]}{_shape(box)}" for box in drawing.boxes]
    lines += [
        f"  {ids[arrow.tail]} {_ARROWS[arrow.kind]} {ids[arrow.head]}" for arrow in drawing.arrows
    ]
    return "\n".join(lines)


def _shape(box: Box) -> str:
    text = f'"{_escaped(box.label)}{f"<br/>{_escaped(box.detail)}" if box.detail else ""}"'
    if box.kind == "param":
        return f"([{text}])"
    return f"[[{text}]]" if box.parallel else f"[{text}]"


def _escaped(text: str) -> str:
    r"""The text with all that Mermaid or Markdown could read as theirs as entities.

    Examples
    --------
    >>> print(_escaped('say "<hi>"; a\\n'))
    say #quot;#lt;hi#gt;#quot;#59; a#92;n
    """
    # In a browser, Mermaid looks for formulas ($$) and icons (fa:fa-car) when the
    # entities are letters again, so these are parted by a letter without width.
    parted = re.sub(r"(?<=\$)(?=\$)|(?<=:)(?=fa-)", "\u2060", text)
    # A number with a full stop, or a dash, makes a list of a label in some versions.
    return re.sub(r"^[-+]|(?<=\d)\.(?!\d)|[^\w ,.:×·+=/…-]", _entity, parted)


def _entity(found: re.Match[str]) -> str:
    letter = found[0]
    return _NAMED.get(letter, f"#{ord(letter)};")
