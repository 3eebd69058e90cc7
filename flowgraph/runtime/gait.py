"""How many items a chain takes at once: what one partition has found out, the next begins with.

A flow that knows nothing of its items begins with one of them, and looks at the
clock after each.  Finding out that they are cheap takes a quarter of a
millisecond: much, where a partition has no more to do than that.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

__all__ = ["Gait", "Segment", "gait_of", "keep_gait"]

Segment = tuple[str, int, int]
"""The token of a run, as others have other items; the numbers of a chain and its part."""

_KEPT: Final = 64
"""Segments whose gaits a process remembers."""

_known: OrderedDict[Segment, Gait] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Gait:
    """Sizes that go with the items of a chain."""

    block: int
    """Items that are taken through all stages together."""
    chunks: tuple[int, ...]
    """For each stage, items between two looks at the clock."""


def gait_of(segment: Segment) -> Gait | None:
    """What the last partition that ended in this process had come to."""
    return _known.get(segment)


def keep_gait(segment: Segment, gait: Gait) -> None:
    """Remember what a partition has come to.

    Examples
    --------
    >>> keep_gait(("run", 1, 0), Gait(2048, (512, 256)))
    >>> gait_of(("run", 1, 0)).block
    2048
    >>> gait_of(("another", 1, 0))
    """
    with _lock:
        _known[segment] = gait
        _known.move_to_end(segment)
        while len(_known) > _KEPT:
            _known.popitem(last=False)
