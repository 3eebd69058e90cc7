"""Watches a run on a cluster, from its start to the outcomes of its targets."""

from __future__ import annotations

import asyncio
import pickle
import queue
from concurrent.futures import wait
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from flowgraph.backends.news import Fetched
from flowgraph.errors import SchedulerError
from flowgraph.runtime.code import Control
from flowgraph.runtime.handover import Done
from flowgraph.runtime.outcome import Outcome, Report
from flowgraph.runtime.report import read_bundles
from flowgraph.runtime.scope import Scope
from flowgraph.runtime.work import lost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from distributed import Client, Future

    from flowgraph.backends.crew import Crew
    from flowgraph.backends.flight import Flight
    from flowgraph.backends.news import News
    from flowgraph.backends.pulse import Pulse
    from flowgraph.compiler.plan import Key

__all__ = ["Tower"]

_TICK: Final = 0.5
"""Seconds between looks at whether anybody is still there."""


class Tower:
    """Waits for the tasks of a run and its regions, and passes on what they report.

    Parameters
    ----------
    client : distributed.Client
        Connected to the cluster.
    flight : Flight
        The tasks.
    crew : Crew
        Makes the regions.
    news : News
        What is heard of both.
    pulse : Pulse
        Ends a run that nobody wants, or that nobody is there for.
    on_outcome : callable
        Gets the reports.
    """

    def __init__(  # noqa: PLR0913  the parts of a run
        self,
        client: Client,
        flight: Flight,
        crew: Crew,
        news: News,
        pulse: Pulse,
        on_outcome: Callable[[Key, Outcome], None],
    ) -> None:
        self._client = client
        self._address = client.scheduler.address
        self._flight = flight
        self._crew = crew
        self._news = news
        self._pulse = pulse
        self._on_outcome = on_outcome
        self._came: dict[Key, Outcome] = {}
        """Small values of targets, which came with the reports of their tasks."""

    def outcomes(self) -> dict[Key, Outcome]:
        """Those of the targets, with a failure in the place of what the cluster gave up.

        Raises
        ------
        BaseException
            Whatever ends the run.
        """
        flight, crew, plan = self._flight, self._crew, self._flight.plan
        works = {job.key: job.work for job in plan.jobs if job.key in flight.futures}
        outcomes: dict[Key, Outcome] = {}
        # Again and again: what was done is lost with its worker, and made anew.
        while (left := self._left(outcomes)) or crew.is_busy:
            self._watch(left)
            self._report()
            outcomes |= {key: self._came[key] for key in left if key in self._came}
            left = self._left(outcomes)
            given_up = {key: f.exception() for key, f in left.items() if f.status == "error"}
            if deaths := flight.deaths(given_up.values()):
                flight.give_up(deaths)
                continue
            for key, error in given_up.items():
                scope = Scope(Control(plan.code), works[key].task)
                outcomes[key] = lost(scope, works[key], error, "unknown")
                outcomes[key].bundle = scope.bundle()
            done = {key: f for key, f in left.items() if key not in given_up}
            if done:
                outcomes |= self._fetch(done, self._pulse.look)
        outcomes |= crew.outcomes(lambda futures: self._fetch(futures, self._pulse.look))
        self._report()
        return outcomes

    def rescue(self) -> None:
        """Of a run that ends early, keep the targets that were finished, and all reports.

        The run ends with the error that is being raised, not with a later failure.
        """
        look, found = self._pulse.look_now, dict[Any, Outcome]()
        with suppress(Exception):
            found |= self._fetch(_finished(self._left(self._came)), look)
        self._crew.rest()
        while not self._news.empty():
            with suppress(Exception):
                self._report()
        for key, outcome in (found | self._came).items():
            with suppress(Exception):
                self._on_outcome(key, outcome)
        self._crew.close(lambda futures: self._fetch(_finished(futures), look))

    def _left(self, outcomes: Mapping[Key, Outcome]) -> dict[Key, Future]:
        futures = self._flight.futures
        return {key: future for key, future in futures.items() if key not in outcomes}

    def _watch(self, futures: Mapping[Key, Future]) -> None:
        """Pass on what happens until all values have come or are done; of none, all regions."""

        def not_done() -> set[Key]:
            return {key for key, future in futures.items() if not future.done()} - came.keys()

        crew, came = self._crew, self._came
        keys = {future.key: key for key, future in futures.items()}
        left = not_done()
        while left or (not futures and crew.is_busy):
            self._pulse.check()
            patience = crew.patience
            if patience == 0:
                crew.hurry()
                patience = None
            try:
                event = self._news.get(timeout=patience or _TICK)
            except queue.Empty:
                self._pulse.look()
                left = not_done()  # nothing is said of those that were lost and made anew
                continue
            if self._take(event):
                left -= came.keys()
            elif (key := keys.get(event.key)) in left:
                left.discard(key)
                if event.cancelled():
                    raise SchedulerError.went_away(self._address)

    def _report(self) -> None:
        """Pass on what is there: reports of tasks that were made anew, say."""
        with suppress(queue.Empty):
            while True:
                self._take(self._news.get_nowait())

    def _take(self, event: Any) -> bool:
        """Go on after an event; False if it is a future that is no stint's."""
        if event is None:
            return True
        if isinstance(event, Fetched):
            self._crew.fetched(event)
            return True
        if not isinstance(event, tuple):
            return self._crew.settled(event)
        bundle, receipt = event
        if not bundle:
            self._crew.returned(receipt)
        for report in read_bundles(bundle):
            task, part, made = pickle.loads(receipt) if receipt else (report.task, 0, None)
            if isinstance(made, Done) and self._crew.heard(report, task, part, made):
                continue
            key = self._flight.plan.jobs[report.task].key
            if isinstance(made, Outcome):
                self._came[key] = made
            self._flight.reported.add(report.task)
            self._on_outcome(key, Report(report))
        return True

    def _fetch(
        self, futures: Mapping[Any, Future], look: Callable[[], None]
    ) -> Mapping[Any, Outcome]:
        """The results of futures that are done, without those that were lost meanwhile.

        Dask waits for what is lost while it is fetched; ``look`` may end that.
        """
        fetching = self._client.gather(dict(futures), errors="skip", asynchronous=True)
        asked = asyncio.run_coroutine_threadsafe(fetching, self._client.loop.asyncio_loop)
        try:
            while not wait([asked], _TICK).done:
                look()
        finally:
            asked.cancel()
        found: Mapping[Any, Outcome] = asked.result()
        return found


def _finished(futures: Mapping[Any, Future]) -> dict[Any, Future]:
    return {key: future for key, future in futures.items() if future.status == "finished"}
