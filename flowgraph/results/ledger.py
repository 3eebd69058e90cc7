"""What the driver writes down while a run goes on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flowgraph.results.account import Account, TaskInfo
from flowgraph.results.progress import Progress
from flowgraph.results.stats import Counts
from flowgraph.runtime.outcome import Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowgraph.compiler.plan import Key, Plan
    from flowgraph.runtime.outcome import Outcome

__all__ = ["Ledger"]


class Ledger:
    """Takes the outcomes of a run's tasks as they arrive.

    Parameters
    ----------
    plan : Plan
        What runs.
    workers : int
        Tasks that run at once.
    halts : bool
        Raise the first final failure.
    progress : callable, optional
        Told of each stage that is further; what it raises ends the run.

    Raises
    ------
    GraphError
        If the plan has run already.
    """

    def __init__(
        self,
        plan: Plan,
        workers: int,
        *,
        halts: bool,
        progress: Callable[[Progress], object] | None,
    ) -> None:
        self.plan = plan
        self.outcomes: dict[Key, Outcome] = {}
        self.account = Account(
            name=plan.name,
            nodes=plan.nodes,
            tasks=tuple([TaskInfo(job.key, job.work.node, job.needs) for job in plan.jobs]),
            targets=tuple([target.node for target in plan.targets]),
            started=time.time(),
            workers=workers,
        )
        self._wanted = {key for target in plan.targets for key in target.keys}
        self.halts = halts
        self._progress = progress
        self._begun = time.perf_counter()
        self._stages: dict[str, list[int]] = {}
        for number, info in enumerate(() if progress is None else plan.nodes):
            if info.stage is not None:
                self._stages.setdefault(info.stage, []).append(number)

    def take(self, key: Key, outcome: Outcome) -> None:
        """Note an outcome.

        Raises
        ------
        StageError
            If it is a final failure and the run is to end at the first.
        BaseException
            Whatever ``progress`` raises.
        """
        if key in self._wanted and not isinstance(outcome, Report):
            self.outcomes[key] = outcome
        bundle = outcome.bundle
        if bundle is not None:
            self.account.add(bundle)
        if self._progress is not None and (changed := self.account.count()):
            self._tell(changed)
        if self.halts and bundle is not None:
            for failure in (*bundle.failures, *(lost.failure for lost in bundle.lost)):
                raise failure.to_error()

    def close(self) -> None:
        """Note the end of the run."""
        self.account.wall = time.perf_counter() - self._begun

    def _tell(self, changed: set[int]) -> None:
        assert self._progress is not None
        names = {self.plan.nodes[number].stage for number in changed}
        for name, numbers in self._stages.items():
            if name in names:
                self._progress(self._of_stage(name, numbers))

    def _of_stage(self, name: str, numbers: list[int]) -> Progress:
        known = self.account.counts
        counts = [known.get(number, Counts()) for number in numbers]
        successful = sum(each.completed for each in counts)
        failed = sum(each.failed for each in counts)
        owed = [self.plan.nodes[number].owed for number in numbers]
        total = None if None in owed else sum(each or 0 for each in owed)
        return Progress(name, successful + failed, total, successful, failed)
