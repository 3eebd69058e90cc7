"""Where calls are noted: a node, and its stage."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Place"]


@dataclass(frozen=True, slots=True)
class Place:
    """A node whose stage a task calls, as records and errors have it."""

    node: int
    """Number of the node."""
    name: str
    """Name of the node."""
    stage: str
    """Name of its stage."""
    operation: str = "call"
    partial: bool = False
    """True for a part of a reduction, whose success counts as no call."""

    def __reduce__(self) -> tuple[type[Place], tuple[object, ...]]:
        # What a dataclass does for it takes three times as long.
        return Place, (self.node, self.name, self.stage, self.operation, self.partial)
