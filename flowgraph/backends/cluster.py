"""A Dask cluster: one that is there, or a LocalCluster for the run.

Outcomes stay on the workers.  What the driver must know on the way, failures
and progress, comes as one event per task; every record comes with the outcomes
of the tasks that nobody reads, once all is done.
"""

from __future__ import annotations

import queue
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import dask.config

from flowgraph.compiler.shipping import seal
from flowgraph.errors import GraphError, SchedulerError
from flowgraph.runtime.outcome import Outcome, Report
from flowgraph.runtime.scope import Scope, read_bundles
from flowgraph.runtime.work import lost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from threading import Event

    from distributed import Client, Future

    from flowgraph.compiler.plan import Key, Plan

__all__ = ["Cluster", "Signal", "connect", "local_cluster"]

_FINEST: Final = 8
_PATIENCE: Final = 5.0
"""Seconds for a scheduler to answer, and for its first worker to come."""
_TICK: Final = 0.5
"""Seconds between looks at whether the scheduler is still there."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Tells the driver of a task's end, from the worker."""

    topic: str
    live: bool
    """True to tell of every task, False of failures only."""

    def __call__(self, task: int, bundle: bytes, failed: bool) -> None:
        if failed or self.live:
            from distributed import get_worker  # noqa: PLC0415  only workers have it loaded

            get_worker().log_event(self.topic, {"task": task, "bundle": bundle})


class Cluster:
    """Runs plans on the workers of a Dask cluster.

    Parameters
    ----------
    client : distributed.Client
        Connected to the cluster.
    workers : int, optional
        Shapes the plan; default the cluster's threads.
    opened : sequence
        What to close at the end, the last first.
    """

    finest = _FINEST

    def __init__(self, client: Client, workers: int | None, opened: Iterable[Any] = ()) -> None:
        self._client = client
        self._opened = tuple(opened)
        threads = self._threads()  # also asks whether there are any
        self.workers = workers or threads

    def _threads(self) -> int:
        try:
            self._client.wait_for_workers(1, timeout=_PATIENCE)
            return sum(self._client.nthreads().values()) or 1
        except TimeoutError:
            raise SchedulerError.no_workers(self._client.scheduler.address) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for opened in reversed(self._opened):
            opened.close()

    def run(
        self,
        plan: Plan,
        on_outcome: Callable[[Key, Outcome], None],
        stop: Event,
        *,
        halts: bool,
        live: bool,
    ) -> Mapping[Key, Outcome]:
        """Run a plan; see `flowgraph.backends.protocol.Backend`."""
        seal(plan.control.code, plan.cargo)
        topic = f"flowgraph-{plan.token}"
        control = plan.control
        control.halts, control.carries = halts, True
        control.signal = Signal(topic, live)
        news: queue.SimpleQueue[Future | bytes] = queue.SimpleQueue()
        self._client.subscribe_topic(topic, lambda event: news.put(event[1]["bundle"]))
        wanted = {key for target in plan.targets for key in target.keys}
        # A lane's last token is among the last; the others are held by the tasks behind them.
        held = list(wanted | plan.last)
        futures: dict[Key, Future] = {}
        try:
            # Dask's advice on large graphs is for those who write them by hand.
            with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
                got = self._client.get(dict(plan.tasks), held, sync=False)
            futures = dict(zip(held, got, strict=True))
            for future in got:
                future.add_done_callback(news.put)
            self._watch(plan, futures, news, on_outcome, stop)
            outcomes = self._gather(plan, futures)
            for key, outcome in outcomes.items():
                if key in plan.last:
                    self._report(plan, outcome.carried, on_outcome)
            for key in wanted:
                on_outcome(key, outcomes[key])
            return {key: outcomes[key] for key in wanted}
        except BaseException:
            self._rescue(plan, {k: f for k, f in futures.items() if k in wanted}, on_outcome)
            self._client.cancel(list(futures.values()), force=True)
            raise
        finally:
            self._client.unsubscribe_topic(topic)

    def _watch(
        self,
        plan: Plan,
        futures: Mapping[Key, Future],
        news: queue.SimpleQueue[Future | bytes],
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
                if self._client.status != "running":
                    raise SchedulerError.went_away(self._client.scheduler.address) from None
                continue
            if isinstance(event, bytes):
                self._report(plan, event, on_outcome)
            else:
                left -= 1
                if event.cancelled():
                    raise SchedulerError.went_away(self._client.scheduler.address)

    def _report(
        self, plan: Plan, packed: bytes, on_outcome: Callable[[Key, Outcome], None]
    ) -> None:
        for bundle in read_bundles(packed):
            on_outcome(plan.jobs[bundle.task].key, Report(bundle))

    def _gather(self, plan: Plan, futures: Mapping[Key, Future]) -> dict[Key, Outcome]:
        """The outcomes, with a failure in the place of what the cluster gave up."""
        from distributed import wait

        outcomes: dict[Key, Outcome] = {}
        left = dict(futures)
        while left:
            # Again and again: what was done is lost with its worker, and made anew.
            with self._client.as_current():
                wait(list(left.values()))
            given_up = {key: future for key, future in left.items() if future.status == "error"}
            for key, future in given_up.items():
                outcomes[key] = _lost(plan, key, future.exception())
            done = {key: future for key, future in left.items() if key not in given_up}
            outcomes |= self._client.gather(done, errors="skip")
            left = {key: future for key, future in left.items() if key not in outcomes}
        return outcomes

    def _rescue(
        self,
        plan: Plan,
        futures: Mapping[Key, Future],
        on_outcome: Callable[[Key, Outcome], None],
    ) -> None:
        """Of a run that ends early, keep the targets that were finished."""
        done = {key: future for key, future in futures.items() if future.status == "finished"}

        def note(key: Key, outcome: Outcome) -> None:
            # The run ends with the error that is being raised, not with a later failure.
            with suppress(Exception):
                on_outcome(key, outcome)

        with suppress(Exception):
            for key, outcome in self._client.gather(done, errors="skip").items():
                self._report(plan, outcome.carried, note)
                note(key, outcome)


def _lost(plan: Plan, key: Key, error: BaseException) -> Outcome:
    """The outcome of a task that the cluster gave up, because its workers died."""
    work = plan.tasks[key].args[1]
    scope = Scope(plan.control, work.task)
    outcome = lost(scope, work, error, "unknown")
    outcome.carried = scope.bundle().pack()
    return outcome


def connect(address: str, workers: int | None) -> Cluster:
    """The cluster of a scheduler that is running somewhere.

    Raises
    ------
    SchedulerError
        If it does not answer, or has no workers.
    """
    from distributed import Client  # noqa: PLC0415  takes a third of a second

    try:
        client = Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SchedulerError.no_answer(address, error) from error
    try:
        return Cluster(client, workers, [client])
    except BaseException:
        client.close()
        raise


def local_cluster(workers: int) -> Cluster:
    """A cluster of processes with one thread each, for one run."""
    from distributed import Client, LocalCluster  # noqa: PLC0415  takes a third of a second

    cluster = LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0"
    )
    client = Client(cluster, set_as_default=False)
    return Cluster(client, workers, [cluster, client])


def of_client(client: Client, workers: int | None) -> Cluster:
    """The cluster that a user's client is connected to; it stays open.

    Raises
    ------
    GraphError
        If the client is asynchronous.
    """
    if client.asynchronous:
        raise GraphError.asynchronous_client()
    return Cluster(client, workers)
