"""How far a run is, stage by stage."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one stage is; a run's ``progress`` callable gets one whenever it changed.

    Examples
    --------
    >>> Progress("load", completed=3, total=10, successful=2, failed=1).completed
    3
    """

    stage: str
    completed: int
    """Calls that are settled: successful + failed."""
    total: int | None
    """Calls owed; None while the length of a fan-out is unknown."""
    successful: int
    failed: int
