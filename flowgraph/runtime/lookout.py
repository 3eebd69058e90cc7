"""Ends loops over quick items that have turned slow.

A stage is called on a chunk of items without a look at the clock between them:
where a call takes a tenth of a microsecond that would cost half as much again.
If a later item is slow, the chunk may last for seconds, in which nobody sees that
the run is over.  So a thread of the process looks at the clock for all of them,
fifty times a second.  It puts the iterator of a chunk that lasts too long to its
end, as if there were no items left: the loop ends with the call that it is at,
and costs nothing meanwhile.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Lookout", "Stretch", "lookout"]

_TICK: Final = 0.02
"""Seconds between looks, and that a chunk may last."""
_PATIENCE: Final = 1.0
"""Seconds without any chunk, after which nobody looks."""


class Looked(Protocol):
    """What the lookout looks at."""

    def look(self, now: float, /) -> None:
        """End it if it lasts too long; called in another thread."""
        ...


class Stretch:
    """A place where one chunk after the other is worked on."""

    __slots__ = ("_ended", "_items", "_since", "ended_at")

    def __init__(self) -> None:
        self.ended_at = 0.0
        """When a chunk was ended last: the call that was made then was its last one."""
        self._items: Iterator[Any] | None = None
        self._since = 0.0
        self._ended: Iterator[Any] | None = None

    def begin(self, items: Iterator[Any], since: float) -> None:
        """Go on with these items.

        Parameters
        ----------
        items : iterator
            Of a list, a tuple or a range, whose state can be set.
        since : float
            What time it is, by `time.perf_counter`.
        """
        self._since = since
        self._items = items

    def stop(self) -> bool:
        """Stop; True if the chunk was ended before its last item."""
        items, self._items = self._items, None
        return items is not None and self._ended is items

    def look(self, now: float) -> None:
        """End the chunk if it lasts too long; to be called in another thread."""
        items = self._items
        if items is not None and now - self._since >= _TICK and self._ended is not items:
            self.ended_at = now
            self._ended = items  # first: it may be asked for as soon as the loop has ended
            # An index behind all items; an iterator that is at its end keeps none.
            items.__setstate__(1 << 62)  # type: ignore[attr-defined]


class Lookout:
    """Looks at all stretches of this process, as long as there are any."""

    def __init__(self) -> None:
        self._stretches: set[Looked] = set()
        self._asleep = True
        self._started = False
        self._lock = threading.Lock()
        self._awake = threading.Event()

    def watch(self, stretch: Looked) -> None:
        """Look at a stretch, or at something like it, from now on."""
        self._stretches.add(stretch)
        if self._asleep:
            self._wake()

    def leave(self, stretch: Looked) -> None:
        """Look at it no more."""
        self._stretches.discard(stretch)

    def look(self, now: float) -> None:
        """End what lasts too long."""
        for stretch in self._stretches.copy():
            stretch.look(now)

    def _wake(self) -> None:
        with self._lock:
            self._asleep = False
            self._awake.set()
            if not self._started:
                self._started = True
                threading.Thread(
                    target=self._keep_looking, name="flowgraph-lookout", daemon=True
                ).start()

    def _keep_looking(self) -> None:
        while True:
            self._awake.wait()
            busy = time.perf_counter()
            while (now := time.perf_counter()) - busy < _PATIENCE:
                if self._stretches:
                    busy = now
                    self.look(now)
                time.sleep(_TICK)
            with self._lock:
                self._awake.clear()
                self._asleep = True
            if self._stretches:  # somebody came meanwhile, and found it awake
                self._wake()


lookout = Lookout()
"""The one of this process."""


def _in_a_fork() -> None:
    """A child process has neither the thread nor what it looked at."""
    lookout.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_a_fork)
