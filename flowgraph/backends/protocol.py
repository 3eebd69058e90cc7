"""What a backend is: one verb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from threading import Event

    from flowgraph.compiler.plan import Key, Plan
    from flowgraph.runtime.outcome import Outcome

__all__ = ["Backend"]


class Backend(Protocol):
    """A place where a plan can run.  Enter it before use, leave it after."""

    workers: int
    """Tasks that run at once; what the plan is made for."""
    finest: int
    """Smallest batch, as a part of a worker's share: small where a task is cheap."""
    finest_of_many: int
    """The same for very many items."""
    hands_out: bool
    """True if it hands out the calls of regions by itself."""
    far: bool
    """True if its workers are other machines, which nobody asks for a value just to hand it on."""

    def run(
        self,
        plan: Plan,
        on_outcome: Callable[[Key, Outcome], None],
        stop: Event,
        *,
        halts: bool,
    ) -> Mapping[Key, Outcome]:
        """Run a plan.

        Parameters
        ----------
        plan : Plan
            What to run; a plan runs once.
        on_outcome : callable
            Called in the caller's thread with the key and the outcome of tasks
            as they end.  Where outcomes stay on the workers it is called with
            what reached the caller: the report of a task, without its value.
            What it raises ends the run.
        stop : Event
            Set when the run is over: what has not started does not start.
        halts : bool
            A task stops at its first final failure.

        Returns
        -------
        mapping
            The outcomes of the targets' keys.
        """

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc_info: object) -> None: ...
