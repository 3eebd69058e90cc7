"""Tracebacks as plain data and as text; the middle of a very deep one is left out.

That of a RecursionError has a thousand levels: more than can be pickled or
rebuilt without running into the same limit, and than anybody reads.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Frame", "frames_of", "printed"]

Frame = tuple[str, str, int]
"""One level of a traceback: file name, function name, line number."""

_SHOWN: Final = 50
"""Levels that are kept at either end."""


def frames_of(error: BaseException) -> list[Frame]:
    """The levels of an error's traceback, the outermost first."""
    told = traceback.TracebackException(
        type(error), error, error.__traceback__, lookup_lines=False, compact=True
    )
    return [(frame.filename, frame.name, frame.lineno or 0) for frame in _cut(told.stack)]


def printed(error: BaseException) -> str:
    """An error's traceback as Python prints it, with what it was raised from."""
    told = traceback.TracebackException.from_exception(error, lookup_lines=False, compact=True)
    for each in _all(told):
        each.stack = _cut(each.stack)
    return "".join(told.format())


def _all(told: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """A traceback, and those of the errors that belong to it."""
    left: list[traceback.TracebackException | None] = [told]
    while left:
        each = left.pop()
        if each is not None:
            yield each
            left += [each.__cause__, each.__context__, *(each.exceptions or ())]


def _cut(stack: traceback.StackSummary) -> traceback.StackSummary:
    """A stack without its middle, if that is long; one level says how much is lacking."""
    lacking = len(stack) - 2 * _SHOWN
    if lacking <= 0:
        return stack
    note = traceback.FrameSummary(f"<{lacking} levels left out>", 1, "...", line="")
    return traceback.StackSummary.from_list([*stack[:_SHOWN], note, *stack[-_SHOWN:]])
