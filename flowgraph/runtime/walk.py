"""Quick calls made in a row, as they were declared.

Nothing is known of a call but where it stands, and nothing of the row but how far it is
made.  Only when others are to help, or a call fails, is each call told apart: see `number`.

A row looks at the clock after a call, and asks for nothing else between two.  As long as calls
are quick, it goes on: to end it and to begin it anew, in another thread, costs as much as a
hundred of them.  When one of them is slow, those behind it would wait for its end, whoever is
free.  So another thread puts the row to its end: as it does a chunk of items, see
`flowgraph.runtime.lookout`.
"""

from __future__ import annotations

from contextlib import suppress
from math import inf
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flowgraph.runtime.call import PLAIN, InOrder, Slot, fill, in_order, listed
from flowgraph.runtime.lookout import lookout
from flowgraph.runtime.onecall import UNREACHED
from flowgraph.runtime.strip import Strip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from flowgraph.runtime.row import Declared, Row
    from flowgraph.runtime.scope import Scope

__all__ = ["GRACE", "QUICK", "Raised", "Walk"]

GRACE: Final = 20e-3
"""Seconds that a call may last when time is up, before those behind it are given back."""
QUICK: Final = 50e-6
"""Seconds of a call, up to which a row goes on.

To hand out calls of 35 µs that let go of the GIL took two threads as long as one took to make
them in a row; calls that read one another it took that long up to 200 µs.
"""
_SOON: Final = 10e-3
"""Seconds after which a row ends whose calls take longer."""
_LOOK: Final = 1e-3
"""Seconds between two looks at whether the run is over."""
_ONE: Final = in_order(1)
_TWO: Final = in_order(2)
_END: Final = 1 << 62
"""An index behind all calls."""


class Raised(NamedTuple):
    """What a call raised in a row."""

    error: BaseException
    begun: float
    """When the call began."""


class Walk:
    """The way along a row, one stint at a time.

    Parameters
    ----------
    row : Row
        What is made.
    inputs : sequence
        The values of what it reads.
    chain : callable, optional
        Gives the places of the calls that go with one: they are not given back while it is slow,
        and a row ends with the first value that is not of the commonest types.

    Attributes
    ----------
    values : list
        What was read, and what was made so far.
    given_back : frozenset of int
        Places of the calls that a stint has given back: counted with the inputs before them.

    Examples
    --------
    >>> from types import SimpleNamespace as Call
    >>> from flowgraph.runtime.call import in_order
    >>> from flowgraph.runtime.code import Code, Control
    >>> from flowgraph.runtime.row import Row
    >>> from flowgraph.runtime.scope import Scope
    >>> calls = [Call(needs=(k,), args=in_order(1), kwargs=(), stage="neg") for k in range(2)]
    >>> walk = Walk(Row(calls, range(2), {"neg": lambda x: -x}), [5])
    >>> walk.make(Scope(Control(Code((), None, None)), 0), range(1, 3), inf)
    >>> walk.values
    [5, -5, 5]
    """

    __slots__ = (
        "_base",
        "_chain",
        "_closed",
        "_end",
        "_items",
        "_lock",
        "_numbered",
        "_row",
        "_seen",
        "_tell",
        "_until",
        "given_back",
        "values",
    )

    def __init__(
        self,
        row: Row,
        inputs: Sequence[Any],
        chain: Callable[[int], Sequence[int]] | None = None,
    ) -> None:
        self.values = list(inputs)
        self.given_back: frozenset[int] = frozenset()
        self._row = row
        self._base = len(inputs)
        self._chain = chain
        self._numbered: list[Any] | None = None
        self._items: Iterator[Declared] = iter(())
        self._end = 0
        self._seen = -1
        self._until = inf
        self._tell: Callable[[frozenset[int]], object] | None = None
        self._closed = True
        # Whoever is told of what is given back may number the values, in that thread: this lock
        # comes before those that it takes for that.  Others number them only between two stints.
        self._lock = RLock()

    @property
    def made(self) -> int:
        """How many of the calls are made."""
        return len(self.values) - self._base

    @property
    def is_over(self) -> bool:
        """True if calls are told apart from now on."""
        return self._numbered is not None

    def make(
        self,
        scope: Scope,
        slots: range,
        until: float,
        tell: Callable[[frozenset[int]], object] | None = None,
    ) -> Raised | None:
        """Make calls; gives what one of them raised, behind which none was begun.

        Parameters
        ----------
        scope : Scope
            Gets their records.
        slots : range
            Their places; the first one is next.
        until : float
            When time is up.
        tell : callable, optional
            Called, in another thread, with the places of those that are given back; again and
            again while one call is slow, mostly with none.

        Raises
        ------
        Halt
            If the run is over.
        """
        first, self._end = slots.start - self._base, slots.stop - self._base
        calls, self.given_back = self._row.calls, frozenset()
        strip = Strip(self._row.numbers, first, scope.now())
        scope.strips.append(strip)
        self._items = items = iter(tuple(calls[first : self._end]))
        self._until, self._tell, self._closed = until + GRACE, tell, False
        self._seen = -1
        try:
            if tell is not None:
                lookout.watch(self)
            try:
                raised = self._go(scope, strip, items, until)
            finally:
                lookout.leave(self)
                with self._lock:
                    self._closed = True
            if raised is None and self._chain is None and self.given_back and self.made < self._end:
                # It was not begun when those behind it were given back.
                raised = self._go(scope, strip, iter(calls[self.made : self._end]), inf)
        finally:
            self._catch_up()
        return raised

    def _go(
        self, scope: Scope, strip: Strip, items: Iterator[Declared], until: float
    ) -> Raised | None:
        """The hot loop of single calls."""
        values, functions = self.values, self._row.functions
        now, note = scope.now, strip.ended.append
        scope.check()
        value_of, add, kinds, ended = values.__getitem__, values.append, set(PLAIN), now()
        stage: Any = None
        function: Callable[..., Any] = fill
        look_at, soon, before = ended + _LOOK, ended + _SOON, len(values)
        for call in items:
            if ended >= look_at:
                scope.check()
                if ended > until or ended > soon + QUICK * (len(values) - before):
                    return None
                look_at = min(until, ended + _LOOK)
            args, needs = call.args, call.needs
            if call.stage is not stage:
                stage = call.stage
                function = functions[stage]
            try:
                if call.kwargs:  # all cases are as this one; the commonest ones in less time
                    keys, templates = zip(*call.kwargs, strict=True)
                    named = dict(zip(keys, _given(templates, needs, values), strict=True))
                    made = function(*_given(args, needs, values), **named)
                elif not needs:
                    made = function(*args)
                elif args is _ONE:
                    (one,) = needs
                    made = function(values[one])
                elif args is _TWO:
                    one, other = needs
                    made = function(values[one], values[other])
                elif type(args) is InOrder:
                    made = function(*map(value_of, needs))
                else:
                    made = function(*_given(args, needs, values))
                if type(made) not in kinds:
                    made = listed(made)
                    kinds.add(type(made))
                    if self._chain is not None:
                        items.__setstate__(_END)  # type: ignore[attr-defined]  # it is the last one
            except BaseException as error:
                return Raised(error, ended)
            ended = now()
            note(ended)
            add(made)  # last of all: by this the call counts as made
        return None

    def look(self, now: float) -> None:
        """Give back what is not begun, if time is up, or a call lasts since the last look.

        To be called in another thread.
        """
        made, seen = self.made, self._seen
        self._seen = made
        if (now < self._until and made != seen) or self._tell is None:
            return
        with self._lock:
            if self._closed:
                return
            taken: frozenset[int] = frozenset()
            if not self.given_back:
                self._items.__setstate__(_END)  # type: ignore[attr-defined]  # a tuple's iterator
                # None is taken out any more: there is the one behind those that are made, at most.
                kept = min(self.made + 1, self._end)
                taken = frozenset(range(self._base + kept, self._base + self._end))
                if self._chain is not None:
                    taken = taken.difference(self._chain(self._base + kept - 1))
                self.given_back, self._end = taken, kept
            with suppress(Exception):  # else it is told when the stint ends
                self._tell(taken)

    def number(self) -> list[Any]:
        """All values by their places, inputs first: where they belong from now on."""
        with self._lock:
            if self._numbered is None:
                lacking = self._base + len(self._row.calls) - len(self.values)
                self._numbered = self.values + [UNREACHED] * lacking
            return self._numbered

    def _catch_up(self) -> None:
        """Put what was made to its place, if somebody has numbered the values meanwhile."""
        with self._lock:
            if self._numbered is not None:
                for place, value in enumerate(self.values):
                    if self._numbered[place] is UNREACHED:  # else it is there, or was dropped
                        self._numbered[place] = value


def _given(args: Sequence[Any], needs: Sequence[int], values: Sequence[Any]) -> list[Any]:
    """The arguments of a call, from templates."""
    return [
        values[needs[arg.position]]
        if type(arg) is Slot
        else arg
        if type(arg) in PLAIN
        else fill(arg, [values[need] for need in needs])
        for arg in args
    ]
