"""A call of pure Python that takes as long as one wishes: by its work, not by a clock."""

from __future__ import annotations

import time
from functools import cache

__all__ = ["spin", "turns_for"]


def spin(turns: int) -> int:
    """Count, and give back how far."""
    count = 0
    for _ in range(turns):
        count += 1
    return count


@cache
def _turns_a_second() -> float:
    rates = []
    for _ in range(5):
        begun = time.perf_counter()
        spin(200_000)
        rates.append(200_000 / (time.perf_counter() - begun))
    return max(rates)


def turns_for(seconds: float) -> int:
    """How far to count for a call of so many seconds on this machine when it is quiet."""
    return max(1, round(seconds * _turns_a_second()))
