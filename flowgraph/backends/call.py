"""A task of Dask's local scheduler, taken apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from flowgraph.runtime.work import perform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dask.task_spec import Task

    from flowgraph.runtime.code import Control
    from flowgraph.runtime.outcome import Outcome

__all__ = ["DaskCall"]


class DaskCall(NamedTuple):
    """A task with its inputs."""

    control: Control
    """What the tasks of the run share."""
    work: Any
    """What it does."""
    inputs: Sequence[Outcome]
    """What it reads, in order."""

    @classmethod
    def of(cls, task: Task, data: Mapping[Any, Outcome]) -> DaskCall:
        """The parts of a task that `flowgraph.compiler.plan.Plan.tasks` made.

        Parameters
        ----------
        task : dask.task_spec.Task
            The task.
        data : mapping
            The outcomes of what it needs, by key.
        """
        control, work, *refs = task.args
        return cls(control, work, [data[ref.key] for ref in refs])

    def here(self) -> Outcome:
        """The outcome, made in this process."""
        return perform(self.control, self.work, *self.inputs)
