"""Runs plans on a Dask cluster.

Outcomes stay on the workers; only those of the targets come to the driver.
What a task has to report goes ahead of them, as one event: whatever becomes of
the worker later, the driver has it, and no task hands on what others reported.
"""

from __future__ import annotations

import asyncio
import os
import queue
import time
from concurrent.futures import wait
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Final, Self

from distributed.client import ClosedClientError

from flowgraph.backends.alarm import Alarm
from flowgraph.backends.crew import Crew, Fetched
from flowgraph.backends.flight import Flight
from flowgraph.backends.nested import away
from flowgraph.backends.news import listen
from flowgraph.backends.pulse import Pulse
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

__all__ = ["Cluster"]

_FINEST: Final = 8
_FINEST_OF_MANY: Final = 4
_PATIENCE: Final = 5.0
"""Seconds for the first worker to come, before a plan is made for what there is."""
_TICK: Final = 0.5
"""Seconds between looks at whether anybody is still there."""


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
    finest_of_many = _FINEST_OF_MANY
    hands_out = True
    far = True

    def __init__(
        self, client: Client, workers: int | None, opened: ExitStack | None = None
    ) -> None:
        self.client = client
        self._idle_since: float | None = None
        self.workers = workers or self._threads()
        self._opened = opened.pop_all() if opened else ExitStack()

    def _threads(self) -> int:
        begun = time.monotonic()
        try:
            self.client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError:
            # A cluster that grows by itself has some only once there is work.
            self._idle_since = begun
            return os.cpu_count() or 1
        return sum(self.client.nthreads().values()) or 1

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
        control = Control(plan.code, halts, line=Line(), abandons=abandons, run=plan.token)
        with ExitStack() as stack:
            news = stack.enter_context(listen(self.client, plan.token))
            if isinstance(stop, Alarm):
                stack.enter_context(stop.rings(lambda: news.put(None)))
            outer = stack.enter_context(away(self.client))
            pulse = Pulse(self.client, plan.name, stop, outer, self._idle_since)
            flight = Flight(self.client, plan, control, news.put)
            crew = Crew(self.client, flight, news, self.workers, on_outcome)
            try:
                flight.start()
                crew.start()
                outcomes = self._gather(flight, crew, news, on_outcome, pulse)
                for key, outcome in outcomes.items():
                    on_outcome(key, outcome)
                return outcomes
            except BaseException:
                self._rescue(flight, crew, news, on_outcome, pulse)
                with suppress(ClosedClientError):
                    self.client.cancel([*flight.futures.values(), *crew.futures()], force=True)
                raise
            finally:
                crew.dismiss()

    def _gather(
        self,
        flight: Flight,
        crew: Crew,
        news: News,
        on_outcome: Callable[[Key, Outcome], None],
        pulse: Pulse,
    ) -> dict[Key, Outcome]:
        """The outcomes, with a failure in the place of what the cluster gave up."""
        plan = flight.plan
        works = {job.key: job.work for job in plan.jobs if job.key in flight.futures}
        outcomes: dict[Key, Outcome] = {}
        # Again and again: what was done is lost with its worker, and made anew.
        while True:
            left = {key: f for key, f in flight.futures.items() if key not in outcomes}
            if not left and not crew.is_busy:
                break
            self._watch(flight, crew, left, news, on_outcome, pulse)
            self._report(flight, crew, news, on_outcome)
            given_up = {key: f.exception() for key, f in left.items() if f.status == "error"}
            if deaths := flight.deaths(given_up.values()):
                flight.give_up(deaths)
                continue
            for key, error in given_up.items():
                scope = Scope(Control(plan.code), works[key].task)
                outcomes[key] = lost(scope, works[key], error, "unknown")
                outcomes[key].bundle = scope.bundle()
            done = {key: f for key, f in left.items() if key not in given_up}
            outcomes |= self._fetch(done, pulse.look)
        outcomes |= crew.outcomes(lambda futures: self._fetch(futures, pulse.look))
        self._report(flight, crew, news, on_outcome)
        return outcomes

    def _watch(
        self,
        flight: Flight,
        crew: Crew,
        futures: Mapping[Key, Future],
        news: News,
        on_outcome: Callable[[Key, Outcome], None],
        pulse: Pulse,
    ) -> None:
        """Pass on what happens until all futures are done; if there are none, all regions."""

        def not_done() -> set[Any]:
            return {future.key for future in futures.values() if not future.done()}

        left = not_done()
        while left or (not futures and crew.is_busy):
            pulse.check()
            try:
                event = news.get(timeout=crew.patience or _TICK)
            except queue.Empty:
                crew.hurry()
                pulse.look()
                left = not_done()  # nothing is said of those that were lost and made anew
                continue
            if not _take(event, flight, crew, on_outcome) and event.key in left:
                left.discard(event.key)
                if event.cancelled():
                    raise SchedulerError.went_away(self.client.scheduler.address)

    def _fetch(
        self, futures: Mapping[Key, Future], look: Callable[[], None]
    ) -> Mapping[Key, Outcome]:
        """The results of futures that are done, without those that were lost meanwhile.

        Dask waits for what is lost while it is fetched; ``look`` may end that.
        """
        fetching = self.client.gather(dict(futures), errors="skip", asynchronous=True)
        asked = asyncio.run_coroutine_threadsafe(fetching, self.client.loop.asyncio_loop)
        try:
            while not wait([asked], _TICK).done:
                look()
        finally:
            asked.cancel()
        found: Mapping[Key, Outcome] = asked.result()
        return found

    def _report(
        self,
        flight: Flight,
        crew: Crew,
        news: News,
        on_outcome: Callable[[Key, Outcome], None],
    ) -> None:
        """Pass on the reports that are there: of tasks that were made anew, say."""
        with suppress(queue.Empty):
            while True:
                _take(news.get_nowait(), flight, crew, on_outcome)

    def _rescue(
        self,
        flight: Flight,
        crew: Crew,
        news: News,
        on_outcome: Callable[[Key, Outcome], None],
        pulse: Pulse,
    ) -> None:
        """Of a run that ends early, keep the targets that were finished, and all reports."""
        done = _finished(flight.futures)

        def note(key: Key, outcome: Outcome) -> None:
            # The run ends with the error that is being raised, not with a later failure.
            with suppress(Exception):
                on_outcome(key, outcome)

        with suppress(Exception):
            for key, outcome in self._fetch(done, pulse.look_now).items():
                note(key, outcome)
        crew.rest()
        while not news.empty():
            with suppress(Exception):
                self._report(flight, crew, news, note)
        crew.close(lambda futures: self._fetch(_finished(futures), pulse.look_now))


def _finished(futures: Mapping[Any, Future]) -> dict[Any, Future]:
    return {key: future for key, future in futures.items() if future.status == "finished"}


def _take(
    event: Any, flight: Flight, crew: Crew, on_outcome: Callable[[Key, Outcome], None]
) -> bool:
    """Go on after an event; False if it is a future that is no stint's."""
    if event is None:
        return True
    if isinstance(event, Fetched):
        crew.fetched(event)
        return True
    if not isinstance(event, tuple):
        return crew.settled(event)
    bundle, receipt = event
    if not bundle:
        crew.returned(receipt)
    for report in read_bundles(bundle):
        if not receipt or not crew.heard(report, receipt):
            flight.reported.add(report.task)
            on_outcome(flight.plan.jobs[report.task].key, Report(report))
    return True
