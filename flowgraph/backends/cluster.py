"""Runs plans on a Dask cluster.

Outcomes stay on the workers; only those of the targets come to the driver.
What a task has to report goes ahead of them, as one event: whatever becomes of
the worker later, the driver has it, and no task hands on what others reported.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final, Self

from flowgraph.backends.alarm import Alarm
from flowgraph.backends.census import recount, threads_of
from flowgraph.backends.crew import Crew
from flowgraph.backends.flight import Flight
from flowgraph.backends.nested import away
from flowgraph.backends.news import listen
from flowgraph.backends.pulse import Pulse
from flowgraph.backends.tower import Tower
from flowgraph.compiler.shipping import seal
from flowgraph.runtime.code import Control
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.worker import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from threading import Event

    from distributed import Client

    from flowgraph.compiler.plan import Key, Plan

__all__ = ["Cluster"]

_FINEST: Final = 8
_FINEST_OF_MANY: Final = 4
_PATIENCE: Final = 5.0
"""Seconds for the first worker to come, before a plan is made for what there is."""


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
        self._stays = opened is None
        self._opened = opened.pop_all() if opened else ExitStack()

    def _threads(self) -> int:
        if found := threads_of(self.client):
            return found
        begun = time.monotonic()
        try:
            self.client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError:
            # A cluster that grows by itself has some only once there is work.
            self._idle_since = begun
            return os.cpu_count() or 1
        return threads_of(self.client) or 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._stays:
            recount(self.client)
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
            tower = Tower(self.client, flight, crew, news, pulse, on_outcome)
            try:
                flight.start()
                crew.start()
                outcomes = tower.outcomes()
                for key, outcome in outcomes.items():
                    on_outcome(key, outcome)
                return outcomes
            except BaseException:
                tower.rescue()
                # Not by ``cancel``: where a task that is wanted has readers that nobody wants, it
                # breaks off the scheduler's conversation with the client (distributed 2026.8).
                for future in (*flight.held(), *crew.futures()):
                    with suppress(Exception):  # of a client that was closed meanwhile
                        future.release()
                raise
            finally:
                crew.dismiss()
