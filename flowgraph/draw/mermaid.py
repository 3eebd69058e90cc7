"""A drawing in Mermaid's language, which many sites draw in Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from flowgraph.draw.model import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flowgraph.draw.model import Box, Drawing, Part

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
    lines += _boxes(parts_of(drawing), ids, "  ")
    lines += [
        f"  {ids[arrow.tail]} {_ARROWS[arrow.kind]} {ids[arrow.head]}" for arrow in drawing.arrows
    ]
    return "\n".join(lines)


def _boxes(part: Part, ids: Mapping[str, str], indent: str) -> Iterator[str]:
    """The boxes of a part, and in frames those of the parts inside."""
    for box in part.boxes:
        yield f"{indent}{ids[box.name]}{_shape(box)}"
    for inner in part.parts:
        yield f'{indent}subgraph p{ids[inner.name]}["{_escaped(inner.short)}"]'
        yield from _boxes(inner, ids, f"{indent}  ")
        yield f"{indent}end"


def _shape(box: Box) -> str:
    text = f'"{_escaped(box.short)}{f"<br/>{_escaped(box.detail)}" if box.detail else ""}"'
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
