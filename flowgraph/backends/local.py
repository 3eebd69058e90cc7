"""The caller's own machine: sync, threads and processes, by Dask's local scheduler."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, Self

from dask.local import get_async

from flowgraph.backends.alarm import Alarm, Answers
from flowgraph.backends.brake import Brake
from flowgraph.backends.pool import shared_pool
from flowgraph.backends.rule import Rule
from flowgraph.backends.sender import Sender
from flowgraph.backends.single import run_single
from flowgraph.backends.stints import Stints
from flowgraph.backends.threads import thread_pool
from flowgraph.compiler.shipping import seal
from flowgraph.errors import SchedulerError
from flowgraph.runtime.code import Control
from flowgraph.runtime.region import Region
from flowgraph.runtime.work import perform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import ThreadPoolExecutor
    from threading import Event

    from flowgraph.backends.stints import Ahead, Hands
    from flowgraph.compiler.plan import Key, Plan
    from flowgraph.runtime.outcome import Outcome
    from flowgraph.runtime.work import Work

__all__ = ["Processes", "Sync", "Threads"]

_FINEST: Final = 32
_FINEST_OF_MANY: Final = 8
"""So many items are quick, and a partition costs as much as some thousands of them."""
_STRETCH: Final = 10
"""How many times longer a stint of quick calls is."""
_SHORT: Final = 2e-3
"""Seconds of a stint in a thread."""
_LITTLE: Final = 2e-4
"""Seconds that calls must gain by being shared among threads."""
_LONGER: Final = 5e-3
"""Seconds of a stint in another process."""
_MUCH: Final = 2.4e-3
"""Seconds that calls must gain by being shared among processes: a stint takes 0.8 ms to come and
go, and of calls that read one another's values two or three do so where one could.

A stencil of width 4 took longer on two processes than in a loop, unless its calls took 1.2 ms.
"""
_LONG: Final = 50e-3
"""Seconds of a stint in the caller's thread, which are only for progress."""
_GRACE: Final = 0.5
"""Seconds that a call in a worker process has left when its run was broken off."""
_WORKER: Final = "local"
"""Dask asks each task for the name of its worker; the reports have better ones."""


class _Local:
    """What the three have in common: nothing to open, nothing to close."""

    finest = _FINEST
    finest_of_many = _FINEST_OF_MANY
    hands_out = True
    far = False

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass


def _rule(workers: int, seconds: float, worth: float = 0.0) -> Rule:
    """How the calls of regions are cut here."""
    return Rule(workers=workers, seconds=seconds, worth=worth, long=_STRETCH * seconds)


def _get(  # noqa: PLR0913  the parts of a run
    plan: Plan,
    control: Control,
    on_outcome: Callable[[Key, Outcome], None],
    stop: Event,
    hands: Hands,
    rule: Rule,
    surplus: int = 1,
) -> Mapping[Key, Outcome]:
    """Run a plan: one task by itself, several by Dask's local scheduler.

    Parameters
    ----------
    hands : Hands
        The workers.
    rule : Rule
        How many they are, and what each gets of a region.
    surplus : int
        How many times as many tasks are handed over as there are workers.
    """
    stints = None
    if any(type(job.work) is Region for job in plan.jobs):
        stints = Stints(hands, rule, _WORKER, on_outcome, plan.name)
    found: Mapping[Key, Outcome]
    try:
        if len(plan.jobs) == 1:
            found = run_single(plan, control, on_outcome, stop, hands, stints)
        else:
            at_once = rule.workers * surplus
            found = _scheduled(plan, control, on_outcome, stop, hands, at_once, stints)
        if stints is not None:
            stints.tell()  # what one thread has kept when another one ended a region
    finally:
        # Raised: tasks that run in other threads must not go on for nobody.
        stop.set()
        if stints is not None:
            stints.close()
    return found


def _scheduled(
    plan: Plan,
    control: Control,
    on_outcome: Callable[[Key, Outcome], None],
    stop: Event,
    hands: Hands,
    at_once: int,
    stints: Stints | None,
) -> Mapping[Key, Outcome]:
    """Run a plan of several tasks, so many of them at once.

    ``get_async`` is what `dask.threaded.get` and `dask.multiprocessing.get`
    call; it is not documented, and called from here only.
    """
    wanted = [key for target in plan.targets for key in target.keys]
    found: dict[Key, Outcome] = {}
    submit: Callable[..., Any] = hands.submit if stints is None else stints.submit

    def after_task(key: Key, outcome: Outcome, *_: object) -> None:
        if key in targets:
            found[key] = outcome
        on_outcome(key, outcome)
        if stints is not None:
            stints.arrived(key)
        if stop.is_set():
            raise SchedulerError.stopped(plan.name)

    targets = set(wanted)
    with ExitStack() as stack:
        if isinstance(stop, Alarm) and not hands.here:  # else nobody waits for a call
            answers = Answers(submit)
            over = SchedulerError.stopped(plan.name)
            stack.enter_context(stop.rings(lambda: answers.fail(over)))
            submit = answers.submit
        get_async(
            submit if stints is None else stints.heard(submit),
            at_once,
            plan.tasks(control),
            wanted,
            callbacks=[(None, None, None, after_task, None)],
            get_id=lambda: _WORKER,
            dumps=_identity,
            chunksize=1,
        )
    return found


def _identity(value: Any) -> Any:
    return value


class _Here:
    """The caller's own thread.  Ctrl-C goes through."""

    here = True

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """A future that is done, as an executor would give it."""
        future: Future[Any] = Future()
        future.set_result(function(*args))
        return future

    def make(
        self, control: Control, work: Work, /, *inputs: Outcome, ahead: Ahead | None = None
    ) -> Future[Outcome]:
        """Do a task, or a stint of one."""
        return self.submit(perform, control, work, *inputs)


class Sync(_Local):
    """Runs everything in the caller's thread, one task after the other: for debugging."""

    def __init__(self) -> None:
        super().__init__(1)

    def run(
        self,
        plan: Plan,
        on_outcome: Callable[[Key, Outcome], None],
        stop: Event,
        *,
        halts: bool,
    ) -> Mapping[Key, Outcome]:
        """Run a plan; see `flowgraph.backends.protocol.Backend`."""
        control = Control(plan.code, halts, stop, run=plan.token)
        return _get(plan, control, on_outcome, stop, _Here(), _rule(1, _LONG))


class _Pooled:
    """The threads of a pool."""

    here = False

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.submit = pool.submit

    def make(
        self, control: Control, work: Work, /, *inputs: Outcome, ahead: Ahead | None = None
    ) -> Future[Outcome]:
        """Do a task, or a stint of one."""
        return self.submit(perform, control, work, *inputs)


class Threads(_Local):
    """Runs tasks in threads, which stay for the next run if this one ends well."""

    def run(
        self,
        plan: Plan,
        on_outcome: Callable[[Key, Outcome], None],
        stop: Event,
        *,
        halts: bool,
    ) -> Mapping[Key, Outcome]:
        """Run a plan; see `flowgraph.backends.protocol.Backend`."""
        brake = Brake(stop)
        control = Control(plan.code, halts, brake, run=plan.token, brake=brake.pull)
        with thread_pool(self.workers) as pool:
            rule = _rule(self.workers, _SHORT, _LITTLE)
            return _get(plan, control, on_outcome, stop, _Pooled(pool), rule, surplus=2)


class Processes(_Local):
    """Runs tasks in worker processes, which stay warm for the next run."""

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
        pool = shared_pool(self.workers)
        signal = pool.new_stop()
        control = Control(plan.code, halts, signal, seals=True, run=plan.token)
        sender = Sender(pool, _WORKER, signal.set)
        broken_off = False
        try:
            rule = _rule(self.workers, _LONGER, _MUCH)
            # Who ends a task finds the next one, and need not wait until the driver has made it.
            return _get(plan, control, on_outcome, stop, sender, rule, surplus=2)
        except BaseException as error:
            # An alarm is set by the run's time limit; what is no Exception is Ctrl-C.
            broken_off = isinstance(stop, Alarm) or not isinstance(error, Exception)
            raise
        finally:
            signal.set()
            sender.cancel()
            if broken_off:
                sender.end(_GRACE)
            signal.release()
