"""What the driver writes down while a run goes on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flowgraph.errors import GraphError, StageError
from flowgraph.results.progress import Progress
from flowgraph.results.stats import Counts, count
from flowgraph.runtime.failure import Failure
from flowgraph.runtime.outcome import Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowgraph.compiler.plan import Key, Plan
    from flowgraph.runtime.outcome import Outcome
    from flowgraph.runtime.scope import Bundle

__all__ = ["Ledger"]


class Ledger:
    """Takes the outcomes of a run's tasks as they arrive.

    Parameters
    ----------
    plan : Plan
        What runs.
    halts : bool
        Raise the first final failure.
    progress : callable, optional
        Told of each stage that is further; what it raises ends the run.
    """

    def __init__(
        self, plan: Plan, *, halts: bool, progress: Callable[[Progress], object] | None
    ) -> None:
        if plan.control.used:
            raise GraphError.running_twice(plan.name)
        plan.control.used = True
        self.plan = plan
        self.started = time.time()
        self.wall = 0.0
        self.outcomes: dict[Key, Outcome] = {}
        self.bundles: dict[int, Bundle] = {}
        self.failures: list[Failure] = []
        self.counts: dict[int, Counts] = {}
        self._wanted = {key for target in plan.targets for key in target.keys}
        self._halts = halts
        self._progress = progress
        self._begun = time.perf_counter()
        self._stages: dict[str, list[int]] = {}
        for number, info in enumerate(plan.nodes):
            if info.stage is not None:
                self._stages.setdefault(info.stage, []).append(number)

    def take(self, key: Key, outcome: Outcome) -> None:
        """Note an outcome.

        Raises
        ------
        StageError
            If it is a final failure and the run is to end at the first.
        """
        if key in self._wanted and not isinstance(outcome, Report):
            self.outcomes[key] = outcome
        bundle = outcome.bundle
        changed: set[int] = set()
        if bundle is not None and bundle.task not in self.bundles:
            self.bundles[bundle.task] = bundle
            self.failures.extend(bundle.failures)
            changed = count(bundle, self.counts)
        if self._progress is not None and changed:
            self._tell(changed)
        if self._halts:
            failure = outcome.missing if isinstance(outcome.missing, Failure) else None
            if bundle is not None and bundle.failures:
                failure = bundle.failures[0]
            if failure is not None:
                raise failure.to_error()

    def close(self) -> None:
        """Note the end of the run."""
        self.wall = time.perf_counter() - self._begun

    def _tell(self, changed: set[int]) -> None:
        assert self._progress is not None
        names = {self.plan.nodes[number].stage for number in changed}
        for name, numbers in self._stages.items():
            if name in names:
                self._progress(self._of_stage(name, numbers))

    def _of_stage(self, name: str, numbers: list[int]) -> Progress:
        counts = [self.counts.get(number, Counts()) for number in numbers]
        successful = sum(each.completed for each in counts)
        failed = sum(each.failed for each in counts)
        owed = [self.plan.nodes[number].owed for number in numbers]
        total = None if None in owed else sum(each or 0 for each in owed)
        return Progress(name, successful + failed, total, successful, failed)

    def errors(self) -> list[StageError]:
        """Every final failure."""
        return [failure.to_error() for failure in self.failures]
