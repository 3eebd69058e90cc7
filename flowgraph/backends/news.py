"""What reaches the driver while a cluster runs its tasks."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from flowgraph.runtime.worker import TOPIC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future as Answer

    from distributed import Client

    from flowgraph.compiler.plan import Key
    from flowgraph.runtime.outcome import Outcome

__all__ = ["Fetched", "News", "listen"]

News = SimpleQueue[Any]
"""Packed bundles of tasks with receipts, stints that came, futures that are done; None wakes up."""


class Fetched(NamedTuple):
    """News: a stint's outcome has come, as it was asked for."""

    key: Key
    outcome: Answer[Outcome]


_lock = threading.Lock()
_listening: WeakKeyDictionary[Client, dict[str, News]] = WeakKeyDictionary()


@contextmanager
def listen(client: Client, run: str) -> Iterator[News]:
    """What the tasks of a run report, as long as the context lasts.

    Parameters
    ----------
    client : distributed.Client
        It has one handler for the topic, whatever runs it has under way.
    run : str
        The token of the run.
    """
    news: News = SimpleQueue()
    with _lock:
        runs = _listening.setdefault(client, {})
        if not runs:
            client.subscribe_topic(TOPIC, _sorter(runs))
        runs[run] = news
    try:
        yield news
    finally:
        with _lock:
            del runs[run]
            if not runs:
                with suppress(Exception):  # a client that was closed meanwhile refuses
                    client.unsubscribe_topic(TOPIC)


def _sorter(runs: dict[str, News]) -> Callable[[tuple[float, Any]], None]:
    """A handler that gives each run what is its own; other drivers' runs report here too."""

    def sort(event: tuple[float, Any]) -> None:
        said = event[1]
        news = runs.get(said["run"])
        if news is not None:
            news.put((said["bundle"], said["receipt"]))

    return sort
