"""Regions on a cluster: their calls go to its workers in stints, each a Dask task of its own.

What a stint made comes to the driver with its report, but for values that weigh
much: they stay on their worker, and other stints fetch them there.  Dask makes a
stint anew whose worker is gone.  If all its values were brought to the driver, nobody
misses them; one whose values others still fetch is a fixed set of calls, and gives
the same again.
"""

from __future__ import annotations

import pickle
import time
from collections import deque
from contextlib import suppress
from functools import partial
from math import isinf
from typing import TYPE_CHECKING, Any, Final

from distributed import KilledWorker

from flowgraph.backends.foreman import Foreman
from flowgraph.backends.held import Held, whole
from flowgraph.backends.losses import Losses
from flowgraph.backends.rule import Rule
from flowgraph.backends.shift import Shift
from flowgraph.backends.underway import Underway
from flowgraph.runtime.calm import no_collections
from flowgraph.runtime.code import Control
from flowgraph.runtime.handover import Kept
from flowgraph.runtime.light import Give
from flowgraph.runtime.outcome import Outcome, Report
from flowgraph.runtime.report import Lost
from flowgraph.runtime.work import perform

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future as Answer

    from distributed import Client, Future

    from flowgraph.backends.flight import Flight
    from flowgraph.backends.held import Fetch
    from flowgraph.backends.news import Fetched, News
    from flowgraph.backends.shift import Ahead
    from flowgraph.backends.underway import Sent
    from flowgraph.compiler.plan import Key
    from flowgraph.runtime.handover import Done
    from flowgraph.runtime.report import Bundle
    from flowgraph.runtime.stint import Stint

__all__ = ["Crew"]

_SECONDS: Final = 50e-3
"""Length of a stint: one takes ten milliseconds to come and go, fifteen with the driver's part."""
_WORTH: Final = 30e-3
"""Seconds that calls must gain by being shared: twice what a stint takes to come and go."""
_TURN: Final = 1e-3
"""Seconds that the driver has for a stint: with many workers they are longer."""
_BROUGHT: Final = 64_000_000
"""Bytes that a stint which ends by the clock has brought to the driver, at most."""
_PATIENCE: Final = 20e-3
"""Seconds that quick calls wait for others which are under way, to go together."""
_MOST: Final = 16384
"""Calls of a stint at most."""


class Crew:
    """Makes the regions of a run on a cluster; all of it in the driver's own thread.

    Parameters
    ----------
    client : distributed.Client
        Connected to the cluster.
    flight : Flight
        The other tasks of the run.
    news : News
        Gets what becomes of stints.
    workers : int
        Stints that are made at once.
    on_outcome : callable
        Gets what stints report.
    """

    def __init__(
        self,
        client: Client,
        flight: Flight,
        news: News,
        workers: int,
        on_outcome: Callable[[Key, Outcome], None],
    ) -> None:
        self._waits_since: float | None = None
        self._flight = flight
        self._on_outcome = on_outcome
        seconds = max(_SECONDS, workers * _TURN)
        self._rule = Rule(
            workers=workers, seconds=seconds, worth=_WORTH, most=_MOST, first=1, far=True
        )
        self._underway = Underway(client, flight, news)
        self._said: deque[tuple[Key, Outcome]] = deque()
        self._shifts: dict[Key, Shift] = {}
        self._losses = Losses(flight.plan.code)

    def start(self) -> None:
        """Begin with all regions."""
        flight = self._flight
        for job, region in flight.regions():
            given = [self._given(need) for need in job.needs]
            foreman = Foreman(flight.control, region, given, self._rule, travels=True)
            shift = self._shifts[job.key] = Shift(self, job.key, flight.control, foreman)
            shift.go_on()
        self._underway.send()
        self.tell()

    @property
    def is_busy(self) -> bool:
        """True until all regions are done.

        Raises
        ------
        BaseException
            What hindered handing out.
        """
        return not all(map(_is_done, self._shifts.values()))

    @property
    def patience(self) -> float | None:
        """Seconds until `hurry` is to be called; None for never."""
        if not any(shift.waits for shift in self._shifts.values()):
            self._waits_since = None
            return None
        now = time.monotonic()
        if self._waits_since is None:
            self._waits_since = now
        return max(0.0, self._waits_since + _PATIENCE - now)

    def hurry(self) -> None:
        """Let nothing wait any longer for a stint that takes long."""
        self._waits_since = None
        for shift in self._shifts.values():
            if shift.waits:
                shift.go_on(hurry=True)
        self._underway.send()

    def futures(self) -> list[Future]:
        """Those of the stints under way."""
        return self._underway.futures()

    # What a shift does at its desk

    def stint(
        self, control: Control, stint: Stint, known: Outcome, ahead: Ahead
    ) -> Answer[Outcome]:
        """Have a worker make a stint, which tells by an event what it gives back."""
        return self._underway.launch(stint, known.value)

    def note(self, key: Key, outcome: Outcome) -> None:
        """Keep what a stint reports."""
        if outcome.bundle is not None:
            self._said.append((key, Report(outcome.bundle)))

    def wake(self) -> None:
        """Nothing: who hears of stints is awake."""

    # What is heard of stints

    def heard(self, bundle: Bundle, task: int, part: int, done: Done) -> bool:
        """Go on after a stint that tells what it made; False if nobody waits for it."""
        sent = self._underway.get(self._flight.stint_key(task, part))
        if sent is None:  # it was made anew
            return False
        sent.kept = done.kept
        if 0 < sent.kept <= _BROUGHT and not isinf(sent.stint.seconds):
            self._underway.fetch(sent)  # made anew, it might end elsewhere
            return True
        if sent.kept:
            self._losses.keeps(sent.future, sent.stint)
        held = [Held(sent.future, n) if type(v) is Kept else v for n, v in enumerate(done.values)]
        outcome = Outcome(done.replaced(held))
        outcome.bundle = bundle
        self._end(sent, outcome)
        return True

    def returned(self, receipt: bytes) -> None:
        """Hand out what a stint gives back while it is at a slow call."""
        task, part, slots = pickle.loads(receipt)
        sent = self._underway.get(self._flight.stint_key(task, part))
        if sent is not None:
            sent.given_back |= slots
            self._shift_of(sent.stint).returned(sent.stint, slots)
            self._underway.send()

    def settled(self, future: Future) -> bool:
        """Go on after the Dask task of a stint; False if it is none, or none that is waited for.

        Raises
        ------
        SchedulerError
            If the scheduler dropped it.
        """
        sent = self._underway.get(future.key)
        if sent is None:
            return False
        if future.status == "error":
            self._lose(sent, future.exception())
        else:  # its event went astray, if it is not on its way already
            self._underway.fetch(sent)
        return True

    def fetched(self, news: Fetched) -> None:
        """Go on after a stint whose outcome was brought to the driver.

        Raises
        ------
        SchedulerError
            If the scheduler dropped it.
        """
        sent = self._underway.get(news.key)
        if sent is None:
            return
        if (error := news.outcome.exception()) is not None:
            self._lose(sent, error)
        else:
            self._end(sent, news.outcome.result())

    def _shift_of(self, stint: Stint) -> Shift:
        return self._shifts[self._flight.plan.jobs[stint.task].key]

    def _lose(self, sent: Sent, error: BaseException) -> None:
        """Go on without a stint that Dask gave up."""
        stint = sent.stint
        is_its_own = isinstance(error, KilledWorker) and error.task == sent.future.key
        if is_its_own and self._shift_of(stint).split(stint):
            self._underway.forget(sent)
            self._underway.send()
        else:
            self._end(sent, self._losses.for_stint(stint, sent.given_back, error))

    def _end(self, sent: Sent, outcome: Outcome) -> None:
        self._underway.forget(sent)
        outcome.weight = sent.kept
        with no_collections():  # there may be thousands of calls in it
            sent.answer.set_result(outcome)
        self._underway.send()
        self.tell()

    def tell(self) -> None:
        """Hand on what was reported.

        Raises
        ------
        BaseException
            Whatever ends the run.
        """
        while self._said:
            self._on_outcome(*self._said.popleft())

    # What regions gave

    def outcomes(self, fetch: Fetch) -> dict[Key, Outcome]:
        """Those of all regions, which are done."""
        found = {}
        for job, region in self._flight.regions():
            made, lost = self._shifts[job.key].whole.result(), list[Lost]()
            found[job.key] = whole(made, fetch, partial(self._losses.for_value, lost))
            if lost:
                self._said.append((job.key, self._losses.report(region.task, lost)))
        self.tell()
        return found

    def rest(self) -> None:
        """Hand out no more."""
        for shift in self._shifts.values():
            shift.rest()

    def close(self, fetch: Fetch) -> None:
        """Hand on what is there of a run that ends early, by an error that is under way."""
        for key, shift in self._shifts.items():
            outcome = shift.close()
            while self._said:
                with suppress(Exception):
                    self.tell()
            try:
                found = whole(outcome, fetch)
            except Exception:  # nobody is there any more: what the driver has
                found = whole(outcome, lambda _: {})
            with suppress(Exception):
                self._on_outcome(key, found)

    def dismiss(self) -> None:
        """Let go of all that is still on workers."""
        self._underway.clear()
        self._shifts.clear()
        self._flight.lent.clear()

    def _given(self, need: int) -> Any:
        """What a region reads: a value that goes along with a stint, or one that lies ready."""
        plan = self._flight.plan
        key, work = plan.jobs[need].key, plan.jobs[need].work
        if (future := self._flight.lent.get(key)) is not None:
            return Held(future, None)
        assert isinstance(work, Give)
        self.note(key, perform(Control(plan.code), work))
        return Outcome.packed(work.value.seal(), work.stage)


def _is_done(shift: Shift) -> bool:
    if shift.whole.done():
        shift.whole.result()  # which raises what hindered it
        return True
    return False
