"""Runs plans on a Dask cluster.

Outcomes stay on the workers; only those of the targets come to the driver.
What a task has to report goes ahead of them, as one event: whatever becomes of
the worker later, the driver has it, and no task hands on what others reported.
"""

from __future__ import annotations

import queue
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final, Self

import dask.config

from flowgraph.backends.alarm import Alarm
from flowgraph.backends.layers import layered
from flowgraph.backends.news import listen
from flowgraph.compiler.shipping import seal
from flowgraph.errors import SchedulerError
from flowgraph.runtime.code import Control
from flowgraph.runtime.outcome import Outcome, Report
from flowgraph.runtime.report import read_bundles
from flowgraph.runtime.scope import Scope
from flowgraph.runtime.work import lost
from flowgraph.runtime.worker import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from threading import Event

    from distributed import Client, Future

    from flowgraph.backends.news import News
    from flowgraph.compiler.plan import Key, Plan
    from flowgraph.runtime.work import Work

__all__ = ["Cluster"]

_FINEST: Final = 8
_PATIENCE: Final = 5.0
"""Seconds for the first worker to come."""
_TICK: Final = 0.5
"""Seconds between looks at whether the scheduler is still there."""


class Cluster:
    """Runs plans on the workers of a Dask cluster.

    Parameters
    ----------
    client : distributed.Client
        Connected to the cluster.
    workers : int, optional
        Shapes the plan; default the cluster's threads.
    opened : contextlib.ExitStack, optional
        What to close at the end; taken over once the cluster is known to be there.
    """

    finest = _FINEST

    def __init__(
        self, client: Client, workers: int | None, opened: ExitStack | None = None
    ) -> None:
        self.client = client
        threads = self._threads()  # also asks whether there are any
        self.workers = workers or threads
        self._opened = opened.pop_all() if opened else ExitStack()

    def _threads(self) -> int:
        try:
            self.client.wait_for_workers(1, timeout=_PATIENCE)
            return sum(self.client.nthreads().values()) or 1
        except TimeoutError:
            raise SchedulerError.no_workers(self.client.scheduler.address) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._opened.close()

    def run(
        self,
        plan: Plan,
        on_outcome: Callable[[Key, Outcome], None],
        stop: Event,
        *,
        halts: bool,
    ) -> Mapping[Key, Outcome]:
        """Run a plan; see `flowgraph.backends.protocol.Backend`."""
        seal(plan.code, plan.cargo)
        # The worker stays, and its slot with it, whatever hangs there.
        abandons = isinstance(stop, Alarm)
        tasks = plan.tasks(Control(plan.code, halts, line=Line(plan.token), abandons=abandons))
        wanted = list({key for target in plan.targets for key in target.keys})
        held = [job.key for job in plan.jobs if job.held]
        futures: dict[Key, Future] = {}
        with ExitStack() as stack:
            news = stack.enter_context(listen(self.client, plan.token))
            if isinstance(stop, Alarm):
                stack.enter_context(stop.rings(lambda: news.put(None)))
            try:
                # Dask's advice on large graphs is for those who write them by hand.
                with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
                    got = self.client.get(layered(plan, tasks), [*wanted, *held], sync=False)
                futures = dict(zip(wanted, got, strict=False))
                for future in futures.values():
                    future.add_done_callback(news.put)
                self._watch(plan, futures, news, on_outcome, stop)
                outcomes = self._gather(plan, futures)
                self._report(plan, news, on_outcome)
                for key, outcome in outcomes.items():
                    on_outcome(key, outcome)
                return outcomes
            except BaseException:
                self._rescue(plan, futures, news, on_outcome)
                self.client.cancel(list(futures.values()), force=True)
                raise

    def _watch(
        self,
        plan: Plan,
        futures: Mapping[Key, Future],
        news: News,
        on_outcome: Callable[[Key, Outcome], None],
        stop: Event,
    ) -> None:
        """Pass on what happens until all futures are done."""
        left = len(futures)
        while left:
            if stop.is_set():
                raise SchedulerError.stopped(plan.name)
            try:
                event = news.get(timeout=_TICK)
            except queue.Empty:
                if self.client.status != "running":
                    raise SchedulerError.went_away(self.client.scheduler.address) from None
                continue
            if isinstance(event, bytes):
                _note(plan, event, on_outcome)
            elif event is not None:
                left -= 1
                if event.cancelled():
                    raise SchedulerError.went_away(self.client.scheduler.address)

    def _report(self, plan: Plan, news: News, on_outcome: Callable[[Key, Outcome], None]) -> None:
        """Pass on the reports that are there: of tasks that were made anew, say."""
        with suppress(queue.Empty):
            while True:
                event = news.get_nowait()
                if isinstance(event, bytes):
                    _note(plan, event, on_outcome)

    def _gather(self, plan: Plan, futures: Mapping[Key, Future]) -> dict[Key, Outcome]:
        """The outcomes, with a failure in the place of what the cluster gave up."""
        from distributed import wait

        works = {job.key: job.work for job in plan.jobs if job.key in futures}
        outcomes: dict[Key, Outcome] = {}
        left = dict(futures)
        while left:
            # Again and again: what was done is lost with its worker, and made anew.
            with self.client.as_current():
                wait(list(left.values()))
            given_up = {key: future for key, future in left.items() if future.status == "error"}
            for key, future in given_up.items():
                outcomes[key] = _lost(plan, works[key], future.exception())
            done = {key: future for key, future in left.items() if key not in given_up}
            outcomes |= self.client.gather(done, errors="skip")
            left = {key: future for key, future in left.items() if key not in outcomes}
        return outcomes

    def _rescue(
        self,
        plan: Plan,
        futures: Mapping[Key, Future],
        news: News,
        on_outcome: Callable[[Key, Outcome], None],
    ) -> None:
        """Of a run that ends early, keep the targets that were finished, and all reports."""
        done = {key: future for key, future in futures.items() if future.status == "finished"}

        def note(key: Key, outcome: Outcome) -> None:
            # The run ends with the error that is being raised, not with a later failure.
            with suppress(Exception):
                on_outcome(key, outcome)

        with suppress(Exception):
            for key, outcome in self.client.gather(done, errors="skip").items():
                note(key, outcome)
        self._report(plan, news, note)


def _note(plan: Plan, bundle: bytes, on_outcome: Callable[[Key, Outcome], None]) -> None:
    for report in read_bundles(bundle):
        on_outcome(plan.jobs[report.task].key, Report(report))


def _lost(plan: Plan, work: Work, error: BaseException) -> Outcome:
    """The outcome of a task that the cluster gave up, because its workers died."""
    scope = Scope(Control(plan.code), work.task)
    outcome = lost(scope, work, error, "unknown")
    outcome.bundle = scope.bundle()
    return outcome
