"""Showing how far a run is: bars on a terminal, lines in a log."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Self

from flowgraph.errors.wording import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich import progress as rich_progress

    from flowgraph.results.progress import Progress

__all__ = ["Bars", "Lines", "watching"]

_EVERY: Final = 5.0
"""Seconds between the lines in a log."""


@contextmanager
def watching(
    progress: Callable[[Progress], object] | bool | None,
) -> Iterator[Callable[[Progress], object] | None]:
    """What is told of a run's progress, as long as the context lasts.

    Parameters
    ----------
    progress : callable, bool or None
        True for bars where standard error is a terminal, lines elsewhere.
    """
    if progress is None or progress is False:
        yield None
    elif progress is not True:
        yield progress
    else:
        is_terminal = sys.stderr is not None and sys.stderr.isatty()
        with Bars() if is_terminal else Lines() as shown_there:
            yield shown_there


class Bars:
    """A bar for each stage, on a terminal."""

    def __init__(self) -> None:
        self._tasks: dict[str, rich_progress.TaskID] = {}
        self._bars: rich_progress.Progress

    def __enter__(self) -> Self:
        from rich import progress as rich_progress
        from rich.console import Console

        self._bars = rich_progress.Progress(
            rich_progress.TextColumn("{task.description}", markup=False),
            rich_progress.BarColumn(),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TextColumn("{task.fields[failed]}", markup=False),
            rich_progress.TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,  # the table that follows says it all
        )
        self._bars.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._bars.stop()

    def __call__(self, progress: Progress) -> None:
        failed = f"{progress.failed} failed" if progress.failed else ""
        if progress.stage not in self._tasks:
            self._tasks[progress.stage] = self._bars.add_task(
                shown(progress.stage), total=progress.total, failed=failed
            )
        self._bars.update(
            self._tasks[progress.stage],
            completed=progress.completed,
            total=progress.total,
            failed=failed,
        )


class Lines:
    """A plain line now and then, in a log."""

    def __init__(self) -> None:
        self._stages: dict[str, Progress] = {}
        self._last = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._say()

    def __call__(self, progress: Progress) -> None:
        self._stages[progress.stage] = progress
        if time.monotonic() - self._last >= _EVERY:
            self._say()

    def _say(self) -> None:
        self._last = time.monotonic()
        if self._stages:
            with suppress(OSError):  # a run must not end because nobody can be told how far it is
                print(", ".join(map(_in_words, self._stages.values())), file=sys.stderr)


def _in_words(progress: Progress) -> str:
    total = "" if progress.total is None else f"/{progress.total}"
    failed = f" ({progress.failed} failed)" if progress.failed else ""
    return f"{shown(progress.stage)} {progress.completed}{total}{failed}"
