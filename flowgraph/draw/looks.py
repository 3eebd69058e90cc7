"""How each kind of node looks where there are shapes and colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["INK", "LOOKS", "QUIET", "Look"]

INK: Final = "#1f2933"
"""Colour of what is read first."""
QUIET: Final = "#566370"
"""Colour of what is read second, and of arrows."""


@dataclass(frozen=True, slots=True)
class Look:
    """Shape and colours of one kind of node."""

    meaning: str
    """For the legend."""
    fill: str
    line: str
    shape: str = "box"
    """In Graphviz's words."""
    rounded: bool = False
    parallel: bool = False
    """True if it stands for many items."""


# A pair of colours, fill and line, for each question about a node: is it given, does it
# happen once, for each item, or does it bring items together?
_GIVEN: Final = ("#fbf3dc", "#a98627")
_ONCE: Final = ("#e9f0f8", "#4a6b8c")
_EACH: Final = ("#e5f2e9", "#44785a")
_TOGETHER: Final = ("#f8e9e3", "#a05d47")

LOOKS: Final[Mapping[str, Look]] = {
    "param": Look("a parameter", *_GIVEN, shape="note"),
    "task": Look("one call", *_ONCE, rounded=True),
    "join": Look("several values as one", *_ONCE, shape="hexagon"),
    "when": Look("a call if a condition is true", *_ONCE, shape="diamond"),
    "items": Look("a collection", *_EACH, parallel=True),
    "map": Look("a call for each item", *_EACH, rounded=True, parallel=True),
    "starmap": Look("a call for each tuple of arguments", *_EACH, rounded=True, parallel=True),
    "filter": Look("the items for which it is true", *_EACH, rounded=True, parallel=True),
    "flat_map": Look("all that each item gives", *_EACH, rounded=True, parallel=True),
    "values": Look("a call for the value of each key", *_EACH, rounded=True, parallel=True),
    "enumerate": Look("each item with its place", *_EACH, parallel=True),
    "zip": Look("items side by side", *_EACH, parallel=True),
    "concat": Look("items one after the other", *_EACH, parallel=True),
    "product": Look("each item with each other", *_EACH, parallel=True),
    "batch": Look("items in lists", *_EACH, parallel=True),
    "take": Look("the first items", *_EACH, parallel=True),
    "group_by": Look("the items of each key", *_TOGETHER, shape="octagon", parallel=True),
    "reduce_by": Look("the items of each key combined", *_TOGETHER, shape="octagon", parallel=True),
    "reduce": Look("the items combined", *_TOGETHER, shape="octagon"),
    "collect": Look("the items as a list", *_TOGETHER, shape="folder"),
    "count": Look("the number of items", *_TOGETHER, shape="folder"),
    "mixed": Look("nodes of several kinds", "#eef0f2", QUIET),
}
