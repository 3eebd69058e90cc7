"""What a run on a cluster leaves: its values are let go with the next run, or a moment later.

A client tells its scheduler something at most every 10 ms.  To let go of the values
right at the end would hold up the graph of a run that follows at once.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from distributed import Client, Future

__all__ = ["leave", "let_go"]

_MOMENT: Final = 0.03
"""Seconds until the values are let go, if no run follows."""

_lock = threading.Lock()
_left: WeakKeyDictionary[Client, list[Future]] = WeakKeyDictionary()


def leave(client: Client, futures: Iterable[Future]) -> None:
    """Hold the futures of a run that ended for a moment."""
    with _lock:
        _left.setdefault(client, []).extend(futures)
    with suppress(Exception):  # of a client that was closed meanwhile
        client.loop.add_callback(client.loop.call_later, _MOMENT, let_go, client)


def let_go(client: Client) -> None:
    """Let go of what earlier runs have left."""
    with _lock:
        left = _left.pop(client, [])
    left.clear()
