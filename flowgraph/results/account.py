"""What is known of a run beside its values: it can be saved and loaded."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from flowgraph.results.stats import Counts, count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flowgraph.compiler.nodes import NodeInfo
    from flowgraph.compiler.plan import Key
    from flowgraph.runtime.failure import Failure
    from flowgraph.runtime.positions import Index
    from flowgraph.runtime.report import Bundle, Lost

__all__ = ["Account", "TaskInfo"]


_counting: Final = threading.Lock()
"""Several threads may ask for the counts of a run that is over."""


class TaskInfo(NamedTuple):
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
    nodes: Sequence[NodeInfo]
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
    _counts: dict[int, Counts] = field(default_factory=dict)
    _uncounted: list[tuple[Bundle, list[Lost]]] = field(default_factory=list)
    _failed: set[int | None] = field(default_factory=set)
    _lost: set[tuple[int, Index | None]] = field(default_factory=set)
    _numbers: dict[str, int] = field(default_factory=dict)

    @property
    def counts(self) -> Mapping[int, Counts]:
        """Calls of each node, by its number."""
        self.count()
        return self._counts

    def add(self, bundle: Bundle) -> None:
        """Note what a task reports; its records are counted when somebody asks."""
        if (bundle.task, bundle.part) in self.bundles:
            return
        self.bundles[bundle.task, bundle.part] = bundle
        if bundle.failures:
            self._note_failures(bundle.failures)
        lost = []
        for each in bundle.lost:
            if (each.node, each.call) not in self._lost:  # else another reader told of it
                self._lost.add((each.node, each.call))
                self._note_failures((each.failure,))
                lost.append(each)
        self._uncounted.append((bundle, lost))

    def count(self) -> set[int]:
        """Bring the counts up to date; gives the nodes whose counts changed."""
        changed: set[int] = set()
        with _counting:
            uncounted, self._uncounted = self._uncounted, []
            for bundle, lost in uncounted:
                changed |= count(bundle, self._counts, self._is_single)
                changed |= self._take_back(lost)
        return changed

    def _is_single(self, node: int) -> bool:
        """True for a node that owes one call."""
        return self.nodes[node].owed == 1

    def _note_failures(self, failures: Iterable[Failure]) -> None:
        """Several parts of a reduction may fail, each in its task: that is one failure."""
        if not self._numbers:
            self._numbers = {info.name: number for number, info in enumerate(self.nodes)}
        for failure in failures:
            number = self._numbers.get(failure.node)
            once = number is not None and self._is_single(number)
            if not once or number not in self._failed:
                self.failures.append(failure)
            self._failed.add(number)

    def _take_back(self, lost: Iterable[Lost]) -> set[int]:
        """Count as failed what succeeded but could not travel; gives the nodes that changed."""
        for each in lost:
            counts = self._counts.setdefault(each.node, Counts())
            if each.partial:
                counts.failed = 1
            else:
                counts.completed -= 1
                counts.failed += 1
        return {each.node for each in lost}
