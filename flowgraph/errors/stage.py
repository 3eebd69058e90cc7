"""A stage that failed, took too long or was never run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowgraph.errors.root import FlowgraphError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SkippedError", "StageError", "StageTimeout"]


class StageTimeout(FlowgraphError, TimeoutError):
    """An attempt took longer than its stage's ``timeout``.

    A `TimeoutError`, hence an `OSError`: ``Retry(on=OSError)`` retries it.
    """

    def __init__(self, stage: str, seconds: float) -> None:
        super().__init__(f"stage '{stage}' took longer than its timeout of {seconds:g} s")
        self.stage = stage
        self.seconds = seconds

    def __reduce__(self) -> tuple[type[StageTimeout], tuple[str, float]]:
        return type(self), (self.stage, self.seconds)


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
    """

    def __init__(
        self,
        stage: str,
        index: int | tuple[int, ...] | None,
        attempts: int,
        worker: str,
        errors: Sequence[BaseException],
    ) -> None:
        self.stage = stage
        self.index = index
        self.attempts = attempts
        self.worker = worker
        self.errors = tuple(errors)
        place = "" if index is None else f" on item {index}"
        times = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        last = f": {self.errors[-1]!r}" if self.errors else ""
        super().__init__(f"stage '{stage}' failed{place} after {times}{last}")
        self.__cause__ = self.errors[-1] if self.errors else None

    def __reduce__(self) -> tuple[type[StageError], tuple[Any, ...]]:
        return type(self), (self.stage, self.index, self.attempts, self.worker, self.errors)


class SkippedError(FlowgraphError):
    """A value was asked for that was never computed: something it needs failed.

    Attributes
    ----------
    node : str
        The node that was skipped.
    because : str
        The node whose failure caused it.
    """

    def __init__(self, node: str, because: str) -> None:
        super().__init__(
            f"node '{node}' was skipped because '{because}' failed.\n"
            f"Look at run['{because}'] or run.errors for the reason."
        )
        self.node = node
        self.because = because

    def __reduce__(self) -> tuple[type[SkippedError], tuple[str, str]]:
        return type(self), (self.node, self.because)
