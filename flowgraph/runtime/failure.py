"""Failure as a value: what went wrong, in a form that always travels.

In the process where an exception was raised a `Failure` holds the exception
itself.  Pickling takes it apart into plain data that needs neither the
exception's class nor its constructor to arrive: what cannot be rebuilt on the
other side comes back as a `flowgraph.errors.RemoteError`.
"""

from __future__ import annotations

import pickle
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flowgraph.errors import RemoteError, StageError
from flowgraph.runtime import pickling

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from flowgraph.runtime.positions import Index

__all__ = ["Failure", "Skip", "use_frames"]

Frame = tuple[str, str, int]
"""One level of a traceback: file name, function name, line number."""

_make_traceback: Callable[[list[Frame]], TracebackType | None] = lambda frames: None  # noqa: E731


def use_frames(make_traceback: Callable[[list[Frame]], TracebackType | None]) -> None:
    """Set what rebuilds a traceback from its frames; the driver has a library for it."""
    global _make_traceback  # noqa: PLW0603  one hook, set once by the driver
    _make_traceback = make_traceback


@dataclass(frozen=True, slots=True)
class Skip:
    """Stands for the value of a step that was not run."""

    because: str
    """The node whose failure caused it."""
    length: int = 1
    """Items the step would have had, as far as is known."""


class Failure:
    """The final failure of one call."""

    __slots__ = ("attempts", "errors", "index", "node", "stage", "worker")

    def __init__(
        self,
        stage: str,
        node: str,
        index: Index | None,
        attempts: int,
        worker: str,
        errors: tuple[BaseException, ...],
    ) -> None:
        self.stage = stage
        self.node = node
        self.index = index
        self.attempts = attempts
        self.worker = worker
        self.errors = errors

    def to_error(self) -> StageError:
        """The exception that users see, with the original as its ``__cause__``."""
        error = StageError(self.stage, self.index, self.attempts, self.worker, self.errors)
        place = f", node '{self.node}'" if self.node != self.stage else ""
        item = "" if self.index is None else f", item {self.index}"
        if error.__cause__ is not None:
            note = f"stage '{self.stage}'{place}{item}, attempt {self.attempts}, on {self.worker}"
            if note not in getattr(error.__cause__, "__notes__", ()):
                error.__cause__.add_note(note)
        return error

    def __reduce__(self) -> tuple[Any, ...]:
        errors = tuple(_take_apart(error, set()) for error in self.errors)
        return _rebuild, (self.stage, self.node, self.index, self.attempts, self.worker, errors)

    def __repr__(self) -> str:
        return f"Failure({self.stage!r}, {self.index}, {self.errors[-1:]})"


def _rebuild(
    stage: str, node: str, index: Index | None, attempts: int, worker: str, errors: tuple[Any, ...]
) -> Failure:
    return Failure(stage, node, index, attempts, worker, tuple(map(_put_together, errors)))


def _take_apart(error: BaseException, seen: set[int]) -> tuple[Any, ...]:
    """Plain data for an exception, with what it was raised from."""
    seen.add(id(error))
    kind = type(error)
    frames = [
        (frame.filename, frame.name, frame.lineno or 0)
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    text = "".join(traceback.format_exception(error))
    links = tuple(
        None if link is None or id(link) in seen else _take_apart(link, seen)
        for link in (error.__cause__, error.__context__)
    )
    name = f"{kind.__module__}.{kind.__qualname__}"
    return _dump(error), name, _text(error), text, frames, links, error.__suppress_context__


def _dump(error: BaseException) -> bytes | None:
    """The exception as bytes, None if it would not come back as it is."""
    try:
        data = pickling.dumps(error)
        return data if type(pickle.loads(data)) is type(error) else None
    except Exception:
        return None


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as failed:
        return f"<str() of it raised {type(failed).__name__}>"


def _put_together(parts: tuple[Any, ...]) -> BaseException:
    data, name, text, traceback_text, frames, links, suppress = parts
    error: BaseException | None = None
    if data is not None:
        try:
            error = pickle.loads(data)
        except Exception:
            error = None
    if not isinstance(error, BaseException):
        error = RemoteError(name, text, traceback_text)
    cause, context = (None if link is None else _put_together(link) for link in links)
    error.__cause__, error.__context__ = cause, context
    error.__suppress_context__ = suppress
    return error.with_traceback(_make_traceback(frames))
