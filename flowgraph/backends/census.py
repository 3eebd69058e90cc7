"""How many threads a cluster has: asked for once by runs that follow one another."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["recount", "threads_of"]

_FRESH: Final = 1.0
"""Seconds for which a count is taken for true."""
_YOUNG: Final = 0.5
"""Seconds for which nobody counts anew."""

_lock = threading.Lock()
_counts: WeakKeyDictionary[Client, tuple[float, int]] = WeakKeyDictionary()


def threads_of(client: Client) -> int:
    """The threads of a client's workers now, or a moment ago.

    To ask the scheduler takes two milliseconds, a fifth of a short run: so a run asks
    when it ends, for the next one, if that follows soon.
    """
    with _lock:
        counted, threads = _counts.get(client, (-_FRESH, 0))
    if time.monotonic() - counted > _FRESH or not threads:
        threads = sum(client.nthreads().values())
        _note(client, threads)
    return threads


def recount(client: Client) -> None:
    """Ask how many threads there are, and wait for no answer."""
    with _lock:
        counted, _ = _counts.get(client, (-_FRESH, 0))
    if time.monotonic() - counted > _YOUNG:
        with suppress(Exception):  # of a client that was closed meanwhile
            client.loop.add_callback(_ask, client)


async def _ask(client: Client) -> None:
    with suppress(Exception):  # what hinders the answer will be told by the next run
        found = await client.scheduler.ncores()
        _note(client, sum(found.values()))


def _note(client: Client, threads: int) -> None:
    with _lock:
        _counts[client] = time.monotonic(), threads
