"""The tasks of one run on a cluster, and their futures."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import dask.config
from dask.task_spec import Task, TaskRef

from flowgraph.backends.freight import Shipment
from flowgraph.backends.layers import layered
from flowgraph.errors import WorkerDied
from flowgraph.runtime.freight import carried
from flowgraph.runtime.handover import LIGHT
from flowgraph.runtime.light import Give
from flowgraph.runtime.region import Region
from flowgraph.runtime.work import mourn, perform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from distributed import Client, Future, KilledWorker

    from flowgraph.compiler.plan import Job, Key, Plan
    from flowgraph.runtime.code import Control
    from flowgraph.runtime.outcome import Outcome
    from flowgraph.runtime.stint import Stint

__all__ = ["Flight", "Launched"]


class Launched(NamedTuple):
    """A stint that is to be started."""

    stint: Stint
    known: Outcome
    """What it reads; first of its inputs."""
    reads: Sequence[Future]
    """The others."""


_SPARED: Final = 3
"""How often a task is started again that is not to blame."""


class Flight:
    """Starts the tasks of a plan, and those again that depend on one that Dask gave up.

    Dask gives a task up when its workers die of it, and all that depends on it.
    Then `give_up` puts a task in its place that gives its failure as a value,
    and starts what depends on it under new keys: to Dask a key that failed has failed.

    Parameters
    ----------
    client : distributed.Client
        Connected to the cluster.
    plan : Plan
        What runs.
    control : Control
        What its tasks share.
    on_done : callable
        Called, in some thread, with each future when it is done.

    Attributes
    ----------
    control : Control
        What the tasks of the run share.
    futures : dict
        Those of the targets, under the keys of the plan.
    lent : dict
        Those of what the stints of regions read.
    plan : Plan
        What runs.
    reported : set of int
        Numbers of the tasks that are known to have ended once.
    """

    def __init__(
        self, client: Client, plan: Plan, control: Control, on_done: Callable[[Future], object]
    ) -> None:
        self.futures: dict[Key, Future] = {}
        self.reported: set[int] = set()
        self._client = client
        self.plan = plan
        self._shipment = Shipment(plan, control)
        self._on_done = on_done
        self.control = self._shipment.control
        self.lent: dict[Key, Future] = {}
        refs = [TaskRef(job.key) for job in plan.jobs]
        self._tasks = {
            job.key: self._shipment.task(job.key, n, [refs[need] for need in job.needs], perform)
            for n, job in enumerate(plan.jobs)
            if type(job.work) is not Region
        }
        self._wanted = {key for target in plan.targets for key in target.keys} & set(self._tasks)
        self._lends = self._read_by_regions()
        self._held: list[Future] = []
        self._lost: dict[int, WorkerDied] = {}
        self._blamed: Counter[int] = Counter()

    def start(self) -> None:
        """Hand all tasks to Dask, but for the regions."""
        self._submit([n for n, job in enumerate(self.plan.jobs) if job.key in self._tasks])

    def regions(self) -> Iterator[tuple[Job, Region]]:
        """The regions."""
        for job in self.plan.jobs:
            if type(job.work) is Region:
                yield job, job.work

    def launch(self, launched: Sequence[Launched]) -> list[Future]:
        """Start stints; gives their futures.

        Parameters
        ----------
        launched : sequence of Launched
            What to start, in one message.
        """
        graph = dict(map(self._task_of, launched))
        with _quietly():
            futures: list[Future] = self._client.get(graph, list(graph), sync=False)
        return futures

    def _task_of(self, launched: Launched) -> tuple[Key, Task]:
        stint, known, reads = launched
        key = self.stint_key(stint.task, stint.part)
        given = [TaskRef(future.key) for future in reads]
        freight = [TaskRef(each) for each in self._shipment.freight_of(stint.task)]
        args: tuple[Any, ...] = (perform, self.control, stint, known, *given, *freight)
        if freight:
            args = (carried, len(freight), *args)
        return key, Task(key, *args)

    def held(self) -> list[Future]:
        """The futures of all that this run holds on the cluster, but for stints."""
        return [*self.futures.values(), *self._held, *self.lent.values()]

    def stint_key(self, task: int, part: int) -> Key:
        """What Dask knows a stint by."""
        prefix, number = self.plan.jobs[task].key
        return prefix, f"{number}-{part}"

    def _read_by_regions(self) -> list[Key]:
        """What lies ready on the workers for the stints of regions."""
        keys: dict[Key, None] = {}
        for job, region in self.regions():
            keys.update(dict.fromkeys(self._shipment.freight_of(region.task)))
            for need in job.needs:
                given = self.plan.jobs[need].work
                if not isinstance(given, Give) or len(given.value.seal()) > LIGHT:
                    keys[self.plan.jobs[need].key] = None
        return list(keys)

    def deaths(self, errors: Iterable[BaseException]) -> dict[int, WorkerDied]:
        """The tasks, by their number in the plan, that Dask gave up as their workers died."""
        from distributed import KilledWorker

        numbers = {
            self._name(n): n for n, job in enumerate(self.plan.jobs) if job.key in self._tasks
        }
        found: dict[int, WorkerDied] = {}
        for error in errors:
            if isinstance(error, KilledWorker) and (n := numbers.get(error.task)) is not None:
                work = self.plan.jobs[n].work
                found[n] = worker_died(work.owes[0].stage if work.owes else work.stage, error)
        return {n: died for n, died in found.items() if self._blamed[n] < 2 * _SPARED}

    def give_up(self, deaths: Mapping[int, WorkerDied]) -> None:
        """Put failures in the place of tasks, and start again what depends on them.

        Dask blames all that a dead worker had to do.  A task that calls no
        stage, or has ended before and was only made anew, died of another's
        fault: it is done again, but not for ever.
        """
        for n, died in deaths.items():
            self._blamed[n] += 1
            if not self._is_innocent(n) or self._blamed[n] > _SPARED:
                self._lost.setdefault(n, died)
        jobs = self.plan.jobs
        again: set[int] = set()
        for n, job in enumerate(jobs):
            if type(job.work) is Region:
                continue  # its stints hear of it themselves
            if n in deaths or not again.isdisjoint(job.needs):
                again.add(n)
                self._tasks[job.key] = self._renewed(n)
        self._submit(again)

    def _is_innocent(self, number: int) -> bool:
        work = self.plan.jobs[number].work
        calls_none = not work.owes and self.plan.nodes[work.node].stage is None
        return work.light or calls_none or number in self.reported

    def _name(self, number: int) -> Any:
        """What Dask knows a task by now."""
        return self._tasks[self.plan.jobs[number].key].key

    def _renewed(self, number: int) -> Task:
        """A task under a new name, that of tasks which it needs being what they are now."""
        job = self.plan.jobs[number]
        prefix, rest = self._name(number)
        key = prefix, f"{rest}-again"
        refs = [TaskRef(self._name(need)) for need in job.needs]
        if number in self._lost:
            return self._shipment.task(key, number, refs, mourn, self._lost[number])
        return self._shipment.task(key, number, refs, perform)

    def _submit(self, numbers: Iterable[int]) -> None:
        """Start these tasks, with all that they need and that is not there."""
        jobs = [self.plan.jobs[n] for n in numbers]
        wanted = [job.key for job in jobs if job.key in self._wanted]
        held = [job.key for job in jobs if job.held and job.key not in self._wanted]
        lent = [key for key in self._lends if key not in self.lent]
        if not wanted and not lent:
            return
        tasks = self._needed([*wanted, *held, *lent])
        names = [self._tasks[key].key for key in (*wanted, *held)]
        with _quietly():
            graph = layered(self.plan, tasks, self._shipment.freight)
            got = self._client.get(graph, [*names, *lent], sync=False)
        self.lent.update(zip(lent, got[len(names) :], strict=True))
        self._held += got[len(wanted) : len(names)]
        for key, future in zip(wanted, got, strict=False):
            self.futures[key] = future
            future.add_done_callback(self._on_done)

    def _needed(self, keys: Iterable[Key]) -> dict[Key, Task]:
        """These tasks and all that they depend on, directly or not."""
        jobs = self.plan.jobs
        needed = set(keys)
        for job in reversed(jobs):
            if job.key in needed:
                needed.update(jobs[need].key for need in job.needs)
        return {key: task for key, task in self._tasks.items() if key in needed}


def worker_died(first: str, error: KilledWorker) -> WorkerDied:
    """The error of a task that took its workers down; ``first`` is its first stage."""
    last = str(getattr(error.last_worker, "address", error.last_worker))
    return WorkerDied(first, error.allowed_failures + 1, last)


def _quietly() -> Any:
    """Without Dask's advice on large graphs, which is for those who write them by hand."""
    return dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"})
