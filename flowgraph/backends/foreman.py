"""Hands out the calls of a region in stints, as they become ready."""

from __future__ import annotations

from functools import partial
from itertools import chain
from math import inf
from typing import TYPE_CHECKING, Any, Final

from flowgraph.backends.away import Away
from flowgraph.backends.roster import Roster
from flowgraph.backends.straight import Straight
from flowgraph.runtime import pickling
from flowgraph.runtime.code import Later
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.results import Results
from flowgraph.runtime.stint import Stint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flowgraph.backends.claims import Claim
    from flowgraph.backends.rule import Rule
    from flowgraph.runtime.code import Control
    from flowgraph.runtime.handover import Done
    from flowgraph.runtime.onecall import OneCall
    from flowgraph.runtime.region import Region
    from flowgraph.runtime.stint import Tell

__all__ = ["Foreman"]

_SUSPECTS: Final = 32
"""Stints that the calls of one are cut into, that took its workers down."""
_HEAVY: Final = 1_000_000
"""Bytes that a stint keeps on its worker, from which on values stay where they are made."""
_LIGHT: Final = 8
"""Stints in a row without such values, from which on they end by the clock again."""
_LONGER: Final = 2
"""How many times as long as expected a stint may last, where that is more than usual."""
_NOTHING: Final[frozenset[int]] = frozenset()


class Foreman:
    """Knows which calls of a region are ready, and how many make up a stint.

    Not for several threads at once: whoever has it takes a lock.

    A stint gets as many calls as should take `seconds`, going by the last one.
    If to share those that are ready is worth its costs, each worker gets a part; else one
    worker gets them, and what becomes ready by them, until so many are ready that it is, or he
    has enough and others could make as much without him: to hand calls out would take longer
    than to make them.

    As long as calls take but microseconds, and what they give is small, workers make them in
    rows, as they stand: nothing has to be known of each.  In this process one worker makes
    all; elsewhere each gets a range, as far as they can do without one another's.

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
    >>> from flowgraph.backends.rule import Rule
    >>> from flowgraph.runtime.onecall import OneCall
    >>> from flowgraph.runtime.code import Code, Control, Parcel, Stage
    >>> from flowgraph.runtime.place import Place
    >>> from flowgraph.runtime.call import Slot
    >>> from flowgraph.runtime.region import Region
    >>> from flowgraph.runtime.work import perform
    >>> code = Code((Stage("abs", abs, None, None, False),), pickle.dumps, pickle.dumps)
    >>> calls = (OneCall(0, 0, "a", (-3,), (), ()), OneCall(0, 1, "b", (Slot(0),), (), (0,)))
    >>> calls = (*calls, OneCall(0, 2, "c", (Slot(0),), (), (0,)))
    >>> region = Region(task=0, node=0, name="a", stage="abs", stages={0: "abs"},
    ...                 gives=(1, 2), givers=(Place(1, "b", "abs"), Place(2, "c", "abs")),
    ...                 calls=Parcel(calls, pickle.dumps))
    >>> foreman = Foreman(Control(code), region, [], Rule(workers=2, seconds=1))
    >>> stint, known = foreman.next()
    >>> stint.slots
    range(0, 3)
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
        # Calls that may have to be left behind are each made in a thread of their own.
        row = None if travels and control.abandons else region.row
        self._roster = Roster(region.calls, inputs, region.gives, travels=travels, row=row)
        self._fixed = False
        self._away = Away()
        self._late: frozenset[int] = frozenset()
        self._pace: float | None = None
        self._light = 0
        self._suspects = 0
        self._portion = 1
        self._share = 0
        self._parted = False
        self._straight = Straight(self._roster.ranges, rule, travels=travels)

    def next(
        self, *, hurry: bool = False, tell: Tell | None = None
    ) -> tuple[Stint, Outcome] | None:
        """A stint and what it reads; None if nothing is ready.

        Parameters
        ----------
        hurry : bool
            True if quick calls are not to wait for the stints that are under way.
        tell : callable, optional
            Told by a stint in this process, while it is at a slow call, what it gives back.
        """
        self.waits = False
        if self._travels or self._rule.workers == 1:  # nobody could see them, or take them
            tell = None
        if self._roster.straight:
            return None if self.over else self._straight_stint(tell)
        rule, ready, pace = self._rule, self._roster.ready, self._pace
        if self.over or not ready or len(self._away) >= rule.at_once(pace):
            return None
        if self._suspects:
            claim = self._roster.claim(self._portion)
            self._suspects = max(0, self._suspects - len(claim.slots))
            return self._stint(claim, tell, rule.length(pace))
        if pace is None:
            self._share = self._share or rule.share(ready)
            return self._stint(self._roster.claim(self._share), tell, rule.length(pace))
        idle = rule.workers - len(self._away)
        narrow = None if self._fixed else rule.narrow(pace, ready, idle)
        length = rule.length(pace, ready=ready, narrow=narrow is not None)
        many = min(rule.most, int(length / pace) + 1)
        if narrow is not None:
            if hurry:
                self._late = self._away.parts()
            if rule.far and not self._parted and not self._away.parts() <= self._late:
                self.waits = True
                return None
            claim = self._roster.claim(many, narrow)
            self._parted = claim.parted
            return self._stint(claim, tell, length)
        # Among those who have nothing to do: what is left over would wait for the first to end.
        parts = (idle if idle > 0 else rule.workers) * (2 if self._fixed else 1)
        claim = self._roster.claim(min(many, -(-ready // parts)))
        self._parted = True
        return self._stint(claim, tell, length)

    def _straight_stint(self, tell: Tell | None) -> tuple[Stint, Outcome] | None:
        """A stint of the calls that stand next; None if they wait for those under way."""
        ahead = self._straight.ahead(len(self._away))
        if ahead is None:
            return None
        slots, seconds, row = ahead
        stint = self._made(slots, _NOTHING, _NOTHING, seconds, tell, row)
        self._straight.begin(stint.part, slots)
        return stint, Outcome(self._roster.known(slots))

    def _stint(self, claim: Claim, tell: Tell | None, length: float) -> tuple[Stint, Outcome]:
        if self._pace is not None:  # slower ones than those before are to go to others soon
            length = min(length, _LONGER * self._pace * len(claim.slots))
        seconds = inf if self._fixed else max(self._rule.seconds, length)
        bound, inner = frozenset(claim.bound), frozenset(claim.inner)
        stint = self._made(tuple(claim.slots), bound, inner, seconds, tell)
        return stint, Outcome(self._roster.known(claim.slots))

    def _made(
        self,
        slots: Sequence[int],
        bound: frozenset[int],
        inner: frozenset[int],
        seconds: float,
        tell: Tell | None,
        row: bytes | None = None,
    ) -> Stint:
        region = self._region
        return Stint(
            task=region.task,
            node=region.node,
            name=region.name,
            stage=region.stage,
            reads=1,
            part=self._away.begin(),
            slots=slots,
            calls=Later(partial(self._roster.calls, slots), _packed),
            bound=bound,
            inner=inner,
            seconds=seconds,
            stages=region.stages,
            travels=self._travels,
            row=row,
            tell=tell,
        )

    def give_back(self, stint: Stint, slots: frozenset[int]) -> None:
        """Take back calls that a stint will not make, while it is at others."""
        self._end_row()
        self._roster.free(self._away.give_back(stint.part, slots))

    def look(self, stint: Stint, slots: frozenset[int]) -> int:
        """Take what a stint in this process has made so far, and take back what it will not make.

        Returns
        -------
        int
            A number for what is reported of it, as if it were a stint.
        """
        roster, away = self._roster, self._away
        self._end_row(stint.slots)
        self.give_back(stint, slots)
        settled = away.settled(stint.part)
        made = [slot for slot in stint.slots if slot not in settled and roster.is_made(slot)]
        roster.settle(made)
        away.settle(stint.part, made)
        return away.number()

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
            False if it is one call, or a chain of them: then nothing is done.
        """
        self._end_row()
        slots = frozenset(stint.slots) - self._away.returned(stint.part)
        if len(slots - stint.bound) == 1:
            return False
        self._away.end(stint.part)
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
        roster = self._roster
        returned, settled = self._away.end(stint.part)
        self._straight.end(stint.part)
        self._parted = False
        if roster.straight:
            if self._goes_on(stint, done):
                self.over = self.over or self._is_done() or self._has_failed(outcome)
                return True
            self._end_row(stint.slots)
        left = frozenset(done.left)
        if not returned <= left:
            # Its worker was lost, and Dask made all of it anew: others make these by now.
            roster.free(frozenset(stint.slots) - returned)
            self.over = self.over or self._is_done()
            return False
        if done.values:
            roster.put([k for k in stint.slots if k not in stint.inner], done.values, left)
        others = returned | settled
        if self._travels:
            made = [slot for slot in stint.slots if slot not in left]
        else:
            made = [s for s in stint.slots if s not in others and roster.is_made(s)]
        roster.settle(made)
        if len(made) < len(stint.slots):
            roster.free(frozenset(stint.slots).difference(made, others))
        if made and done.busy:  # else it was lost, which tells nothing
            self._pace = done.busy / (len(made) + len(settled))
        if self._rule.far:
            self._weigh(outcome.weight)
        self.over = self.over or self._is_done() or self._has_failed(outcome)
        return True

    def _end_row(self, slots: Iterable[int] = ()) -> None:
        """Have each call told apart, if they are not; some are at a worker, beside those known."""
        if self._roster.straight:
            self._roster.scatter(chain(slots, *self._straight.handed()))
            self._pace = self._straight.pace

    def _is_done(self) -> bool:
        """True if all calls are made, and what a stint in this process has noted has come."""
        return not self._roster.open and (self._travels or not self._away)

    def _goes_on(self, stint: Stint, done: Done) -> bool:
        """Note what was made of a straight row; False, and nothing is, if others are to help."""
        if not self._straight.goes_on(len(stint.slots) - len(done.left), done.busy):
            return False
        assert isinstance(stint.slots, range)
        return self._roster.passed(stint.slots, done.left, done.values)

    def _has_failed(self, outcome: Outcome) -> bool:
        """True if a stint had a failure that ends the run."""
        return self._control.halts and outcome.has_failed

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
