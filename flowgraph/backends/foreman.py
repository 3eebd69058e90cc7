"""Hands out the calls of a region in stints, as they become ready."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Final

from flowgraph.runtime import pickling
from flowgraph.runtime.calling import UNREACHED
from flowgraph.runtime.code import Parcel
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.region import Done, Known, Stint
from flowgraph.runtime.results import Results

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flowgraph.runtime.calling import OneCall
    from flowgraph.runtime.code import Control
    from flowgraph.runtime.region import Region

__all__ = ["Foreman", "Rule"]

_WORTH: Final = 10
"""What part of a stint a worker must get of the calls that are ready, for them to be shared."""
_HEAVY: Final = 1_000_000
"""Bytes that a stint keeps on its worker, from which on values stay where they are made."""
_FREE, _GIVEN, _MADE = range(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How the calls of a region are cut into stints.

    Parameters
    ----------
    workers : int
        Stints that are made at once.
    seconds : float
        Length of a stint.
    first : int
        What part of its share of the ready calls a worker gets as long as their time is unknown.
    most : int
        Calls of a stint at most.
    far : bool
        True if stints are so long on their way that quick calls wait for those that
        are under way, to go together; and if heavy values can stay with the worker
        that made them.
    """

    workers: int
    seconds: float
    first: int = 4
    most: int = 4096
    far: bool = False


class Foreman:
    """Knows which calls of a region are ready, and how many make up a stint.

    Not for several threads at once: whoever has it takes a lock.

    A stint gets as many calls as should take `seconds`, going by the last one.
    If those that are ready give all workers something to do for a good part of
    that, each gets its share; else one worker gets them all, and what becomes
    ready by them: to hand calls out would take longer than to make them.

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
        self.region = region
        self.over = False
        self.waits = False
        self._control = control
        self._calls = region.calls.open()
        self._rule = rule
        self._travels = travels
        self._fixed = False
        self._base = len(inputs)
        self._missing: dict[int, Failure | Skip] = {}
        self._values: list[Any] = []
        for k, given in enumerate(inputs):
            if isinstance(given, Outcome) and given.missing is not None:
                self._missing[k] = given.missing
            self._values.append(given if travels else given.value)
        self._values += [UNREACHED] * len(self._calls)
        self._readers: dict[int, list[int]] = defaultdict(list)
        self._waits = [0] * len(self._calls)
        for k, call in enumerate(self._calls):
            for need in call.needs:
                if need >= self._base:
                    self._readers[need - self._base].append(k)
                    self._waits[k] += 1
        self._gives = frozenset(region.gives)
        self._unread = {k: len(readers) for k, readers in self._readers.items()}
        self._state = bytearray(len(self._calls))
        self._open = len(self._calls)
        self._parts = 0
        self._away: set[int] = set()
        self._late: set[int] = set()
        self._returned: dict[int, frozenset[int]] = {}
        self._pace: float | None = None
        # The last one is next.
        self._ready = [k for k in reversed(range(len(self._calls))) if not self._waits[k]]
        self._share = -(-len(self._ready) // (rule.first * rule.workers))

    def next(self, *, hurry: bool = False) -> tuple[Stint, Outcome] | None:
        """A stint and what it reads; None if nothing is ready.

        Parameters
        ----------
        hurry : bool
            True if quick calls are not to wait for the stints that are under way.
        """
        self.waits = False
        if self.over or not self._ready:
            return None
        rule, ready, pace = self._rule, len(self._ready), self._pace
        many, with_readers = self._share, False
        if pace is not None:
            many = min(rule.most, int(rule.seconds / pace) + 1)
            with_readers = (
                max(ready, rule.workers) * pace <= rule.workers * rule.seconds / _WORTH
                and not self._fixed
            )
            if hurry:
                self._late = set(self._away)
            if with_readers and rule.far and not self._away <= self._late:
                self.waits = True
                return None
            if not with_readers:
                many = min(many, -(-ready // (rule.workers * (2 if self._fixed else 1))))
        return self._stint(*self._claim(many, with_readers=with_readers))

    def _claim(self, many: int, *, with_readers: bool) -> tuple[list[int], set[int], set[int]]:
        """Take ready calls, and those that go with them.

        Returns
        -------
        claimed : list of int
            Each behind those that it needs.
        bound, inner : set of int
            See `Stint`.
        """
        claimed: list[int] = []
        bound: set[int] = set()
        inner: set[int] = set()
        waits: dict[int, int] = {}
        state = self._state
        while self._ready and len(claimed) < many:
            rest = [self._ready.pop()]
            while rest and (len(claimed) < many or rest[-1] in bound):
                k = rest.pop()
                claimed.append(k)
                state[k] = _GIVEN
                readers = self._readers.get(k, ())
                if len(readers) == 1 and self._waits[readers[0]] == 1 and k not in self._gives:
                    inner.add(k)
                    bound.add(readers[0])
                    rest.append(readers[0])
                elif with_readers:
                    for reader in reversed(readers):
                        waits[reader] = left = waits.get(reader, self._waits[reader]) - 1
                        if not left:
                            rest.append(reader)
        return claimed, bound, inner

    def _stint(self, claimed: list[int], bound: set[int], inner: set[int]) -> tuple[Stint, Outcome]:
        base, region = self._base, self.region
        calls = tuple([self._calls[k] for k in claimed])
        part, self._parts = self._parts, self._parts + 1
        self._away.add(part)
        stint = Stint(
            task=region.task,
            node=region.node,
            name=region.name,
            stage=region.stage,
            reads=1,
            part=part,
            slots=tuple([base + k for k in claimed]),
            calls=Parcel(calls, _packed),
            bound=frozenset([base + k for k in bound]),
            inner=frozenset([base + k for k in inner]),
            seconds=inf if self._fixed else self._rule.seconds,
            stages=region.stages,
            travels=self._travels,
        )
        return stint, Outcome(self._known(claimed))

    def _known(self, claimed: Iterable[int]) -> Known:
        if not self._travels:
            return Known(self._values, self._missing)
        calls, values, base = self._calls, self._values, self._base
        needs = {need for k in claimed for need in calls[k].needs}
        needs.difference_update([base + k for k in claimed])
        missing = {need: self._missing[need] for need in needs if need in self._missing}
        return Known({need: values[need] for need in needs if need not in missing}, missing)

    def give_back(self, stint: Stint, slots: frozenset[int]) -> None:
        """Take back calls that a stint will not make, while it is at others."""
        self._returned[stint.part] = self._returned.get(stint.part, frozenset()) | slots
        self._free(slots)

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
        done = outcome.value
        self._away.discard(stint.part)
        returned = self._returned.pop(stint.part, frozenset())
        if not returned <= done.left:
            # Its worker was lost, and Dask made all of it anew: others make these by now.
            self._free(frozenset(stint.slots) - returned)
            return False
        if done.values:
            outs = [slot for slot in stint.slots if slot not in stint.inner]
            self._put(outs, done)
        values, base = self._values, self._base
        if self._travels:
            made = [k - base for k in stint.slots if k not in done.left]
        else:
            made = [k - base for k in stint.slots if values[k] is not UNREACHED]
        self._settle(made)
        if len(made) < len(stint.slots):
            self._free(frozenset(stint.slots).difference(map(base.__add__, made), returned))
        if made and done.busy:  # else it was lost, which tells nothing
            self._pace = done.busy / len(made)
        self._fixed = self._fixed or (self._rule.far and outcome.weight > _HEAVY)
        self._open -= len(made)
        bundle = outcome.bundle
        failed = bundle is not None and bool(bundle.failures or bundle.lost)
        self.over = self.over or not self._open or (failed and self._control.halts)
        return True

    def outcome(self) -> Outcome:
        """What the region gave, or has given so far."""
        values, base, state = self._values, self._base, self._state
        gives = self.region.gives
        given = [values[base + k] if state[k] == _MADE else UNREACHED for k in gives]
        outcome = Outcome(Results(given), stage=self.region.stage)
        outcome.maker = self.region.maker
        return outcome

    def _put(self, slots: Sequence[int], done: Done) -> None:
        for slot, value in zip(slots, done.values, strict=True):
            if slot not in done.left:
                self._values[slot] = value
                if type(value) is Failure or type(value) is Skip:
                    self._missing[slot] = value

    def _settle(self, made: Iterable[int]) -> None:
        """Let go on what waits for these calls, and drop the values that nobody reads any more."""
        state, waits, unread = self._state, self._waits, self._unread
        values, base, gives, ready = self._values, self._base, self._gives, self._ready
        for k in made:
            state[k] = _MADE
        for k in made:
            for reader in reversed(self._readers.get(k, ())):
                waits[reader] -= 1
                if not waits[reader] and state[reader] == _FREE:
                    ready.append(reader)
            for need in self._calls[k].needs:
                if need >= base:
                    unread[need - base] -= 1
                    if not unread[need - base] and need - base not in gives:
                        values[need] = None

    def _free(self, slots: frozenset[int]) -> None:
        """Let others make calls that were handed out, but not made."""
        for slot in sorted(slots, reverse=True):
            k = slot - self._base
            self._state[k] = _FREE
            if not self._waits[k]:
                self._ready.append(k)


def _packed(calls: tuple[OneCall, ...]) -> bytes:
    """Calls for another process, field by field: as tuples they are pickled ten times as slowly."""
    return pickling.dumps(list(zip(*calls, strict=True)))
