"""What reaches the driver while a cluster runs its tasks."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from flowgraph.runtime.worker import TOPIC

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future as Answer

    from distributed import Client

    from flowgraph.compiler.plan import Key
    from flowgraph.runtime.outcome import Outcome

__all__ = ["Fetched", "News", "listen"]

News = SimpleQueue[Any]
"""Packed bundles of tasks with receipts, stints that came, futures that are done; None wakes up."""

_LINGER: Final = 2.0
"""Seconds without a run until a client listens no more."""


class Fetched(NamedTuple):
    """News: a stint's outcome has come, as it was asked for."""

    key: Key
    outcome: Answer[Outcome]


class _Ear:
    """The one handler of a client for the topic, whatever runs it has under way."""

    def __init__(self) -> None:
        self.runs: dict[str, News] = {}
        self.line: Any = None
        """The client's connection when it subscribed; None when it does not listen."""
        self.idle_since = 0.0
        self.leaves = False
        """True if somebody will look whether it is still idle."""

    def __call__(self, event: tuple[float, Any]) -> None:
        """Give each run what is its own; other drivers' runs report here too."""
        said = event[1]
        news = self.runs.get(said["run"])
        if news is not None:
            news.put((said["bundle"], said["receipt"]))


_lock = threading.Lock()
_ears: WeakKeyDictionary[Client, _Ear] = WeakKeyDictionary()


@contextmanager
def listen(client: Client, run: str) -> Iterator[News]:
    """What the tasks of a run report, as long as the context lasts.

    The client goes on listening for a while: what it tells the scheduler it tells
    at most every 10 ms, so that a subscription would hold up the run behind it.

    Parameters
    ----------
    client : distributed.Client
        Connected to the cluster.
    run : str
        The token of the run.
    """
    news: News = SimpleQueue()
    with _lock:
        ear = _ears.setdefault(client, _Ear())
        if ear.line is None or ear.line is not client.scheduler_comm:
            client.subscribe_topic(TOPIC, ear)
            ear.line = client.scheduler_comm
        ear.runs[run] = news
    try:
        yield news
    finally:
        with _lock:
            del ear.runs[run]
            ear.idle_since = time.monotonic()
            leave = not ear.runs and not ear.leaves
            ear.leaves = ear.leaves or leave
        if leave:
            with suppress(Exception):  # of a client that was closed meanwhile
                client.loop.add_callback(_leave_later, client, ear)


def _leave_later(client: Client, ear: _Ear) -> None:
    client.loop.call_later(_LINGER, _leave, client, ear)


def _leave(client: Client, ear: _Ear) -> None:
    """Listen no more, unless there was a run meanwhile; in the thread of the client's loop."""
    with _lock:
        if ear.runs:
            ear.leaves = False  # the last of them sees to it
        elif time.monotonic() - ear.idle_since < _LINGER:
            _leave_later(client, ear)
        else:
            ear.leaves, ear.line = False, None
            with suppress(Exception):  # a client that was closed meanwhile refuses
                client.unsubscribe_topic(TOPIC)
