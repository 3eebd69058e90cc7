"""A stage that failed, took too long or was never run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowgraph.errors.root import FlowgraphError
from flowgraph.errors.wording import mends, safe_repr, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SkippedError", "StageError", "StageTimeout", "WorkerDied", "nothing_to_reduce"]


class StageTimeout(FlowgraphError, TimeoutError):
    """An attempt took longer than its stage's ``timeout``.

    A `TimeoutError`, hence an `OSError`: ``Retry(on=OSError)`` retries it.
    """

    def __init__(self, stage: str, seconds: float, what: str = "stage") -> None:
        super().__init__(f"{what} '{shown(stage)}' took longer than its timeout of {seconds:g} s")
        self.stage = stage
        self.seconds = seconds
        self._what = what

    def __reduce__(self) -> tuple[type[StageTimeout], tuple[str, float, str]]:
        return type(self), (self.stage, self.seconds, self._what)


class WorkerDied(FlowgraphError):
    """Workers died while they ran a task, until it was given up.

    On processes once is enough: then it is a `flowgraph.backends.process.ChildDied`,
    which knows the exit code and the signal.

    Attributes
    ----------
    stage : str
        What the task ran.
    deaths : int
        How many workers died.
    worker : str
        Address of the last one.
    """

    def __init__(self, stage: str, deaths: int, worker: str) -> None:
        times = "time" if deaths == 1 else "times"
        super().__init__(
            f"a Dask worker died {deaths} {times} while it ran stage '{shown(stage)}', "
            f"the last one at {worker}.\n"
            "Something in it ends the process: os._exit, a crash in compiled code, or memory "
            "that runs out. The worker's log may tell."
        )
        self.stage = stage
        self.deaths = deaths
        self.worker = worker

    def __reduce__(self) -> tuple[type[WorkerDied], tuple[Any, ...]]:
        return type(self), (self.stage, self.deaths, self.worker)


class StageError(FlowgraphError):
    """A stage failed for good: no retry was left or none applied.

    The last attempt's exception is the ``__cause__``.

    Attributes
    ----------
    stage : str
        Name of the stage.
    index : int, tuple of int, or None
        Position of the item in the collection it was declared from; a tuple
        after a ``flat_map``; None for a single task.
    attempts : int
        Calls made, the first included.
    worker : str
        Where the last attempt ran.
    errors : tuple of BaseException
        One exception per attempt, in order.
    node : str
        Name of the node: that of the stage, unless it was given another one.
    """

    def __init__(
        self,
        stage: str,
        index: int | tuple[int, ...] | None,
        attempts: int,
        worker: str,
        errors: Sequence[BaseException],
        node: str = "",
    ) -> None:
        self.stage = stage
        self.node = node or stage
        self.index = index
        self.attempts = attempts
        self.worker = worker
        self.errors = tuple(errors)
        place = "" if index is None else f" on item {index}"
        times = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        of = "" if self.node == stage else f" (node '{shown(self.node)}')"
        lines = [f"stage '{shown(stage)}' failed{place} after {times}{of}"]
        if self.errors:
            lines[0] += f": {safe_repr(self.errors[-1])}"
            lines += mends(self.errors[-1])
        super().__init__("\n".join(lines))
        self.__cause__ = self.errors[-1] if self.errors else None

    def __reduce__(self) -> tuple[type[StageError], tuple[Any, ...]]:
        about = (self.stage, self.index, self.attempts, self.worker, self.errors, self.node)
        return type(self), about


def nothing_to_reduce(node: str) -> ValueError:
    """The cause when a reduction has neither items nor an initial value."""
    return ValueError(
        f"node '{shown(node)}' has nothing to reduce, and no initial value: "
        "give it one, as in reduce(op, initial=…)"
    )


class SkippedError(FlowgraphError):
    """A value was asked for that was never computed: something it needs failed or was not wanted.

    Attributes
    ----------
    node : str
        The node that was skipped.
    because : str or None
        The node whose failure, or whose false condition, caused it; None if
        the run ended before.
    failed : bool
        False if nothing failed: a condition was false.
    """

    def __init__(self, node: str, because: str | None, *, failed: bool = True) -> None:
        name, cause = shown(node), shown(because or "")
        if because is None:
            super().__init__(
                f"node '{name}' was not reached before the run ended.\n"
                "Give the run more time, or run the graph again for it."
            )
        elif failed:
            super().__init__(
                f"node '{name}' was skipped because '{cause}' failed.\n"
                f"Look at run['{cause}'] or run.errors for the reason."
            )
        else:
            of = "its condition" if node == because else f"the condition of '{cause}'"
            super().__init__(
                f"node '{name}' was skipped because {of} was false.\n"
                "Give g.when(…, otherwise=…) what is to be called then."
            )
        self.node = node
        self.because = because
        self.failed = failed

    def __reduce__(self) -> tuple[Any, ...]:
        return _skipped, (self.node, self.because, self.failed)


def _skipped(node: str, because: str | None, failed: bool) -> SkippedError:
    return SkippedError(node, because, failed=failed)
