"""The tasks that call no stage: they hand values out, put them together, or only wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from flowgraph.errors.wording import tell_not_iterable
from flowgraph.runtime.call import fill
from flowgraph.runtime.failure import Failure
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.partition import Listing
from flowgraph.runtime.record import record
from flowgraph.runtime.scope import here
from flowgraph.runtime.work import Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowgraph.runtime.code import Parcel
    from flowgraph.runtime.heads import Head
    from flowgraph.runtime.partition import Partition
    from flowgraph.runtime.scope import Scope

__all__ = ["Gather", "Give", "List", "Pack", "Rest", "Token", "Total"]


@record
class Give(Work):
    """Hands out a value that was known before the run."""

    value: Parcel[Any]

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        return Outcome(self.value.open(), stage=self.stage)


@record
class Pack(Work):
    """Puts values into a container."""

    template: Parcel[Any]

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        if (skip := self.blocked(inputs)) is not None:
            return Outcome(None, skip)
        values = [outcome.value for outcome in inputs[: self.reads]]
        return Outcome(fill(self.template.open(), values), stage=self.stage)


@record
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
                told = (
                    f"return a list, or another iterable, as '{self.name}' takes its items from it"
                )
                tell_not_iterable(error, value, f"'{inputs[0].stage}' gave", told)
                failure = Failure(self.stage, self.name, None, 1, here(), (error,))
                scope.fail(failure)
                return Outcome(None, failure)
        return Outcome(Listing(value), stage=self.stage)


@record
class Gather(Work):
    """Puts the partitions of a collection together to one list."""

    with_errors: bool
    """Failed items: True to keep their places, False to leave them out."""
    as_dict: bool = False
    """True if the items are pairs of keys and values."""

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        if (skip := self.blocked(inputs)) is not None:
            return Outcome(None, skip)
        gathered: list[Any] = []
        for outcome in inputs[: self.reads]:
            part: Partition = outcome.value
            if not part.failed:
                part.add_to(gathered)
            else:
                gathered += part.with_errors() if self.with_errors else part.successes()
        return Outcome(dict(gathered) if self.as_dict else gathered, stage=self.stage)


@record
class Total(Work):
    """Adds up the counts of the partitions of a collection."""

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        if (skip := self.blocked(inputs)) is not None:
            return Outcome(None, skip)
        return Outcome(sum(outcome.value for outcome in inputs[: self.reads]), stage=self.stage)


@record
class Token(Work):
    """Says that tasks have ended, and whether well, without their data."""

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        outcome = Outcome(None, self.blocked(inputs))
        outcome.paced = inputs[0].paced
        return outcome


@record
class Rest(Work):
    """Lets some time pass between one batch and the next, if both have anything to do."""

    light: ClassVar[bool] = False

    seconds: float
    batch: int
    """Tasks of the batch; the pause in front of them comes behind them."""
    head: Head | None = None
    """Makes the first partition of the next batch, if that is known before the pause."""

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        before = inputs[self.reads + self.after :]
        paced = [outcome.paced for outcome in before]
        done = max((start for start in paced[: self.batch] if start is not None), default=None)
        rested = max((start for start in paced[self.batch :] if start is not None), default=None)
        if done is not None and done != rested and not self._is_last(inputs[: self.reads]):
            scope.sleep(self.seconds)
        outcome = Outcome(None)
        outcome.paced = done
        return outcome

    def _is_last(self, given: Sequence[Outcome]) -> bool:
        """True if the next batch is empty."""
        if self.head is None or any(outcome.missing is not None for outcome in given):
            return False
        return not self.head.partition(given).values
