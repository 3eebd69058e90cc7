"""Tasks that put whole collections in order where places are known only at run time."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Literal

from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.heads import Passed, beside, in_lists
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.partition import Listing, Partition
from flowgraph.runtime.positions import join
from flowgraph.runtime.record import record
from flowgraph.runtime.scope import here
from flowgraph.runtime.work import Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowgraph.runtime.heads import Head
    from flowgraph.runtime.scope import Scope

__all__ = ["Arrange", "Remaining"]


@record
class Arrange(Work):
    """Puts the items of whole collections in their places, to be cut anew."""

    order: Literal["enumerate", "zip", "batch"]
    parts: tuple[int, ...]
    """How many partitions each collection has."""
    size: int = 0
    """Items in a batch."""

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        ends = [0, *accumulate(self.parts)]
        of = [inputs[begin:end] for begin, end in pairwise(ends)]
        if (skip := self.blocked(inputs)) is not None:
            return Outcome(None, Skip.after(skip, self._length(of)))
        wholes = [_joined([outcome.value for outcome in outcomes]) for outcomes in of]
        if self.order == "enumerate":
            return Outcome(_numbered(wholes[0]), stage=self.stage)
        if self.order == "batch":
            return Outcome(Listing(in_lists(wholes[0].successes(), self.size)), stage=self.stage)
        try:
            pairs = beside(wholes)
        except ValueError as error:
            failure = Failure(self.stage, self.name, None, 1, here(), (error,))
            scope.fail(failure)
            return Outcome(None, failure)
        return Outcome(Listing(pairs.values, None, pairs.failed), stage=self.stage)

    def _length(self, of: Sequence[Sequence[Outcome]]) -> int:
        """Items that are skipped, as far as is known."""
        length = max(sum(map(Passed().length, zip(outcomes))) for outcomes in of)
        return -(-length // self.size) if self.order == "batch" else length


def _joined(parts: Sequence[Partition]) -> Partition:
    if len(parts) == 1:
        return parts[0]
    values = [value for part in parts for value in part.values]
    where = join([(part.where, len(part.values)) for part in parts])
    return Partition(values, where, any(part.failed for part in parts))


def _numbered(whole: Partition) -> Listing:
    values: list[Any] = list(enumerate(whole.values))
    if whole.failed:
        values = [pair[1] if type(pair[1]) is Failure else pair for pair in values]
    return Listing(values, whole.where, whole.failed)


@record
class Remaining(Work):
    """How many items are left to take behind a partition.

    The last input says how many are left in front of it, unless it is the first one.
    """

    head: Head
    count: int
    """Left to take in front of the first partition."""

    def run(self, scope: Scope, inputs: Sequence[Outcome]) -> Outcome:
        """Do it."""
        if (skip := self.blocked(inputs)) is not None:
            return Outcome(None, skip)
        part = self.head.partition(inputs[: self.head.reads])
        left = inputs[self.head.reads].value if self.reads > self.head.reads else self.count
        return Outcome(max(0, left - len(part.values)), stage=self.stage)
