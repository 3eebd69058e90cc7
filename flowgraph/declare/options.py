"""The options of a stage, and what they may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from threading import TIMEOUT_MAX
from typing import Any, TypedDict

from flowgraph.errors import GraphError
from flowgraph.runtime.retry import Retry

__all__ = [
    "StageOptions",
    "checked_count",
    "checked_flag",
    "checked_name",
    "checked_rate",
    "checked_retry",
    "checked_seconds",
    "placement",
]


class StageOptions(TypedDict, total=False):
    """Options of a stage, all optional."""

    name: str | None
    """Shown in pictures, timings, errors and Dask keys; default the function's name."""
    retry: int | Retry | None
    """Attempts after the first, or when and how to make them."""
    timeout: float | None
    """Seconds for each attempt."""
    deadline: float | None
    """Seconds for an item over all its attempts and waits."""
    max_concurrency: int | None
    """Attempts at once, over the whole run."""
    rate: float | None
    """Attempts started per second, over the whole run."""
    batch_size: int | None
    """Items per Dask task."""
    pause: float | None
    """Seconds between one batch of items and the next."""
    sequential: bool
    """One item at a time, in item order."""
    priority: int | None
    """Dask's annotation: larger first."""
    resources: Mapping[str, float] | None
    """Dask's annotation: what a worker must have."""
    workers: str | Sequence[str] | None
    """Dask's annotation: where it may run."""


def checked_name(name: str | None, default: str) -> str:
    """The name, or the default.

    Raises
    ------
    GraphError
        If it is empty, or not text.
    """
    if name is None:
        return default
    if not isinstance(name, str) or not name:
        raise GraphError.bad_option("name", name, "a text that is not empty")
    return name


def checked_retry(retry: int | Retry | None) -> Retry | None:
    """The policy; None if there is no retry.

    Raises
    ------
    GraphError
        If it is neither a number of retries nor a policy.

    Examples
    --------
    >>> checked_retry(2).retries
    2
    """
    if retry is None or isinstance(retry, Retry):
        return retry
    made = Retry(retry)
    return made if made.retries else None


def checked_seconds(option: str, value: float | None, *, zero: bool = False) -> float | None:
    """Seconds; None for no limit.

    Parameters
    ----------
    option : str
        Its name, for the error.
    value : float or None
        What was given.
    zero : bool
        True if 0 is possible.

    Raises
    ------
    GraphError
        If they are out of range, or more than a thread can wait.
    """
    if value is None:
        return None
    wanted = f"a number of seconds {'of at least' if zero else 'above'} 0"
    if not is_number(value) or not (value > 0 or (zero and value == 0)):
        raise GraphError.bad_option(option, value, wanted)
    if value > TIMEOUT_MAX:
        wanted = f"at most {TIMEOUT_MAX:.0f} seconds, or None for no limit"
        raise GraphError.bad_option(option, value, wanted)
    return float(value)


def checked_count(option: str, value: int | None) -> int | None:
    """A number of at least 1; None for no limit.

    Raises
    ------
    GraphError
        If it is something else.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise GraphError.bad_option(option, value, "an int of at least 1")
    return value


def checked_rate(value: float | None) -> float | None:
    """Attempts per second; None for no limit.

    Raises
    ------
    GraphError
        If it is not a number above 0.
    """
    if value is None:
        return None
    if not is_number(value) or not 0 < value < inf:
        raise GraphError.bad_option("rate", value, "a number of attempts per second above 0")
    return float(value)


def placement(options: StageOptions) -> dict[str, Any]:
    """What Dask's scheduler is told of each task of the stage.

    Raises
    ------
    GraphError
        If an annotation is not of the kind that Dask takes.
    """
    said: dict[str, Any] = {}
    priority, resources = options.get("priority"), options.get("resources")
    workers = options.get("workers")
    if priority is not None:
        if not is_number(priority):
            raise GraphError.bad_option("priority", priority, "a number; larger is first")
        said["priority"] = priority
    if resources is not None:
        if not isinstance(resources, Mapping) or not all(
            is_name(name) and is_number(amount) and 0 < amount < inf
            for name, amount in resources.items()
        ):
            wanted = 'a dict of names and numbers above 0, such as {"GPU": 1}'
            raise GraphError.bad_option("resources", resources, wanted)
        said["resources"] = dict(resources)
    if workers is not None:
        listed = list(workers) if isinstance(workers, (list, tuple, set)) else [workers]
        if not listed or not all(map(is_name, listed)):
            wanted = "the name or address of a worker, or a list of them"
            raise GraphError.bad_option("workers", workers, wanted)
        said["workers"] = listed
    return said


def is_name(value: object) -> bool:
    """True for a text that is not empty."""
    return isinstance(value, str) and value != ""


def is_number(value: object) -> bool:
    """True for an int or float that is no truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def checked_flag(option: str, value: object) -> bool:
    """True or False.

    Raises
    ------
    GraphError
        If it is something else, such as the text "no".
    """
    if not isinstance(value, bool):
        raise GraphError.bad_option(option, value, "True or False")
    return value
