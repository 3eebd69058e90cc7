"""The stints of a run that are under way on a cluster."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future as Answer
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distributed.client import ClosedClientError

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
    from flowgraph.runtime.region import Stint

__all__ = ["Sent", "Underway"]


@dataclass(slots=True)
class Sent:
    """A stint under way."""

    stint: Stint
    future: Future
    answer: Answer[Outcome]
    kept: int = 0
    """Bytes of what it made that are on its worker."""
    is_asked: bool = False
    """True if its outcome is on its way to the driver."""
    given_back: frozenset[int] = frozenset()
    """Places of the calls that it has given back."""


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

    def launch(self, stint: Stint, known: Known) -> Answer[Outcome]:
        """Start a stint.

        Raises
        ------
        SchedulerError
            If the client was closed.
        """
        read, futures = borrowing(known)
        try:
            with no_collections():  # there may be thousands of calls in it
                future = self._flight.launch(stint, Outcome(read), futures)
        except ClosedClientError as error:
            raise SchedulerError.went_away(self._address) from error
        self._sent[future.key] = sent = Sent(stint, future, Answer())
        future.add_done_callback(self._news.put)
        return sent.answer

    def get(self, key: Key) -> Sent | None:
        """The stint with this name, if it is under way.

        Raises
        ------
        SchedulerError
            If the scheduler dropped it.
        """
        sent = self._sent.get(key)
        if sent is not None and sent.future.cancelled():
            raise SchedulerError.went_away(self._address)
        return sent

    def fetch(self, sent: Sent) -> None:
        """Bring what a stint made to the driver, however often Dask must make it for that."""
        if sent.is_asked:
            return
        sent.is_asked = True
        key = sent.future.key

        async def fetch() -> Outcome:
            outcome: Outcome = await sent.future
            return outcome

        asked = asyncio.run_coroutine_threadsafe(fetch(), self._client.loop.asyncio_loop)
        asked.add_done_callback(lambda answer: self._news.put(Fetched(key, answer)))

    def forget(self, sent: Sent) -> None:
        """A stint has ended."""
        del self._sent[sent.future.key]

    def clear(self) -> None:
        """Nobody wants any of them any more."""
        self._sent.clear()

    def futures(self) -> list[Future]:
        """Those of all stints."""
        return [sent.future for sent in self._sent.values()]
