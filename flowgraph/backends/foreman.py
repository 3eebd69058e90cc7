"""Hands out the calls of a region in stints, as they become ready."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Final

from flowgraph.backends.roster import Roster
from flowgraph.runtime import pickling
from flowgraph.runtime.code import Parcel
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.region import Stint
from flowgraph.runtime.results import Results

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowgraph.backends.roster import Claim
    from flowgraph.runtime.calling import OneCall
    from flowgraph.runtime.code import Control
    from flowgraph.runtime.handover import Done
    from flowgraph.runtime.region import Region

__all__ = ["Foreman", "Rule"]

_WORTH: Final = 5
"""What part of a stint the calls that are ready must take together, for them to be shared."""
_SUSPECTS: Final = 32
"""Stints that the calls of one are cut into, that took its workers down."""
_FEW: Final = 10
"""Calls of a stint, below which a worker far away has the next one waiting."""
_HEAVY: Final = 1_000_000
"""Bytes that a stint keeps on its worker, from which on values stay where they are made."""
_LIGHT: Final = 8
"""Stints in a row without such values, from which on they end by the clock again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How the calls of a region are cut into stints.

    Parameters
    ----------
    workers : int
        Stints that are made at once.
    seconds : float
        Length of a stint.
    most : int
        Calls of a stint at most.
    first : int
        What part of its share of the ready calls a worker gets as long as their time is unknown.
    far : bool
        True if stints are so long on their way that quick calls wait for those that
        are under way, to go together; and if heavy values can stay with the worker
        that made them.
    """

    workers: int
    seconds: float
    most: int = 4096
    first: int = 4
    far: bool = False


class Foreman:
    """Knows which calls of a region are ready, and how many make up a stint.

    Not for several threads at once: whoever has it takes a lock.

    A stint gets as many calls as should take `seconds`, going by the last one.
    If those that are ready take a good part of that together, each worker gets its
    share; else one worker gets them all, and what becomes ready by them: to hand
    calls out would take longer than to make them.

    Once values turn out to be so heavy that they had better stay on their workers,
    stints are fixed sets of calls, cut finer: if one is lost with its worker, what
    it made is made anew, and has to be the same.

    Parameters
    ----------
    control : Control
        What the tasks of the run share.
    region : Region
        Whose calls.
    inputs : sequence
        What it reads: outcomes, or what stands for them.
    rule : Rule
        How its calls are cut.
    travels : bool
        True if values leave the process they are made in.

    Attributes
    ----------
    over : bool
        True if all calls are made, or no other is wanted.
    waits : bool
        True if nothing is handed out until stints come back.

    Examples
    --------
    The calls of ``b`` and ``c``, which both read ``a``:

    >>> import pickle
    >>> from flowgraph.runtime.calling import OneCall
    >>> from flowgraph.runtime.code import Code, Control, Stage
    >>> from flowgraph.runtime.call import Slot
    >>> from flowgraph.runtime.region import Region
    >>> from flowgraph.runtime.work import perform
    >>> code = Code((Stage("abs", abs, None, None, False),), pickle.dumps, pickle.dumps)
    >>> calls = (OneCall(0, 0, "a", (-3,), (), ()), OneCall(0, 1, "b", (Slot(0),), (), (0,)))
    >>> calls = (*calls, OneCall(0, 2, "c", (Slot(0),), (), (0,)))
    >>> region = Region(task=0, node=0, name="a", stage="abs", gives=(1, 2), stages={0: "abs"},
    ...                 calls=Parcel(calls, pickle.dumps))
    >>> foreman = Foreman(Control(code), region, [], Rule(workers=2, seconds=1))
    >>> stint, known = foreman.next()
    >>> stint.slots
    (0,)
    >>> foreman.take(stint, perform(Control(code), stint, known))
    True
    >>> stint, known = foreman.next()
    >>> foreman.take(stint, perform(Control(code), stint, known))
    True
    >>> foreman.over, foreman.outcome().value.values
    (True, [3, 3])
    """

    def __init__(
        self,
        control: Control,
        region: Region,
        inputs: Sequence[Any],
        rule: Rule,
        *,
        travels: bool = False,
    ) -> None:
        self.over = False
        self.waits = False
        self._region = region
        self._control = control
        self._rule = rule
        self._travels = travels
        self._roster = Roster(region.calls.open(), inputs, region.gives, travels=travels)
        self._fixed = False
        self._parts = 0
        self._away: set[int] = set()
        self._late: set[int] = set()
        self._returned: dict[int, frozenset[int]] = {}
        self._pace: float | None = None
        self._light = 0
        self._suspects = 0
        self._portion = 1
        self._share = min(rule.most, -(-self._roster.ready // (rule.first * rule.workers)))

    def next(self, *, hurry: bool = False) -> tuple[Stint, Outcome] | None:
        """A stint and what it reads; None if nothing is ready.

        Parameters
        ----------
        hurry : bool
            True if quick calls are not to wait for the stints that are under way.
        """
        self.waits = False
        rule, ready, pace = self._rule, self._roster.ready, self._pace
        if self.over or not ready or len(self._away) >= self._at_once():
            return None
        if self._suspects:
            claim = self._roster.claim(self._portion)
            self._suspects = max(0, self._suspects - len(claim.slots))
            return self._stint(claim)
        if pace is None:
            return self._stint(self._roster.claim(self._share))
        many = min(rule.most, int(rule.seconds / pace) + 1)
        is_little = max(ready, 2) * pace <= rule.seconds / _WORTH
        if is_little and not self._fixed:
            if hurry:
                self._late = set(self._away)
            if rule.far and not self._away <= self._late:
                self.waits = True
                return None
            return self._stint(self._roster.claim(many, with_readers=True))
        finer = 2 if self._fixed else 1
        return self._stint(self._roster.claim(min(many, -(-ready // (rule.workers * finer)))))

    def _at_once(self) -> int:
        """How many stints may be under way.

        Far away a worker finds the next one when it ends one, but only if calls are
        neither quick nor slow: it could not go on with it, if it were at a slow one.
        """
        rule, pace = self._rule, self._pace
        is_short = pace is not None and rule.seconds / _FEW <= pace <= 2 * rule.seconds
        return rule.workers * (2 if rule.far and is_short else 1)

    def _stint(self, claim: Claim) -> tuple[Stint, Outcome]:
        region = self._region
        part, self._parts = self._parts, self._parts + 1
        self._away.add(part)
        stint = Stint(
            task=region.task,
            node=region.node,
            name=region.name,
            stage=region.stage,
            reads=1,
            part=part,
            slots=tuple(claim.slots),
            calls=Parcel(self._roster.calls(claim.slots), _packed),
            bound=frozenset(claim.bound),
            inner=frozenset(claim.inner),
            seconds=inf if self._fixed else self._rule.seconds,
            stages=region.stages,
            travels=self._travels,
        )
        return stint, Outcome(self._roster.known(claim.slots))

    def give_back(self, stint: Stint, slots: frozenset[int]) -> None:
        """Take back calls that a stint will not make, while it is at others."""
        before = self._returned.get(stint.part, frozenset())
        self._returned[stint.part] = before | slots
        self._roster.free(slots - before)  # made anew, it gives back the same again, or more

    def split(self, stint: Stint) -> bool:
        """Have the calls of a stint that took its workers down made again, a few at a time.

        Any of them may have done it, or none.

        Parameters
        ----------
        stint : Stint
            One that was handed out.

        Returns
        -------
        bool
            False if it is one call, or calls in a row: then nothing is done.
        """
        slots = frozenset(stint.slots) - self._returned.get(stint.part, frozenset())
        if len(slots - stint.bound) == 1:
            return False
        self._away.discard(stint.part)
        self._returned.pop(stint.part, None)
        self._roster.free(slots)
        self._suspects += len(slots)
        self._portion = max(1, len(slots) // _SUSPECTS)
        return True

    def take(self, stint: Stint, outcome: Outcome) -> bool:
        """Note what a stint made; False if it does not count.

        Parameters
        ----------
        stint : Stint
            One that was handed out.
        outcome : Outcome
            What it made; its weight is that of what is better left on its worker.

        Raises
        ------
        Exception
            Whatever hinders unpacking it here.
        """
        done: Done = outcome.value
        roster, left = self._roster, done.left
        self._away.discard(stint.part)
        returned = self._returned.pop(stint.part, frozenset())
        if not returned <= left:
            # Its worker was lost, and Dask made all of it anew: others make these by now.
            roster.free(frozenset(stint.slots) - returned)
            return False
        if done.values:
            roster.put([k for k in stint.slots if k not in stint.inner], done.values, left)
        if self._travels:
            made = [slot for slot in stint.slots if slot not in left]
        else:
            made = [slot for slot in stint.slots if roster.is_made(slot)]
        roster.settle(made)
        if len(made) < len(stint.slots):
            roster.free(frozenset(stint.slots).difference(made, returned))
        if made and done.busy:  # else it was lost, which tells nothing
            self._pace = done.busy / len(made)
        if self._rule.far:
            self._weigh(outcome.weight)
        bundle = outcome.bundle
        failed = bundle is not None and bool(bundle.failures or bundle.lost)
        self.over = self.over or not roster.open or (failed and self._control.halts)
        return True

    def _weigh(self, weight: int) -> None:
        """Let values stay on their workers from now on, or no more."""
        self._light = 0 if weight > _HEAVY else self._light + 1
        if not self._light:
            self._fixed = True
        elif self._light == _LIGHT:
            self._fixed = False

    def outcome(self) -> Outcome:
        """What the region gave, or has given so far."""
        region = self._region
        outcome = Outcome(Results(self._roster.given(region.gives)), stage=region.stage)
        outcome.maker = region.maker
        return outcome


def _packed(calls: tuple[OneCall, ...]) -> bytes:
    """Calls for another process, field by field: as named tuples they are pickled more slowly."""
    return pickling.dumps(list(zip(*calls, strict=True)))
