"""The stints of a run that are under way on a cluster."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future as Answer
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from distributed.client import ClosedClientError

from flowgraph.backends.flight import Launched
from flowgraph.backends.held import borrowing
from flowgraph.backends.news import Fetched
from flowgraph.errors import SchedulerError
from flowgraph.runtime.calm import no_collections
from flowgraph.runtime.outcome import Outcome

if TYPE_CHECKING:
    from distributed import Client, Future

    from flowgraph.backends.flight import Flight
    from flowgraph.backends.news import News
    from flowgraph.compiler.plan import Key
    from flowgraph.runtime.handover import Known
    from flowgraph.runtime.stint import Stint

__all__ = ["Sent", "Underway"]


@dataclass(slots=True)
class Sent:
    """A stint under way."""

    stint: Stint
    key: Key
    answer: Answer[Outcome] = field(default_factory=Answer)
    started: Future | None = None
    """Its Dask task, once it is started."""
    kept: int = 0
    """Bytes of what it made that are on its worker."""
    is_asked: bool = False
    """True if its outcome is on its way to the driver."""
    given_back: frozenset[int] = frozenset()
    """Places of the calls that it has given back."""

    @property
    def future(self) -> Future:
        """Its Dask task; it is started."""
        assert self.started is not None
        return self.started


class Underway:
    """Starts stints, and knows them until they end.

    Parameters
    ----------
    client : distributed.Client
        Connected to the cluster.
    flight : Flight
        Makes their Dask tasks.
    news : News
        Gets what becomes of them.
    """

    def __init__(self, client: Client, flight: Flight, news: News) -> None:
        self._client = client
        self._address = client.scheduler.address
        self._flight = flight
        self._news = news
        self._sent: dict[Key, Sent] = {}
        self._launched: list[Launched] = []

    def launch(self, stint: Stint, known: Known) -> Answer[Outcome]:
        """Have a stint started with the next `send`."""
        read, futures = borrowing(known)
        key = self._flight.stint_key(stint.task, stint.part)
        self._sent[key] = sent = Sent(stint, key)
        self._launched.append(Launched(stint, Outcome(read), futures))
        return sent.answer

    def send(self) -> None:
        """Start what was launched.

        All at once: a client tells its scheduler something at most every 10 ms, so that
        the second of two stints would begin so much later than the first.

        Raises
        ------
        SchedulerError
            If the client was closed.
        """
        launched, self._launched = self._launched, []
        if not launched:
            return
        try:
            with no_collections():  # there may be thousands of calls in them
                futures = self._flight.launch(launched)
        except ClosedClientError as error:
            raise SchedulerError.went_away(self._address) from error
        for future in futures:
            self._sent[future.key].started = future
            future.add_done_callback(self._news.put)

    def get(self, key: Key) -> Sent | None:
        """The stint with this name, if it is under way.

        Raises
        ------
        SchedulerError
            If the scheduler dropped it.
        """
        sent = self._sent.get(key)
        if sent is not None and sent.started is not None and sent.started.cancelled():
            raise SchedulerError.went_away(self._address)
        return sent

    def fetch(self, sent: Sent) -> None:
        """Bring what a stint made to the driver, however often Dask must make it for that."""
        if sent.is_asked:
            return
        sent.is_asked = True
        key = sent.key

        async def fetch() -> Outcome:
            outcome: Outcome = await sent.future
            return outcome

        asked = asyncio.run_coroutine_threadsafe(fetch(), self._client.loop.asyncio_loop)
        asked.add_done_callback(lambda answer: self._news.put(Fetched(key, answer)))

    def forget(self, sent: Sent) -> None:
        """A stint has ended."""
        del self._sent[sent.key]

    def clear(self) -> None:
        """Nobody wants any of them any more."""
        self._sent.clear()
        self._launched.clear()

    def futures(self) -> list[Future]:
        """Those of all stints."""
        return [sent.started for sent in self._sent.values() if sent.started is not None]
