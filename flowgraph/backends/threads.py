"""Threads that stay for the next run, as long as nothing of a run stays in them."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["thread_pool"]

_KEPT: Final = 4
"""Pools that wait for a run."""

_idle: deque[tuple[int, ThreadPoolExecutor]] = deque()
"""The pools that nobody uses, each with its number of threads."""


@contextmanager
def thread_pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """A pool for one run alone, kept for a later one if this one ends well.

    Alone: threads that a failed run leaves behind, or a stage that runs a graph
    itself, must not take the slots of others.  Kept: to start a thread takes as
    long as a hundred small calls.

    Parameters
    ----------
    workers : int
        Its threads.
    """
    pool = _taken(workers)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    _idle.append((workers, pool))
    while len(_idle) > _KEPT:
        _, oldest = _idle.popleft()
        oldest.shutdown(wait=False)


def _taken(workers: int) -> ThreadPoolExecutor:
    """An idle pool of this size; a new one if there is none."""
    for _ in range(len(_idle)):
        try:
            size, pool = _idle.pop()
        except IndexError:  # another thread took it
            break
        if size == workers:
            return pool
        _idle.appendleft((size, pool))
    return ThreadPoolExecutor(workers, thread_name_prefix="flowgraph")


if hasattr(os, "register_at_fork"):  # a child process has none of the threads
    os.register_at_fork(after_in_child=_idle.clear)
