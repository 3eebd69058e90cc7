"""Failure as a value: what went wrong, in a form that always travels.

In the process where an exception was raised a `Failure` holds the exception
itself.  Pickling takes it apart into plain data that needs neither the
exception's class nor its constructor to arrive: what cannot be rebuilt on the
other side comes back as a `flowgraph.errors.RemoteError`.
"""

from __future__ import annotations

import pickle
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flowgraph.errors import RemoteError, StageError
from flowgraph.errors.wording import notes_of, safe_repr, safe_str, said
from flowgraph.runtime import pickling
from flowgraph.runtime.frames import Frame, frames_of, printed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from flowgraph.runtime.positions import Index

__all__ = ["Failure", "Skip", "annotate", "text_of", "twin", "use_frames"]

_LINKS: Final = ("__cause__", "__context__", "__suppress_context__")
"""In this order: to set a cause is to suppress the context."""

_make_traceback: Callable[[list[Frame]], TracebackType | None] = lambda frames: None  # noqa: E731


def use_frames(make_traceback: Callable[[list[Frame]], TracebackType | None]) -> None:
    """Set what rebuilds a traceback from its frames; the driver has a library for it."""
    global _make_traceback  # noqa: PLW0603  one hook, set once by the driver
    _make_traceback = make_traceback


def annotate(error: BaseException, note: str) -> None:
    """Add a note to an error, if its class lets anybody: a frozen dataclass does not."""
    try:
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
    except Exception:
        return


@dataclass(frozen=True, slots=True)
class Skip:
    """Stands for the value of a step that was not run."""

    because: str | None
    """The node that failed, or whose condition was false; None if the run ended before."""
    length: int = 1
    """Items the step would have had, as far as is known."""
    failed: bool = True
    """False if nothing failed: a condition was false."""

    @classmethod
    def after(cls, missing: Failure | Skip, length: int = 1) -> Skip:
        """Why what needs a missing value is skipped."""
        if isinstance(missing, Failure):
            return cls(missing.node, length)
        return cls(missing.because, length, missing.failed)

    @classmethod
    def for_first(cls, missing: Iterable[Failure | Skip]) -> Skip | None:
        """Why what needs several values is skipped: the first failure, or the first of all."""
        first: Skip | None = None
        for each in missing:
            skip = cls.after(each)
            if skip.failed:
                return skip
            first = first or skip
        return first


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
        about = (self.stage, self.index, self.attempts, self.worker, self.errors, self.node)
        error = StageError(*about)
        place = f", node '{self.node}'" if self.node != self.stage else ""
        item = "" if self.index is None else f", item {self.index}"
        if error.__cause__ is not None:
            note = f"stage '{self.stage}'{place}{item}, attempt {self.attempts}, on {self.worker}"
            annotate(error.__cause__, note)
        return error

    def __reduce__(self) -> tuple[Any, ...]:
        errors = tuple(_take_apart(error, set()) for error in self.errors)
        return _rebuild, (self.stage, self.node, self.index, self.attempts, self.worker, errors)

    def __repr__(self) -> str:
        return f"Failure({self.stage!r}, {self.index}, {safe_repr(self.errors[-1:])})"


def twin(error: BaseException) -> BaseException:
    """A copy of an exception, for another failure to add its notes to; itself if it has none."""
    try:
        copied = copy(error)
    except Exception:
        return error
    if type(copied) is not type(error):
        return error
    # Of its own: as Dask's cluster has exceptions copied, the copy shares them.
    attributes = dict(vars(copied))
    if notes := notes_of(error):
        attributes["__notes__"] = list(notes)
    links = {name: getattr(error, name) for name in _LINKS}
    return _with(copied, {"__dict__": attributes, **links}).with_traceback(error.__traceback__)


def _with(error: BaseException, attributes: dict[str, Any]) -> BaseException:
    """The error with these attributes, also if its class is a frozen dataclass."""
    for attribute, value in attributes.items():
        object.__setattr__(error, attribute, value)
    return error


def _rebuild(
    stage: str, node: str, index: Index | None, attempts: int, worker: str, errors: tuple[Any, ...]
) -> Failure:
    return Failure(stage, node, index, attempts, worker, tuple(map(_put_together, errors)))


def text_of(error: BaseException) -> tuple[str, str, str]:
    """Class, text and traceback of an exception, whether it is the original or a stand-in."""
    if isinstance(error, RemoteError):
        return error.type_name, error.text, error.traceback_text
    kind = type(error)
    return f"{kind.__module__}.{kind.__qualname__}", safe_str(error), printed(error)


def _take_apart(error: BaseException, seen: set[int]) -> tuple[Any, ...]:
    """Plain data for an exception, with what it was raised from."""
    seen.add(id(error))
    kind = type(error)
    frames, text = frames_of(error), printed(error)
    links = tuple(
        None if link is None or id(link) in seen else _take_apart(link, seen)
        for link in (error.__cause__, error.__context__)
    )
    name = f"{kind.__module__}.{kind.__qualname__}"
    data, reason = _dump(error)
    about = (name, safe_str(error), text, reason, notes_of(error))
    return data, about, frames, links, error.__suppress_context__


def _dump(error: BaseException) -> tuple[bytes | None, str]:
    """The exception as bytes; None and the reason if it would not come back as it is."""
    links = {name: getattr(error, name) for name in _LINKS}
    # They travel by themselves; a cluster's tblib would add them, picklable or not.
    _with(error, {**dict.fromkeys(_LINKS), "__suppress_context__": error.__suppress_context__})
    try:
        with _alone(error):
            data = pickling.dumps(error)
    except Exception as failed:
        return None, f"pickling it raised {said(failed)}"
    finally:
        _with(error, links)
    try:
        made = type(pickle.loads(data))
    except Exception as failed:
        return None, _not_unpickled(failed)
    if made is not type(error):
        return None, f"unpickling it gives an object of type {made.__name__}"
    return data, ""


@contextmanager
def _alone(error: BaseException) -> Iterator[None]:
    """The error without its traceback and what it was raised from, which go beside it.

    Where tblib is loaded, as on Dask's workers, they would go a second time,
    and a traceback frame by frame: a RecursionError's is too deep to be pickled.
    """
    links = {name: getattr(error, name) for name in _LINKS}
    frames = error.__traceback__
    try:
        _with(error, {"__cause__": None, "__context__": None}).with_traceback(None)
        yield
    finally:
        _with(error, links).with_traceback(frames)


def _not_unpickled(failed: Exception) -> str:
    return f"unpickling it raised {said(failed)}; its class may need a __reduce__"


def _put_together(parts: tuple[Any, ...]) -> BaseException:
    data, (name, text, traceback_text, reason, notes), frames, links, suppress = parts
    error: BaseException | None = None
    if data is not None:
        try:
            error = pickle.loads(data)
        except Exception as failed:
            reason = _not_unpickled(failed)
    if not isinstance(error, BaseException):
        error = RemoteError(name, text, traceback_text, reason)
        for note in notes:
            error.add_note(note)
    cause, context = (None if link is None else _put_together(link) for link in links)
    links_back = dict(zip(_LINKS, (cause, context, suppress), strict=True))
    return _with(error, links_back).with_traceback(_make_traceback(frames))
