"""When a failed attempt is tried again, and after how long: policy as data, pure arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf
from sys import float_info
from threading import TIMEOUT_MAX

from flowgraph.errors import GraphError

__all__ = ["Retry"]

On = type[BaseException] | tuple[type[BaseException], ...] | Callable[[BaseException], bool]


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failed call is tried again, after which waits, and on which errors.

    Parameters
    ----------
    retries : int
        Attempts after the first, at least 0.
    wait : float
        Seconds before the first retry.
    backoff : float
        Factor from each wait to the next.
    max_wait : float
        Longest wait in seconds, before jitter.
    jitter : bool
        Add up to a quarter of each wait at random, so that many failing
        calls do not come back at the same moment.  Jitter never shortens.
    delays : sequence of float, optional
        The waits outright and exactly, in seconds; the last one repeats.
        ``wait``, ``backoff``, ``max_wait`` and ``jitter`` then have no say.
    on : exception class, tuple of them, or callable
        Which errors are worth another attempt; a callable gets the error and
        answers.

    Raises
    ------
    GraphError
        If a number is out of its range.

    References
    ----------
    Exponential back-off with added jitter follows M. Brooker, "Exponential
    Backoff And Jitter", AWS Architecture Blog, 2015.

    Examples
    --------
    >>> policy = Retry(4, wait=0.5, max_wait=3)
    >>> [policy.delay(k, random=lambda: 0.0) for k in range(4)]
    [0.5, 1.0, 2.0, 3.0]
    >>> [Retry(3, delays=[0.1, 0.5]).delay(k) for k in range(3)]
    [0.1, 0.5, 0.5]
    """

    retries: int = 3
    wait: float = 0.1
    backoff: float = 2.0
    max_wait: float = 30.0
    jitter: bool = True
    delays: Sequence[float] | None = None
    on: On = Exception

    def __post_init__(self) -> None:
        if isinstance(self.retries, bool) or not isinstance(self.retries, int) or self.retries < 0:
            raise GraphError.bad_option("retry", self.retries, "an int of at least 0 or a Retry")
        for option, least in (("wait", 0), ("backoff", 0), ("max_wait", 0)):
            endless = option == "max_wait" and self.max_wait == inf
            if not endless and not _is_number(getattr(self, option), least):
                wanted = f"a number of at least {least}"
                raise GraphError.bad_option(f"Retry {option}", getattr(self, option), wanted)
        if self.delays is not None:
            delays = tuple(self.delays) if isinstance(self.delays, Iterable) else ()
            if not delays or not all(_is_number(delay, 0) for delay in delays):
                wanted = "a list of seconds, each at least 0"
                raise GraphError.bad_option("Retry delays", self.delays, wanted)
            object.__setattr__(self, "delays", delays)
        if not _is_condition(self.on):
            wanted = "an exception class, a tuple of them, or a function of the error"
            raise GraphError.bad_option("Retry on", self.on, wanted)

    def wants(self, error: BaseException) -> bool:
        """True if ``error`` is worth another attempt, whatever their number.

        Raises
        ------
        Exception
            Whatever a predicate given as ``on`` raises.
        """
        if isinstance(self.on, (type, tuple)):
            return isinstance(error, self.on)
        return bool(self.on(error))

    def delay(self, retry: int, random: Callable[[], float] | None = None) -> float:
        """Seconds to wait before a retry.

        Parameters
        ----------
        retry : int
            Which retry, from 0.
        random : callable, optional
            Gives a number from 0 to 1 for the jitter; default `random.random`.
        """
        if self.delays is not None:
            return min(self.delays[min(retry, len(self.delays) - 1)], TIMEOUT_MAX)
        try:
            wait = min(self.wait * float(self.backoff) ** retry, self.max_wait)
        except OverflowError:
            wait = self.max_wait if self.wait else 0.0
        if self.jitter:
            wait *= 1 + (random or _random)() / 4
        return min(wait, TIMEOUT_MAX)  # no thread can wait longer


def _random() -> float:
    from random import random  # only a failing stage pays for the import

    return random()


def _is_number(value: object, least: float) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return least <= value <= float_info.max  # neither nan nor inf, nor an int beyond a float


def _is_condition(on: object) -> bool:
    if isinstance(on, type):
        return issubclass(on, BaseException)
    if isinstance(on, tuple):
        return all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in on)
    return callable(on)
