"""Regions on a cluster: their calls go to its workers in stints, each a Dask task of its own.

What a stint made comes to the driver with its report, but for values that weigh
much: they stay on their worker, and other stints fetch them there.  Dask makes a
stint anew whose worker is gone.  If all its values were brought to the driver, nobody
misses them; one whose values others still fetch is a fixed set of calls, and gives
the same again.
"""

from __future__ import annotations

import asyncio
import pickle
import time
from collections import deque
from concurrent.futures import Future as Answer
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import isinf
from typing import TYPE_CHECKING, Any, Final

from distributed import KilledWorker
from distributed.client import ClosedClientError

from flowgraph.backends.foreman import Foreman, Rule
from flowgraph.backends.held import Held, borrowing, whole
from flowgraph.backends.losses import Losses
from flowgraph.backends.news import Fetched
from flowgraph.backends.shift import Shift
from flowgraph.errors import SchedulerError
from flowgraph.runtime.calm import no_collections
from flowgraph.runtime.code import Control
from flowgraph.runtime.light import Give
from flowgraph.runtime.outcome import Outcome, Report
from flowgraph.runtime.region import Kept
from flowgraph.runtime.report import Lost
from flowgraph.runtime.work import perform

if TYPE_CHECKING:
    from collections.abc import Callable

    from distributed import Client, Future

    from flowgraph.backends.flight import Flight
    from flowgraph.backends.held import Fetch
    from flowgraph.backends.news import News
    from flowgraph.compiler.plan import Key
    from flowgraph.runtime.region import Stint
    from flowgraph.runtime.report import Bundle

__all__ = ["Crew"]

_SECONDS: Final = 50e-3
"""Length of a stint: one takes ten milliseconds to come and go."""
_TURN: Final = 1e-3
"""Seconds that the driver has for a stint: with many workers they are longer."""
_BROUGHT: Final = 64_000_000
"""Bytes that a stint which ends by the clock has brought to the driver, at most."""
_PATIENCE: Final = 20e-3
"""Seconds that quick calls wait for others which are under way, to go together."""
_MOST: Final = 16384
"""Calls of a stint at most."""


@dataclass(slots=True)
class _Sent:
    """A stint under way."""

    stint: Stint
    future: Future
    answer: Answer[Outcome]
    kept: int = 0
    is_asked: bool = False
    """True if its outcome is on its way to the driver."""
    gone: frozenset[int] = frozenset()
    """Places of the calls that it has given back."""


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
        self._client = client
        self._address = client.scheduler.address
        self._flight = flight
        self._news = news
        self._on_outcome = on_outcome
        seconds = max(_SECONDS, workers * _TURN)
        self._rule = Rule(workers=workers, seconds=seconds, most=_MOST, first=1, far=True)
        self._sent: dict[tuple[int, int], _Sent] = {}
        self._parts: dict[Any, tuple[int, int]] = {}
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

    def futures(self) -> list[Future]:
        """Those of the stints under way."""
        return [sent.future for sent in self._sent.values()]

    # What a shift does at its desk

    def stint(self, control: Control, stint: Stint, known: Outcome) -> Answer[Outcome]:
        """Have a worker make a stint."""
        part = stint.task, stint.part
        read, futures = borrowing(known.value)
        try:
            with no_collections():  # there may be thousands of calls in it
                future = self._flight.launch(stint, Outcome(read), futures)
        except ClosedClientError as error:
            raise SchedulerError.went_away(self._address) from error
        self._sent[part] = sent = _Sent(stint, future, Answer())
        self._parts[future.key] = part
        future.add_done_callback(self._news.put)
        return sent.answer

    def note(self, key: Key, outcome: Outcome) -> None:
        """Keep what a stint reports."""
        if outcome.bundle is not None:
            self._said.append((key, Report(outcome.bundle)))

    def wake(self) -> None:
        """Nothing: who hears of stints is awake."""

    # What is heard of stints

    def heard(self, bundle: Bundle, receipt: bytes) -> bool:
        """Go on after a stint that tells what it made; False if nobody waits for it."""
        task, part, done = pickle.loads(receipt)
        sent = self._sent.get((task, part))
        if sent is None:  # it was made anew
            return False
        sent.kept = done.kept
        if 0 < sent.kept <= _BROUGHT and not isinf(sent.stint.seconds):
            self._fetch(sent)  # made anew, it might end elsewhere
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
        sent = self._sent.get((task, part))
        if sent is not None:
            sent.gone |= slots
            self._shift_of(sent.stint).returned(sent.stint, slots)

    def settled(self, future: Future) -> bool:
        """Go on after the Dask task of a stint; False if it is none, or none that is waited for.

        Raises
        ------
        SchedulerError
            If the scheduler dropped it.
        """
        part = self._parts.get(future.key)
        if part is None:
            return False
        sent = self._sent[part]
        if future.cancelled():
            raise SchedulerError.went_away(self._address)
        if future.status == "error":
            self._lose(sent, future.exception())
        else:  # its event went astray, if it is not on its way already
            self._fetch(sent)
        return True

    def fetched(self, news: Fetched) -> None:
        """Go on after a stint whose outcome was brought to the driver.

        Raises
        ------
        SchedulerError
            If the scheduler dropped it.
        """
        sent = self._sent.get(news.part)
        if sent is None:
            return
        if sent.future.cancelled() or news.outcome.cancelled():
            raise SchedulerError.went_away(self._address)
        if (error := news.outcome.exception()) is not None:
            self._lose(sent, error)
        else:
            self._end(sent, news.outcome.result())

    def _shift_of(self, stint: Stint) -> Shift:
        return self._shifts[self._flight.plan.jobs[stint.task].key]

    def _fetch(self, sent: _Sent) -> None:
        """Bring what a stint made to the driver, however often Dask must make it for that."""
        if sent.is_asked:
            return
        sent.is_asked = True
        part = sent.stint.task, sent.stint.part

        async def fetch() -> Outcome:
            outcome: Outcome = await sent.future
            return outcome

        asked = asyncio.run_coroutine_threadsafe(fetch(), self._client.loop.asyncio_loop)
        asked.add_done_callback(lambda answer: self._news.put(Fetched(part, answer)))

    def _lose(self, sent: _Sent, error: BaseException) -> None:
        """Go on without a stint that Dask gave up."""
        stint = sent.stint
        del self._sent[stint.task, stint.part], self._parts[sent.future.key]
        is_its_own = isinstance(error, KilledWorker) and error.task == sent.future.key
        if not is_its_own or not self._shift_of(stint).split(stint):
            self._end(sent, self._losses.of(stint, sent.gone, error))

    def _end(self, sent: _Sent, outcome: Outcome) -> None:
        self._sent.pop((sent.stint.task, sent.stint.part), None)
        self._parts.pop(sent.future.key, None)
        outcome.weight = sent.kept
        with no_collections():  # as above
            sent.answer.set_result(outcome)
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
        for key, shift in self._shifts.items():
            lost: list[Lost] = []
            found[key] = whole(shift.whole.result(), fetch, partial(self._losses.gone, lost))
            if lost:
                self._said.append((key, self._losses.report(shift.task, lost)))
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
        self._sent.clear()
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
