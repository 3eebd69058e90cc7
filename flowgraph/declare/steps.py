"""The declared graph as plain, frozen data: what the compiler reads.

Each step names the steps whose values it reads in ``needs``; in its templates
``Slot(k)`` stands for the value of ``needs[k]``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flowgraph.declare.stage import Stage
    from flowgraph.runtime.link import Operation

__all__ = [
    "MISSING",
    "Call",
    "Collect",
    "Collection",
    "Count",
    "Each",
    "Fold",
    "Missing",
    "Pack",
    "Parameter",
    "Source",
    "Step",
]


class Missing(enum.Enum):
    """The type of `MISSING`."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
"""Stands for a value that was not given, where None is a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One node of the graph."""

    name: str
    needs: tuple[str, ...] = ()
    """Steps whose values are read."""
    after: tuple[str, ...] = ()
    """Steps that must have ended before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter(Step):
    """A value bound at run time."""

    default: Any = MISSING
    type: Callable[[str], Any] | None = None
    """Makes a value of the command line's text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Step):
    """One call of a stage."""

    stage: Stage[..., Any]
    args: tuple[Any, ...]
    kwargs: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack(Step):
    """A container of values; owes no call."""

    template: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Source(Step):
    """A data-parallel collection."""

    items: Sequence[Any] | None
    """None: the items are what ``needs[0]`` gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Each(Step):
    """A stage called on each item of the collection ``needs[0]``."""

    op: Operation
    stage: Stage[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold(Step):
    """The collection ``needs[0]`` combined by a binary stage."""

    stage: Stage[..., Any]
    initial: Any = MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class Collect(Step):
    """The collection ``needs[0]`` as a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count(Step):
    """The number of items of the collection ``needs[0]``."""


Collection = Source | Each
"""Steps with items rather than one value."""
