"""The caller's own machine: sync, threads and processes, by Dask's local scheduler."""

from __future__ import annotations

from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Self

from dask.local import get_async

from flowgraph.backends.pool import ChildDied, shared_pool
from flowgraph.compiler.shipping import seal
from flowgraph.runtime.chain import ChainPart, slice_of
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.scope import Scope
from flowgraph.runtime.setting import Setting
from flowgraph.runtime.wire import dumps as wire_dumps
from flowgraph.runtime.work import Work, lost, perform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from threading import Event

    from dask.task_spec import Task

    from flowgraph.backends.pool import Pool
    from flowgraph.compiler.plan import Key, Plan
    from flowgraph.runtime.code import Control

__all__ = ["Processes", "Sync", "Threads"]

_FINEST: Final = 32
_WORKER: Final = "local"
"""Dask asks each task for the name of its worker; the reports have better ones."""


class _Local:
    """What the three have in common: Dask's local scheduler, watched by a callback."""

    finest = _FINEST

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass


def _get(
    plan: Plan,
    on_outcome: Callable[[Key, Outcome], None],
    stop: Event,
    submit: Callable[..., Future[Any]],
    workers: int,
    dumps: Callable[[Any], Any],
) -> Mapping[Key, Outcome]:
    """Let Dask's local scheduler run a plan.

    ``get_async`` is what `dask.threaded.get` and `dask.multiprocessing.get`
    call; it is not documented, and called from here only.
    """
    wanted = [key for target in plan.targets for key in target.keys]
    found: dict[Key, Outcome] = {}

    def after_task(key: Key, outcome: Outcome, *_: object) -> None:
        if key in targets:
            found[key] = outcome
        on_outcome(key, outcome)

    targets = set(wanted)
    try:
        get_async(
            submit,
            workers,
            plan.tasks,
            wanted,
            callbacks=[(None, None, None, after_task, None)],
            get_id=lambda: _WORKER,
            dumps=dumps,
            chunksize=1,
        )
    finally:
        # Raised: tasks that run in other threads must not go on for nobody.
        stop.set()
    return found


def _identity(value: Any) -> Any:
    return value


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
        live: bool,
    ) -> Mapping[Key, Outcome]:
        """Run a plan; see `flowgraph.backends.protocol.Backend`."""
        plan.control.halts, plan.control.stop = halts, stop
        return _get(plan, on_outcome, stop, _call_now, 1, _identity)


def _call_now(function: Callable[..., Any], /, *args: Any) -> Future[Any]:
    """A future that is done, as an executor would give it.  Ctrl-C goes through."""
    future: Future[Any] = Future()
    future.set_result(function(*args))
    return future


class Threads(_Local):
    """Runs tasks in threads of their own pool."""

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
        plan.control.halts, plan.control.stop = halts, stop
        # A pool of this run's own: threads that a failed run leaves behind, or
        # a stage that runs a graph itself, must not take the slots of others.
        pool: Executor = ThreadPoolExecutor(self.workers, thread_name_prefix="flowgraph")
        try:
            return _get(plan, on_outcome, stop, pool.submit, self.workers, _identity)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class Processes(_Local):
    """Runs tasks in worker processes, which stay warm for the next run."""

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
        pool = shared_pool(self.workers)
        signal = pool.new_stop()
        control = plan.control
        control.halts, control.stop, control.seals = halts, signal, True
        sender = _Sender(pool)
        try:
            return _get(plan, on_outcome, stop, sender.submit, self.workers, sender.pack)
        finally:
            signal.set()
            sender.cancel()
            signal.release()


class _Call:
    """A task with its inputs."""

    __slots__ = ("control", "inputs", "work")

    def __init__(self, task: Task, data: Mapping[Any, Outcome]) -> None:
        self.control: Control
        self.work: Work
        self.control, self.work, *refs = task.args
        self.inputs: Sequence[Outcome] = [data[ref.key] for ref in refs]

    def here(self) -> Outcome:
        """The outcome, made in this process."""
        return perform(self.control, self.work, *self.inputs)


class _Sender:
    """Hands tasks to a pool of processes, and those that call no stage to nobody."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._setting = Setting.here()
        self._sent: set[Future[Any]] = set()

    def pack(self, task_and_data: tuple[Task, Mapping[Any, Outcome]]) -> _Call:
        """What `submit` gets for a task."""
        return _Call(*task_and_data)

    def submit(self, _batch: Any, tasks: Sequence[tuple[Any, ...]]) -> Future[Any]:
        """A future of what Dask's local scheduler expects of a batch of one task."""
        ((key, call, *_),) = tasks
        answer: Future[Any] = Future()

        def settle(outcome: Outcome) -> None:
            answer.set_result([(key, (outcome, _WORKER), False)])

        if call.work.light:
            settle(call.here())
            return answer

        def arrived(future: Future[Any]) -> None:
            self._sent.discard(future)
            if future.cancelled():
                answer.cancel()
            elif (error := future.exception()) is None:
                settle(future.result())
            else:
                settle(_lost(call, error))

        try:
            future = self._send(call)
        except Exception as error:
            settle(_lost(call, error))
        else:
            self._sent.add(future)
            future.add_done_callback(arrived)
        return answer

    def _send(self, call: _Call) -> Future[Any]:
        work, inputs = call.work, list(call.inputs)
        if isinstance(work, ChainPart) and work.whole and inputs[0].missing is None:
            # Only its slice of the whole list goes to the process.
            inputs[0] = Outcome(slice_of(inputs[0].value, work.part, work.cuts))
        for outcome in inputs:
            outcome.seal()  # once, however many tasks it is sent to
        payload, buffers = wire_dumps((perform, (call.control, work, *inputs)))
        return self._pool.send(payload, buffers, setting=self._setting, label=work.name)

    def cancel(self) -> None:
        """Take back what has not started."""
        for future in list(self._sent):
            future.cancel()


def _lost(call: _Call, error: BaseException) -> Outcome:
    """The outcome of a task whose process died, or which could not be sent."""
    scope = Scope(call.control, call.work.task)
    worker = f"process {error.pid}" if isinstance(error, ChildDied) else "unknown"
    outcome = lost(scope, call.work, error, worker)
    outcome.bundle = scope.bundle()
    return outcome
