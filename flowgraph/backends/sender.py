"""Sends the tasks of Dask's local scheduler to a pool of processes."""

from __future__ import annotations

import pickle
import threading
from collections import Counter
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from flowgraph.backends.call import DaskCall
from flowgraph.backends.pool import ChildDied
from flowgraph.errors import SchedulerError
from flowgraph.runtime.chain import ChainPart
from flowgraph.runtime.light import Rest
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.results import pick
from flowgraph.runtime.scope import Scope
from flowgraph.runtime.setting import Setting
from flowgraph.runtime.stint import Stint
from flowgraph.runtime.wire import dumps as wire_dumps
from flowgraph.runtime.work import lost, perform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from flowgraph.backends.pool import Pool
    from flowgraph.backends.stints import Ahead
    from flowgraph.runtime.code import Control
    from flowgraph.runtime.work import Work

__all__ = ["Sender"]

_LARGE: Final = 1 << 16
"""Bytes of a group's values from which on it is worth a copy to send only those that are read."""


class Sender:
    """Hands tasks to a pool of processes, and those that call no stage to nobody.

    Parameters
    ----------
    pool : Pool
        Where stages are called.
    worker : str
        What Dask is told of where a task ran.
    brake : callable
        Called at the first final failure that ends the run: before the process that told of it
        gets its next task.
    """

    here = False

    def __init__(self, pool: Pool, worker: str, brake: Callable[[], object]) -> None:
        self._pool = pool
        self._worker = worker
        self._brake = brake
        self._setting = Setting.here()
        self._sent: set[Future[Any]] = set()

    def submit(self, _batch: Any, tasks: Sequence[tuple[Any, ...]]) -> Future[Any]:
        """A future of what Dask's local scheduler expects of a batch of one task."""
        ((key, (task, data), *_),) = tasks
        call = DaskCall.of(task, data)

        return self._done(call, lambda outcome: [(key, (outcome, self._worker), False)])

    def make(
        self, control: Control, work: Work, /, *inputs: Outcome, ahead: Ahead | None = None
    ) -> Future[Outcome]:
        """The future of the outcome of a task, or of a stint of one."""
        return self._done(DaskCall(control, work, inputs), lambda outcome: outcome, ahead)

    def _done(
        self, call: DaskCall, told: Callable[[Outcome], Any], ahead: Ahead | None = None
    ) -> Future[Any]:
        if call.work.light:
            done: Future[Any] = Future()
            done.set_result(told(call.here()))
            return done
        return self.send(call, told, ahead)

    def send(
        self, call: DaskCall, told: Callable[[Outcome], Any], ahead: Ahead | None = None
    ) -> Future[Any]:
        """Have a process do a task.

        Parameters
        ----------
        call : DaskCall
            The task.
        told : callable
            Makes the future's result of the task's outcome.
        ahead : callable, optional
            Gets the places of the calls that a stint gives back.
        """
        answer: Future[Any] = Future()
        given_back: set[int] = set()

        def heard(said: bytearray) -> None:
            slots: frozenset[int] = pickle.loads(said)
            given_back.update(slots)
            if ahead is not None:
                ahead(slots)

        def arrived(future: Future[Any]) -> None:
            self._sent.discard(future)
            if future.cancelled():
                answer.cancel()
            elif (error := future.exception()) is None:
                tell(future.result())
            elif isinstance(error, SchedulerError):
                answer.set_exception(error)  # no process: not the stage's fault, ends the run
            else:
                tell(_lost(call, error, given_back))

        def tell(outcome: Outcome) -> None:
            if call.control.halts and outcome.has_failed:
                self._brake()
            answer.set_result(told(outcome))

        try:
            future = self._send(call, heard)
        except Exception as error:
            tell(_lost(call, error))
        else:
            self._sent.add(future)
            future.add_done_callback(arrived)
        return answer

    def _send(self, call: DaskCall, heard: Callable[[bytearray], object]) -> Future[Any]:
        work, inputs = call.work, list(call.inputs)
        if isinstance(work, (ChainPart, Rest)) and work.head is not None:
            # Only its slice of a whole list goes to the process.
            head = work.head
            inputs[: head.reads] = head.narrowed(inputs[: head.reads])
        elif work.picks:
            work, inputs = _with_its_own(work, inputs)
        for outcome in inputs:
            outcome.leave()  # once, however many tasks it is sent to
        payload, buffers = wire_dumps((perform, (call.control, work, *inputs)))
        return self._pool.send(
            payload, buffers, setting=self._setting, label=work.label, ahead=heard
        )

    def cancel(self) -> None:
        """Take back what has not started."""
        for future in list(self._sent):
            future.cancel()

    def end(self, seconds: float) -> None:
        """End the processes that are still at a call after some time; others start in their place.

        A task looks between its calls whether its run is over, and ends by
        itself then: what is left hangs, and would keep the next run waiting.
        """
        if left := {future for future in self._sent if not future.done()}:
            timer = threading.Timer(seconds, lambda: [self._pool.kill(each) for each in left])
            timer.daemon = True
            timer.start()


def _with_its_own(work: Work, inputs: list[Outcome]) -> tuple[Work, list[Outcome]]:
    """A task, and its inputs without the large values of a group that it does not read."""
    reads = Counter([number for number, place in work.picks if place is not None])
    kept: dict[int, int] = {}
    sent: list[Outcome] = []
    picks: list[tuple[int, int | None]] = []
    for number, place in work.picks:
        given = inputs[number]
        if place is not None and _is_worth_a_copy(given, reads[number]):
            picks.append((len(sent), None))
            sent.append(pick(given, place))
            continue
        if number not in kept:
            kept[number] = len(sent)
            sent.append(given)
        picks.append((kept[number], place))
    return replace(work, picks=tuple(picks)), sent


def _is_worth_a_copy(given: Outcome, reads: int) -> bool:
    """True if so few of a task's values are read that they are better sent by themselves."""
    # Of no weight is what was put together here, from what many stints made.
    if 0 < given.weight <= _LARGE or given.missing is not None:
        return False
    return 2 * reads < len(given.value.values)


def _lost(call: DaskCall, error: BaseException, given_back: Iterable[int] = ()) -> Outcome:
    """The outcome of a task whose process died, or which could not be sent."""
    scope, work = Scope(call.control, call.work.task), call.work
    if isinstance(work, Stint):
        work = replace(work, given_back=frozenset(given_back))
    worker = "unknown"
    if isinstance(error, ChildDied):
        error.stage, worker = work.stage, error.worker
    outcome = lost(scope, work, error, worker, call.inputs)
    outcome.bundle = scope.bundle(work.part)
    return outcome
