"""What is measured under one name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.contest import Contender, Figure, Scale
from benchmarks.machine import Machine


@dataclass(frozen=True)
class Workload:
    """A kind of work, and all who do it."""

    key: str
    title: str
    unit: str
    """What a microsecond is of."""
    contenders: Callable[[Machine, Scale], list[Contender]]


@dataclass
class Results:
    """Figures of all workloads that were run."""

    figures: dict[str, list[Figure]] = field(default_factory=dict)
    """By the keys of the workloads."""
    metg: dict[tuple[str, str, str], float] = field(default_factory=dict)
    """Microseconds by pattern, name and place."""
    node_bytes: float | None = None
    """Memory of a node, declared and compiled."""

    def of(self, workload: str, name: str, where: str, n: int | None = None) -> Figure | None:
        """The figure of a contender: at a size, or at its largest; None if there is none."""
        found = [
            figure
            for figure in self.figures.get(workload, ())
            if (figure.contender.name, figure.contender.where) == (name, where)
            and figure.seconds
            and n in (None, figure.contender.n)
        ]
        return max(found, key=lambda figure: figure.contender.n, default=None)
