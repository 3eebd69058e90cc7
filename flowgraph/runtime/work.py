"""What each kind of Dask task does: one small class for each.

Every task is ``perform(control, work, *inputs)`` with the outcomes of other
tasks as inputs: first those whose values are read, then those that must only
have ended well (``after=``), then those that must only have ended (a lane).
It never raises through Dask: it gives back an `Outcome`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from flowgraph.errors import SkippedError
from flowgraph.runtime.attempt import is_interrupt
from flowgraph.runtime.call import fill
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.outcome import Listing, Outcome
from flowgraph.runtime.scope import FAILED, VOID, Halt, Scope, here

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowgraph.runtime.code import Control, Parcel
    from flowgraph.runtime.outcome import Partition

__all__ = [
    "Gather",
    "Give",
    "List",
    "Pack",
    "Token",
    "Total",
    "Work",
    "lost",
    "perform",
    "value_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one task has to do."""

    light: ClassVar[bool] = True
    """True if no stage is called: quicker done where the inputs are than sent away."""

    task: int
    """Number of the task in its plan."""
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
    carry: tuple[int, ...] = ()
    """Inputs whose reports this task hands on, where the driver cannot see them."""
    seals: bool = False
    """True if the value is wanted: on a cluster it is sent to the driver."""

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        raise NotImplementedError

    def blocked(self, inputs: Sequence[Outcome]) -> Skip | None:
        """Why the task cannot run, if an input that must be there is missing."""
        for outcome in inputs[: self.reads + self.after]:
            missing = outcome.missing
            if missing is not None:
                return Skip(missing.node if isinstance(missing, Failure) else missing.because)
        return None


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
    try:
        outcome = work.run(scope, inputs)
    except Halt:
        failure = scope.failures[0] if scope.failures else Skip(work.name)
        outcome = Outcome(None, failure, work.stage)
    except BaseException as error:
        if is_interrupt(error):
            raise
        # Not a stage's error, those are values by now: user code that does not
        # arrive on this worker, a broadcast value that cannot be unpacked.
        outcome = lost(scope, work, error, here())
    return _report(scope, work, outcome, inputs)


def lost(scope: Scope, work: Work, error: BaseException, worker: str) -> Outcome:
    """The outcome of a task that could not be done: its worker died, its inputs did not arrive."""
    failure = Failure(work.stage, work.name, None, 1, worker, (error,))
    now = scope.now()
    scope.note(work.node, None, None, 1, 1, FAILED, now, now)
    scope.failures.append(failure)
    return Outcome(None, failure, work.stage)


def _report(scope: Scope, work: Work, outcome: Outcome, inputs: Sequence[Outcome]) -> Outcome:
    """Put the task's records where the driver will find them."""
    control = scope.control
    if control.seals or (control.carries and work.seals):
        now = scope.now()
        for failure in outcome.seal(here()):
            scope.note(work.node, failure.index, failure.index, 1, 1, VOID, now, now)
            scope.failures.append(failure)
    bundle = scope.bundle()
    if control.carries:
        packed = bundle.pack()
        outcome.carried = b"".join((*(inputs[k].carried for k in work.carry), packed))
        if control.signal is not None:
            control.signal(work.task, packed, bool(bundle.failures))
    else:
        outcome.bundle = bundle
    return outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Give(Work):
    """Hands out a value that was known before the run."""

    value: Parcel[Any]

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        return Outcome(self.value.open(), stage=self.stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack(Work):
    """Puts values into a container."""

    template: Parcel[Any]

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        if (skip := self.blocked(inputs)) is not None:
            return Outcome(None, skip)
        values = [outcome.value for outcome in inputs[: self.reads]]
        return Outcome(fill(self.template.open(), values), stage=self.stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class List(Work):
    """Lists the items of a value, so that each partition can take its slice."""

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        if (skip := self.blocked(inputs)) is not None:
            return Outcome(None, skip)
        value = inputs[0].value
        if not isinstance(value, (list, tuple, range)):
            try:
                value = list(value)
            except Exception as error:
                failure = Failure(self.stage, self.name, None, 1, here(), (error,))
                scope.fail(failure)
                return Outcome(None, failure)
        return Outcome(Listing(value), stage=self.stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gather(Work):
    """Puts the partitions of a collection together to one list."""

    with_errors: bool
    """Failed items: True to keep their places, False to leave them out."""

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        if (skip := self.blocked(inputs)) is not None:
            return Outcome(None, skip)
        gathered: list[Any] = []
        for outcome in inputs[: self.reads]:
            part: Partition = outcome.value
            gathered.extend(part.with_errors() if self.with_errors else part.successes())
        return Outcome(gathered, stage=self.stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Total(Work):
    """Adds up the counts of the partitions of a collection."""

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        if (skip := self.blocked(inputs)) is not None:
            return Outcome(None, skip)
        return Outcome(sum(outcome.value for outcome in inputs[: self.reads]), stage=self.stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token(Work):
    """Says that tasks have ended, and whether well, without their data."""

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        return Outcome(None, self.blocked(inputs))


def value_of(node: str, with_partitions: bool, *outcomes: Outcome) -> Any:
    """The plain value of a target, for a Dask scheduler that is driven by somebody else.

    Raises
    ------
    StageError
        If the target failed.
    SkippedError
        If something it needs failed.
    """
    for outcome in outcomes:
        if isinstance(outcome.missing, Failure):
            raise outcome.missing.to_error()
        if isinstance(outcome.missing, Skip):
            raise SkippedError(node, outcome.missing.because)
    if not with_partitions:
        return outcomes[0].value
    return [value for outcome in outcomes for value in outcome.value.with_errors()]
