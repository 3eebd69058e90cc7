"""Regions under Dask's local scheduler: their calls go to the workers in stints."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from flowgraph.backends.call import DaskCall
from flowgraph.backends.foreman import Foreman
from flowgraph.backends.shift import Ahead, Shift
from flowgraph.errors import SchedulerError
from flowgraph.runtime.outcome import Report
from flowgraph.runtime.region import Region
from flowgraph.runtime.results import picked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flowgraph.backends.rule import Rule
    from flowgraph.compiler.plan import Key
    from flowgraph.runtime.code import Control
    from flowgraph.runtime.outcome import Outcome
    from flowgraph.runtime.stint import Stint
    from flowgraph.runtime.work import Work

__all__ = ["Ahead", "Hands", "Stints"]


class Hands(Protocol):
    """The workers of a local backend."""

    here: bool
    """True if they are the driver's own thread."""

    def submit(self, function: Callable[..., Any], tasks: Any, /) -> Future[Any]:
        """Call a function of Dask's local scheduler with a batch of tasks."""
        ...

    def make(
        self, control: Control, work: Work, /, *inputs: Outcome, ahead: Ahead | None = None
    ) -> Future[Outcome]:
        """Do a task, or a stint of one.

        Parameters
        ----------
        control, work, *inputs
            As `flowgraph.runtime.work.perform` takes them.
        ahead : callable, optional
            Gets, in some thread, the places of the calls that a stint elsewhere gives back.
        """
        ...


class Stints:
    """Makes the regions of a run: as many stints of each at once as there are workers.

    Parameters
    ----------
    hands : Hands
        The workers.
    rule : Rule
        How many they are, and what each gets of a region.
    worker : str
        What Dask is told of where a task ran.
    on_outcome : callable
        Gets what stints report, in the driver's thread.
    graph : str
        Name of the graph, for the error of a run that is stopped.
    """

    def __init__(
        self,
        hands: Hands,
        rule: Rule,
        worker: str,
        on_outcome: Callable[[Key, Outcome], None],
        graph: str,
    ) -> None:
        self._graph = graph
        self.hands = hands
        self._rule = rule
        self._worker = worker
        self._on_outcome = on_outcome
        self._open: dict[Key, Shift] = {}
        self._said: SimpleQueue[tuple[Key, Outcome]] = SimpleQueue()
        self._wake: Callable[[], object] | None = self.tell if hands.here else None

    def submit(self, function: Callable[..., Any], tasks: Any, /) -> Future[Any]:
        """A future of what Dask's local scheduler expects of a batch of one task."""
        ((key, (task, data), *_),) = tasks
        control, work, inputs = DaskCall.of(task, data)
        if type(work) is not Region:
            return self.hands.submit(function, tasks)
        answer: Future[Any] = Future()
        whole = self.begin(key, control, work, inputs)
        whole.add_done_callback(partial(self._ended, key, answer))
        return answer

    def begin(
        self, key: Key, control: Control, region: Region, inputs: Sequence[Outcome] = ()
    ) -> Future[Outcome]:
        """A future of a region's outcome; the workers have its first stints."""
        if region.picks:
            inputs = picked(inputs, region.picks)
        foreman = Foreman(control, region, inputs, self._rule, travels=control.seals)
        shift = Shift(self, key, control, foreman)
        self._open[key] = shift
        shift.go_on()
        if self.hands.here and not shift.whole.done():  # it stopped, and nobody is there to go on
            shift.whole.set_exception(SchedulerError.stopped(self._graph))
        return shift.whole

    def _ended(self, key: Key, answer: Future[Any], whole: Future[Outcome]) -> None:
        if (error := whole.exception()) is not None:
            answer.set_exception(error)
        else:
            answer.set_result([(key, (whole.result(), self._worker), False)])

    def arrived(self, key: Key) -> None:
        """Forget a region, if it is one: the driver has its outcome."""
        self._open.pop(key, None)

    def stint(
        self, control: Control, stint: Stint, known: Outcome, ahead: Ahead
    ) -> Future[Outcome]:
        """Have a worker make a stint."""
        return self.hands.make(control, stint, known, ahead=ahead)

    def note(self, key: Key, outcome: Outcome) -> None:
        """Keep what a stint reports, in any thread."""
        bundle = outcome.bundle
        if bundle is not None and (bundle.rows or bundle.quick or bundle.lost):
            self._said.put((key, Report(bundle)))

    def wake(self) -> None:
        """Let the driver know that something was kept."""
        if self._wake is not None:
            self._wake()

    def tell(self) -> None:
        """Hand on what was reported; in the driver's thread.

        Raises
        ------
        BaseException
            Whatever ends the run.
        """
        with suppress(Empty):
            while True:
                self._on_outcome(*self._said.get_nowait())

    def heard(self, submit: Callable[..., Future[Any]]) -> Callable[..., _Heard]:
        """A function that starts tasks, changed so that the scheduler is woken for reports too."""
        return lambda *args: _Heard(self, submit(*args))

    def wake_by(self, put: Callable[[Any], object]) -> None:
        """Let whoever waits for done futures wake up for reports."""
        if not self.hands.here:
            self._wake = partial(put, _News(self))
            if not self._said.empty():  # it was said before anybody could be woken
                self.wake()

    def close(self) -> None:
        """Hand on what is there of a run that ends early, by an error that is under way."""
        for key, shift in self._open.items():
            outcome = shift.close()
            while not self._said.empty():
                with suppress(BaseException):
                    self.tell()
            with suppress(BaseException):
                self._on_outcome(key, outcome)


class _Heard:
    """Stands for a future before Dask's local scheduler, which gives each a callback.

    The callback puts it where the scheduler's thread waits; news go there too.
    """

    __slots__ = ("_future", "_stints")

    def __init__(self, stints: Stints, future: Future[Any]) -> None:
        self._stints = stints
        self._future = future

    def add_done_callback(self, put: Callable[[Any], object]) -> None:
        """As that of a future."""
        self._stints.wake_by(put)
        self._future.add_done_callback(put)


class _News:
    """Looks like the future of a batch without tasks; hands on reports when it is asked."""

    __slots__ = ("_stints",)

    def __init__(self, stints: Stints) -> None:
        self._stints = stints

    def result(self) -> tuple[()]:
        """No results of tasks."""
        self._stints.tell()
        return ()
