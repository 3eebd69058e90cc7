"""A plan of one task needs no scheduler: it is handed to a worker, and waited for."""

from __future__ import annotations

from contextlib import nullcontext
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast

from dask.local import queue_get

from flowgraph.backends.alarm import Alarm
from flowgraph.errors import SchedulerError
from flowgraph.runtime.work import perform

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from threading import Event

    from flowgraph.backends.stints import Hands, Stints
    from flowgraph.compiler.plan import Job, Key, Plan
    from flowgraph.runtime.code import Control
    from flowgraph.runtime.outcome import Outcome
    from flowgraph.runtime.region import Region

__all__ = ["run_single"]


def run_single(
    plan: Plan,
    control: Control,
    on_outcome: Callable[[Key, Outcome], None],
    stop: Event,
    hands: Hands,
    stints: Stints | None,
) -> dict[Key, Outcome]:
    """Run a plan of one task, as Dask's local scheduler would.

    Parameters
    ----------
    plan : Plan
        A plan of one task.
    control : Control
        What its task gets beside its work.
    on_outcome : callable
        Gets the outcome, in this thread.
    stop : Event
        Set when nobody wants the run any more.
    hands : Hands
        The workers.
    stints : Stints, optional
        Makes the task's calls, if it is a region.

    Raises
    ------
    SchedulerError
        If the run was stopped.
    BaseException
        Whatever ``on_outcome`` raises; what interrupts the task; Ctrl-C.
    """
    (job,) = plan.jobs
    if stints is None and hands.here:
        outcome = perform(control, job.work)
    else:
        future = _next(job, control, stop, hands, stints)
        if future is None:
            raise SchedulerError.stopped(plan.name)
        outcome = future.result()
    on_outcome(job.key, outcome)
    if stints is not None:
        stints.arrived(job.key)
    if stop.is_set():
        raise SchedulerError.stopped(plan.name)
    return {job.key: outcome}


def _next(
    job: Job, control: Control, stop: Event, hands: Hands, stints: Stints | None
) -> Future[Outcome] | None:
    """The future of a task, done; None if the run is over before."""
    arrived: SimpleQueue[Any] = SimpleQueue()
    rings = isinstance(stop, Alarm) and not hands.here  # else nobody waits for a call
    with stop.rings(lambda: arrived.put(None)) if rings else nullcontext():  # type: ignore[attr-defined]
        if stints is None:
            future = hands.make(control, job.work)
        else:
            future = stints.begin(job.key, control, cast("Region", job.work))
            stints.wake_by(arrived.put)
        future.add_done_callback(arrived.put)
        while (found := queue_get(arrived)) is not None and found is not future:
            found.result()  # news of a region's calls, which are handed on by this
        return future if found is future else None
