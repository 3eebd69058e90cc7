"""No garbage collections while very many objects are made that all stay.

A compiler makes hundreds of thousands of small objects and throws next to none
of them away, and so does whoever unpickles a table of a million groups.  Python's
collector would look at them again and again, and at all of the user's data
beside them: the time of each would grow with their number.  When they are made,
they are old to it at once: else its next look at what is new would be at them all.
"""

from __future__ import annotations

import gc
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["no_collections"]

_MANY: Final = 10_000
"""New objects, from which on a look at them all takes a millisecond."""

_counting = threading.Lock()
_users = 0
_was_on = False


@contextmanager
def no_collections() -> Iterator[None]:
    """Hold the collector for a while; nested and in several threads at once, too."""
    global _users, _was_on  # noqa: PLW0603  the collector is the process's
    with _counting:
        if _users == 0:
            _was_on = gc.isenabled()
            gc.disable()
        _users += 1
    try:
        yield
    finally:
        with _counting:
            _users -= 1
            if _users == 0 and _was_on:
                _grow_old()
                gc.enable()


def _grow_old() -> None:
    """Put all objects there are into the oldest generation, if many are new."""
    if gc.get_count()[0] < _MANY:
        return
    if not gc.get_freeze_count():  # else somebody has frozen his own, and wants them so
        gc.freeze()
        gc.unfreeze()


def _in_a_fork() -> None:
    """A child process has none of the threads that hold the collector."""
    global _counting, _users  # noqa: PLW0603  the collector is the process's
    _counting = threading.Lock()
    if _users and _was_on:
        gc.enable()
    _users = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_a_fork)
