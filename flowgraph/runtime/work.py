"""What a Dask task does, whatever its kind; each kind is a small class of its own.

Every task is ``perform(control, work, *inputs)`` with the outcomes of other
tasks as inputs: first those whose values are read, then those that must only
have ended well (``after=``), then those that must only have ended (a lane).
It never raises through Dask: it gives back an `Outcome`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from flowgraph.errors import SkippedError
from flowgraph.errors.wording import Mend
from flowgraph.runtime import pickling
from flowgraph.runtime.attempt import is_interrupt
from flowgraph.runtime.failure import Failure, Skip, annotate, twin
from flowgraph.runtime.handover import LIGHT
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.place import Place
from flowgraph.runtime.record import record
from flowgraph.runtime.remade import reduced
from flowgraph.runtime.report import FAILED, Lost
from flowgraph.runtime.results import pick, picked
from flowgraph.runtime.scope import Halt, Scope, here

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flowgraph.errors import WorkerDied
    from flowgraph.runtime.code import Control
    from flowgraph.runtime.positions import Index

__all__ = ["Work", "fail_each", "lost", "missing_of", "mourn", "perform", "value_of"]


@record
class Work:
    """What one task has to do."""

    light: ClassVar[bool] = True
    """True if no stage is called: quicker done where the inputs are than sent away."""

    task: int
    """Number of the task in its plan."""
    part: int = 0
    """Which of the pieces that the task is done in; the only one, but for a region."""
    node: int
    """Number of the node whose value it makes."""
    name: str
    """Name of that node."""
    stage: str
    """Name of its stage, as errors have it; the node's own where it has none."""
    reads: int = 0
    """How many inputs are read; the others are waited for."""
    after: int = 0
    """How many of the others must have ended well."""
    seals: bool = False
    """True if the value is wanted: on a cluster it is sent to the driver."""
    picks: tuple[tuple[int, int | None], ...] = ()
    """For each input the task that has it, and its place if that has several values.

    Empty if none has: else a task that reads many values of one would depend on it as often.
    """
    owes: tuple[Place, ...] = ()
    """The nodes it calls, in order, if they are others than its own.

    Beside the calls themselves, which are packed and may not arrive.
    """

    __reduce__ = reduced

    @property
    def label(self) -> str:
        """What it is called where its process dies."""
        return self.name

    @property
    def place(self) -> Place:
        """Its own node."""
        return Place(self.node, self.name, self.stage, partial=self.partial)

    @property
    def maker(self) -> Place | tuple[Place, ...]:
        """The node that made its value; the nodes that made its several values."""
        return self.last_maker()

    def maker_of(self, outcome: Outcome) -> Place | tuple[Place, ...]:
        """The same, as far as somebody may have to ask for it."""
        return self.maker

    def last_maker(self) -> Place:
        """The last node that makes a value: a filter only lets one through."""
        if not self.partial:
            for place in reversed(self.owes):
                if place.operation != "filter":
                    return place
        return self.place

    @property
    def partial(self) -> bool:
        """True for a part of a reduction, whose success counts as no call."""
        return False

    def __dask_tokenize__(self) -> tuple[str, int]:
        """What a Dask client makes a hash of; else it would look into every call of a plan.

        Enough, as a task's key is its run's own.
        """
        return type(self).__name__, self.task

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        raise NotImplementedError

    def blocked(self, inputs: Sequence[Outcome]) -> Skip | None:
        """Why the task cannot run, if an input that must be there is missing."""
        return missing_of(inputs[: self.reads]) or self.waits(inputs)

    def waits(self, inputs: Sequence[Outcome]) -> Skip | None:
        """Why the task cannot run, if something that it only comes after has failed."""
        skip = missing_of(inputs[self.reads : self.reads + self.after])
        return skip if skip is not None and skip.failed else None

    def receipt(self, outcome: Outcome) -> bytes:
        """What goes to a cluster's driver with the report: a small value that is wanted, say.

        So it need not be fetched, nor be waited for: that a task is done is told after it.
        """
        if not self.seals or outcome.missing is not None or outcome.packed_size > LIGHT:
            return b""
        return pickling.dumps((self.task, self.part, outcome))

    def lost(
        self, scope: Scope, error: BaseException, worker: str, inputs: Sequence[Outcome]
    ) -> Outcome:
        """The outcome if it could not be done: its first call failed, the others are skipped.

        Parameters
        ----------
        scope : Scope
            Gets the records.
        error : BaseException
            Why it was lost.
        worker : str
            Where.
        inputs : sequence of Outcome
            What it would have worked on; empty where that is not known.
        """
        first, *later = self.owes or (self.place,)
        failure = Failure(first.stage, first.name, None, 1, worker, (error,))
        now = scope.now()
        scope.note(first.node, None, None, 1, 1, FAILED, now, now)
        scope.failures.append(failure)
        for place in later:
            scope.skip(place.node, None)
        is_its_own = first.node == self.node
        return Outcome(None, failure if is_its_own else Skip(first.name), self.stage)


def missing_of(inputs: Iterable[Outcome]) -> Skip | None:
    """Why something that needs all inputs cannot be done."""
    return Skip.for_first(outcome.missing for outcome in inputs if outcome.missing is not None)


def perform(control: Control, work: Work, *inputs: Outcome) -> Outcome:
    """The outcome of a task; the function that Dask calls.

    Parameters
    ----------
    control : Control
        What all tasks of the run share.
    work : Work
        What to do.
    *inputs : Outcome
        What other tasks gave back.
    """
    scope = Scope(control, work.task)
    given: Sequence[Outcome] = inputs
    try:
        if work.picks:
            given = picked(inputs, work.picks)
        outcome = work.run(scope, given)
    except Halt:
        if control.line is not None and scope.is_over():
            raise control.line.give_up() from None
        failure = scope.failures[0] if scope.failures else Skip(work.name)
        outcome = Outcome(None, failure, work.stage)
    except BaseException as error:
        if is_interrupt(error):
            raise
        # Not a stage's error, those are values by now: user code that does not
        # arrive on this worker, a broadcast value that cannot be unpacked.
        outcome = lost(scope, work, error, here(), given)
    return _report(scope, work, outcome, inputs)


def lost(
    scope: Scope,
    work: Work,
    error: BaseException,
    worker: str,
    inputs: Sequence[Outcome] = (),
) -> Outcome:
    """The outcome of a task that could not be done: its worker died, its inputs did not arrive.

    What it had noted is struck out: it is lost as a whole.
    """
    if isinstance(error, ModuleNotFoundError) and error.name:
        # While the user's code was unpickled: what a stage itself imports is the stage's failure.
        told = (
            f"Worker {worker} lacks module '{error.name}', which the graph's code imports: "
            "install it on every worker."
        )
        annotate(error, Mend(told))
    scope.forget()
    return work.lost(scope, error, worker, inputs)


def fail_each(
    scope: Scope, places: Iterable[Place], error: BaseException, worker: str
) -> list[Failure]:
    """Note that single calls were lost together: each failed, none for another."""
    now = scope.now()
    failures = []
    for place in places:
        scope.note(place.node, None, None, 1, 1, FAILED, now, now)
        failures.append(Failure(place.stage, place.name, None, 1, worker, (twin(error),)))
    scope.failures.extend(failures)
    return failures


def mourn(error: WorkerDied, control: Control, work: Work, *inputs: Outcome) -> Outcome:
    """The outcome of a task that took its workers down; a cluster calls it in its place."""
    scope = Scope(control, work.task)
    return _report(scope, work, lost(scope, work, error, error.worker, inputs), inputs)


def _lost_calls(maker: Place | tuple[Place, ...], failures: Iterable[Failure]) -> Iterable[Lost]:
    """The calls that failed after all, since what they made cannot leave its process."""
    if isinstance(maker, tuple):
        numbers = {place.name: place.node for place in maker}
        return [Lost(numbers[each.node], None, each, partial=False) for each in failures]
    calls: dict[Index | None, Failure] = {}
    for failure in failures:
        index = failure.index
        if maker.operation == "flat_map" and isinstance(index, tuple):
            index = index[:-1]  # one call made all its items
        calls.setdefault(index, failure)
    return [Lost(maker.node, call, failure, maker.partial) for call, failure in calls.items()]


def _report(scope: Scope, work: Work, outcome: Outcome, inputs: Sequence[Outcome]) -> Outcome:
    """Put the task's records where the driver will find them."""
    control = scope.control
    outcome.maker = work.maker_of(outcome)
    seals = work.seals if control.line is not None else control.seals and not work.light
    if seals and (failures := outcome.seal()):  # only now: there may be thousands of makers
        scope.lost.extend(_lost_calls(work.maker, failures))
    for given in inputs:
        if given.unnoted and given.maker is not None:
            scope.lost.extend(_lost_calls(given.maker, given.unnoted))
    bundle = scope.bundle(work.part)
    if control.line is not None:
        if receipt := work.receipt(outcome):
            outcome.bundle = bundle  # who fetches it wants what belongs to it
        control.line.report(control.run, bundle.pack(), receipt)
    else:
        outcome.bundle = bundle
    return outcome


def value_of(node: str, with_partitions: bool, place: int | None, *outcomes: Outcome) -> Any:
    """The plain value of a target, for a Dask scheduler that is driven by somebody else.

    Raises
    ------
    StageError
        If the target failed.
    SkippedError
        If something it needs failed.
    """
    if place is not None:
        outcomes = tuple(pick(outcome, place) for outcome in outcomes)
    for outcome in outcomes:
        if isinstance(outcome.missing, Failure):
            raise outcome.missing.to_error()
        if isinstance(outcome.missing, Skip):
            raise SkippedError(node, outcome.missing.because, failed=outcome.missing.failed)
    if not with_partitions:
        return outcomes[0].value
    return [value for outcome in outcomes for value in outcome.value.with_errors()]
