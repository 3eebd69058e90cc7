"""What is known of a run beside its values: it can be saved and loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flowgraph.results.stats import Counts, count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flowgraph.compiler.plan import Key, NodeInfo
    from flowgraph.runtime.failure import Failure
    from flowgraph.runtime.positions import Index
    from flowgraph.runtime.report import Bundle, Lost

__all__ = ["Account", "TaskInfo"]


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """A Dask task, as the report shows it."""

    key: Key
    node: int
    """Number of the node that it works for."""
    needs: tuple[int, ...]
    """Numbers of the tasks that it waits for."""


@dataclass(slots=True)
class Account:
    """The tasks of a run, what they reported, and what failed."""

    name: str
    """Name of the graph."""
    nodes: tuple[NodeInfo, ...]
    tasks: tuple[TaskInfo, ...]
    targets: tuple[str, ...]
    started: float
    """Seconds since the epoch."""
    workers: int = 1
    wall: float = 0.0
    """Seconds from the start of the run to its end."""
    bundles: dict[tuple[int, int], Bundle] = field(default_factory=dict)
    """What each task reported, by its number and that of the piece of it."""
    failures: list[Failure] = field(default_factory=list)
    counts: dict[int, Counts] = field(default_factory=dict)
    """Calls of each node, by its number."""
    _single: frozenset[int] = frozenset()
    """Nodes that owe one call."""
    _failed: set[int | None] = field(default_factory=set)
    _lost: set[tuple[int, Index | None]] = field(default_factory=set)
    _numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = {info.name: number for number, info in enumerate(self.nodes)}
        self._single = frozenset(n for n, info in enumerate(self.nodes) if info.owed == 1)

    def add(self, bundle: Bundle) -> set[int]:
        """Note what a task reports; gives the nodes whose counts changed."""
        if (bundle.task, bundle.part) in self.bundles:
            return set()
        self.bundles[bundle.task, bundle.part] = bundle
        self._note_failures(bundle.failures)
        return count(bundle, self.counts, self._single) | self._take_back(bundle.lost)

    def _note_failures(self, failures: Iterable[Failure]) -> None:
        """Several parts of a reduction may fail, each in its task: that is one failure."""
        for failure in failures:
            number = self._numbers.get(failure.node)
            if number not in self._single or number not in self._failed:
                self.failures.append(failure)
            self._failed.add(number)

    def _take_back(self, lost: Iterable[Lost]) -> set[int]:
        """Count as failed what succeeded but could not travel; gives the nodes that changed."""
        changed = set()
        for each in lost:
            if (each.node, each.call) in self._lost:  # another reader told of it
                continue
            self._lost.add((each.node, each.call))
            self._note_failures((each.failure,))
            counts = self.counts.setdefault(each.node, Counts())
            if each.partial:
                counts.failed = 1
            else:
                counts.completed -= 1
                counts.failed += 1
            changed.add(each.node)
        return changed
