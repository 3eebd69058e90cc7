"""Which task of a limited stage comes behind which."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flowgraph.runtime.pace import Beat

if TYPE_CHECKING:
    from flowgraph.compiler.steps import Lanes

__all__ = ["Queues"]


@dataclass(slots=True)
class _Queue:
    """The lanes of one stage."""

    ends: list[int | None]
    """The token of the last task in each lane."""
    turn: int = 0
    batch: list[int] = field(default_factory=list)
    """Tokens of the batch that is being added."""
    rest: int | None = None
    """The task that lets the pause pass before this batch."""


class Queues:
    """The ends of all lanes while tasks are added, which take turns in them."""

    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}

    def before(self, lanes: Lanes) -> tuple[int, ...]:
        """What must have ended before the next task of a stage starts."""
        queue = self._queue(lanes)
        found = [queue.rest]
        if queue.ends:
            found.append(queue.ends[queue.turn])
        return tuple(number for number in found if number is not None)

    def share(self, lanes: Lanes) -> int | None:
        """How many of the stage's slots the next task has; None if nothing is said of them."""
        if lanes.slots is None:
            return None
        each, more = divmod(lanes.slots, lanes.count)
        return each + (self._queue(lanes).turn < more)

    def beat(self, lanes: Lanes) -> Beat:
        """What the next task of a stage keeps to."""
        first = lanes.interval * self._queue(lanes).turn / max(lanes.count, 1)
        return Beat(lanes.interval, first, lanes.pause is not None)

    def before_rest(self, lanes: Lanes) -> tuple[int, ...]:
        """The pause before the batch that is being added, if there is one."""
        rest = self._queue(lanes).rest
        return () if rest is None else (rest,)

    def add(self, lanes: Lanes, token: int) -> None:
        """Put a task, by the token of its end, behind the others in its lane."""
        queue = self._queue(lanes)
        if queue.ends:
            queue.ends[queue.turn] = token
            queue.turn = (queue.turn + 1) % len(queue.ends)
        queue.batch.append(token)

    def take_batch(self, lanes: Lanes) -> list[int]:
        """The tokens of what was added since the last batch."""
        queue = self._queue(lanes)
        batch, queue.batch = queue.batch, []
        return batch

    def rest(self, lanes: Lanes, number: int) -> None:
        """Put a pause before what is added from now on."""
        self._queue(lanes).rest = number

    def _queue(self, lanes: Lanes) -> _Queue:
        if lanes.name not in self._queues:
            self._queues[lanes.name] = _Queue([None] * lanes.count)
        return self._queues[lanes.name]
