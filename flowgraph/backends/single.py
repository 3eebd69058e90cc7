"""A plan of one task needs no scheduler: it is handed to a worker, and waited for."""

from __future__ import annotations

from contextlib import nullcontext
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from dask.local import queue_get

from flowgraph.backends.alarm import Alarm
from flowgraph.errors import SchedulerError
from flowgraph.runtime.region import Region
from flowgraph.runtime.work import perform

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from threading import Event

    from flowgraph.backends.stints import Hands
    from flowgraph.compiler.plan import Key, Plan
    from flowgraph.runtime.code import Control
    from flowgraph.runtime.outcome import Outcome

__all__ = ["is_single", "run_single"]


def is_single(plan: Plan) -> bool:
    """True for a plan of one task, unless that is a region, whose calls are handed out."""
    return len(plan.jobs) == 1 and type(plan.jobs[0].work) is not Region


def run_single(
    plan: Plan,
    control: Control,
    on_outcome: Callable[[Key, Outcome], None],
    stop: Event,
    hands: Hands,
) -> dict[Key, Outcome]:
    """Run a plan of one task, as Dask's local scheduler would.

    Parameters
    ----------
    plan : Plan
        A plan for which `is_single` holds.
    control : Control
        What its task gets beside its work.
    on_outcome : callable
        Gets the outcome, in this thread.
    stop : Event
        Set when nobody wants the run any more.
    hands : Hands
        The workers.

    Raises
    ------
    SchedulerError
        If the run was stopped.
    BaseException
        Whatever ``on_outcome`` raises; what interrupts the task; Ctrl-C.
    """
    (job,) = plan.jobs
    if hands.here:
        outcome = perform(control, job.work)
    else:
        future = _next(control, job.work, stop, hands)
        if future is None:
            raise SchedulerError.stopped(plan.name)
        outcome = future.result()
    on_outcome(job.key, outcome)
    if stop.is_set():
        raise SchedulerError.stopped(plan.name)
    return {job.key: outcome}


def _next(control: Control, work: Any, stop: Event, hands: Hands) -> Future[Outcome] | None:
    """The future of a task, done; None if the run is over before."""
    arrived: SimpleQueue[Future[Outcome] | None] = SimpleQueue()
    rings = isinstance(stop, Alarm)
    with stop.rings(lambda: arrived.put(None)) if rings else nullcontext():  # type: ignore[attr-defined]
        hands.make(control, work).add_done_callback(arrived.put)
        found: Future[Outcome] | None = queue_get(arrived)
        return found
