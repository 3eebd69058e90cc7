"""The options of a stage, and what they may be."""

from __future__ import annotations

from threading import TIMEOUT_MAX
from typing import TypedDict

from flowgraph.errors import GraphError
from flowgraph.runtime.retry import Retry

__all__ = ["StageOptions", "checked_flag", "checked_name", "checked_retry", "checked_timeout"]


class StageOptions(TypedDict, total=False):
    """Options of a stage, all optional."""

    name: str | None
    """Shown in pictures, timings, errors and Dask keys; default the function's name."""
    retry: int | Retry | None
    """Attempts after the first, or when and how to make them."""
    timeout: float | None
    """Seconds for each attempt."""
    sequential: bool
    """One item at a time, in item order."""


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


def checked_timeout(timeout: float | None) -> float | None:
    """Seconds; None for no limit.

    Raises
    ------
    GraphError
        If they are not above 0, or more than a thread can wait.
    """
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise GraphError.bad_option("timeout", timeout, "a number of seconds above 0")
    if timeout > TIMEOUT_MAX:
        wanted = f"at most {TIMEOUT_MAX:.0f} seconds, or None for no limit"
        raise GraphError.bad_option("timeout", timeout, wanted)
    return float(timeout)


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
