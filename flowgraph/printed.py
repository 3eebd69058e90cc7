"""What a run's value looks like on standard output."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from flowgraph.errors import FlowgraphError, SkippedError, StageError

if TYPE_CHECKING:
    from flowgraph.results.run import Run

__all__ = ["as_json", "as_text"]


def as_text(run: Run) -> str:
    """The value as Python writes it; of several targets, an error in the place of a failed one.

    Raises
    ------
    StageError, SkippedError
        If there is no value at all.
    FlowgraphError
        If the value cannot be shown.
    """
    value = _value(run)
    if isinstance(value, (StageError, SkippedError)):
        raise value
    try:
        return repr(value)
    except Exception as error:
        raise FlowgraphError.no_repr(error) from error


def as_json(run: Run) -> str:
    """The value as JSON; what failed is ``{"error": "…"}`` there.

    Raises
    ------
    FlowgraphError
        If the value is no JSON.
    """
    try:
        return json.dumps(_value(run), allow_nan=False, default=_error_as_json)
    except (TypeError, ValueError, RecursionError) as error:
        raise FlowgraphError.not_json(error) from error


def _value(run: Run) -> Any:
    """As ``run.value``, with the error of a target in its place."""
    values = tuple(_value_or_error(run, name) for name in run.targets)
    return values[0] if len(values) == 1 else values


def _value_or_error(run: Run, name: str) -> Any:
    try:
        return run[name]
    except (StageError, SkippedError) as error:
        return error


def _error_as_json(thing: Any) -> dict[str, str]:
    if isinstance(thing, (StageError, SkippedError)):
        return {"error": str(thing)}
    raise TypeError(f"Object of type {type(thing).__name__} is not JSON serializable")
