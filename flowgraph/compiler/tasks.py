"""The tasks made so far: which of them have a step's value, and which come before which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowgraph.compiler.drafts import Found
from flowgraph.compiler.parts import Parts
from flowgraph.compiler.queues import Queues
from flowgraph.compiler.steps import (
    Chain,
    Group,
    Series,
    annotations_of,
    members,
    node_of,
    stages_of,
)
from flowgraph.declare.steps import Call, Collection
from flowgraph.runtime import light, work
from flowgraph.runtime.chain import ChainPart
from flowgraph.runtime.heads import Slice

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from flowgraph.compiler.dag import Dag
    from flowgraph.compiler.drafts import Drafts, Read
    from flowgraph.compiler.layout import Layout
    from flowgraph.compiler.parts import Part
    from flowgraph.compiler.steps import Lanes
    from flowgraph.declare.steps import Step

__all__ = ["Tasks", "prefix_of"]


class Tasks:
    """Adds the tasks of steps, in their lanes and behind what they wait for.

    Parameters
    ----------
    dag : Dag
        The graph that is lowered.
    drafts : Drafts
        Where tasks go.
    known : mapping of str to Layout
        How each collection is cut.
    """

    def __init__(self, dag: Dag, drafts: Drafts, known: Mapping[str, Layout]) -> None:
        self.drafts = drafts
        self.parts = Parts(drafts, known)
        self.queues = Queues()
        self._steps = {step.name: step for step in dag.steps}
        self._dag = dag
        self._made: dict[str, list[Read]] = {}
        self._whole: dict[str, list[Read]] = {}
        self._tokens: dict[str, int] = {}
        self._lists: dict[str, Read] = {}

    # Where values are

    def step(self, name: str) -> Step:
        """The step with a name."""
        return self._steps[name]

    def of(self, name: str) -> Read:
        """The task that has the value of a step."""
        (read,) = self._made[name]
        return read

    def read(self) -> Container[str]:
        """The names of what steps read, wait for or give; without what stays in a region."""
        return self._dag.uses()

    def share(self, sharers: Sequence[Step], number: int) -> None:
        """One task has the values of several steps."""
        for place, step in enumerate(sharers):
            self._steps[step.name] = step
            self._made[step.name] = [(number, place)]

    def have(self, name: str, numbers: Sequence[Read]) -> None:
        """A step's value is what these tasks give: its partitions, if it is a collection."""
        self._made[name] = list(numbers)
        if self._is_collection(name):
            self.parts.passed(name, numbers)

    def sliced(self, name: str, task: Read) -> None:
        """A collection is what one task gives: its partitions are slices of that."""
        self._lists[name] = task
        self.parts.sliced(name, task)

    def partitions(self, name: str) -> list[Read]:
        """The tasks that have the partitions of a collection."""
        step = self._steps[name]
        if isinstance(step, Chain):
            return self._made[name]
        if name not in self._whole:
            links = self.drafts.parcel(())
            self._whole[name] = [
                self.add(
                    step, "items", ChainPart, part.reads, links=links, end="list", head=part.head
                )
                for part in self.parts.of(name)
            ]
        return self._whole[name]

    def target(self, name: str) -> Found:
        """Where the value of a target is."""
        if name in self._lists:  # whole as it is
            return Found(name, (self._lists[name],), True)
        are_parts = self._is_collection(name)
        numbers = self.partitions(name) if are_parts else self._made[name]
        return Found(name, tuple(numbers), are_parts)

    def _is_collection(self, name: str) -> bool:
        step = self._steps[name]
        return isinstance(step, Collection) or (isinstance(step, Chain) and step.end is None)

    # Making tasks

    def value(
        self, step: Step, prefix: str, kind: type[work.Work], reads: Sequence[Read], **fields: Any
    ) -> None:
        """Add the task that has the value of a step."""
        self._made[step.name] = [self.add(step, prefix, kind, reads, **fields)]

    def add(
        self, step: Step, prefix: str, kind: type[work.Work], reads: Sequence[Read], **fields: Any
    ) -> int:
        """Add a task of a step; gives its number."""
        lanes = step.lanes if isinstance(step, (Chain, Series, Group)) and not kind.light else None
        number = self.drafts.add(
            node_of(step),
            prefix,
            kind,
            reads,
            after=tuple(map(self._token, step.after)),
            before=() if lanes is None else self.queues.before(lanes),
            annotations=annotations_of(step),
            **fields,
        )
        if lanes is not None:
            # A key of its own: the next task must not make its data travel.  It is held:
            # else one partition that is lost would run its whole lane again.
            self.queues.add(lanes, self._ended(step, (number,), held=True))
        return number

    def end_batch(self, step: Step, lanes: Lanes, following: Sequence[Part] = ()) -> None:
        """Let the pause of a stage pass before what is added from now on.

        Not if the batch that follows turns out to be empty, where that can be
        seen without waiting for it.
        """
        batch = self.queues.take_batch(lanes)
        if lanes.pause is not None and batch:
            slices = [part for part in following if isinstance(part.head, Slice)]
            rest = self.drafts.add(
                node_of(step),
                "pause",
                light.Rest,
                slices[0].reads if slices else (),
                before=(*batch, *self.queues.before_rest(lanes)),
                seconds=lanes.pause,
                batch=len(batch),
                head=slices[0].head if slices else None,
            )
            self.queues.rest(lanes, rest)

    def _token(self, name: str) -> int:
        """A task that says that a step has ended, without its data."""
        if name not in self._tokens:
            step = self._steps[name]
            numbers = self.partitions(name) if self._is_collection(name) else self._made[name]
            tokens = [self._ended(step, (number,)) for number in numbers]
            self._tokens[name] = tokens[0] if len(tokens) == 1 else self._ended(step, tokens)
        return self._tokens[name]

    def _ended(self, step: Step, numbers: Sequence[Read], *, held: bool = False) -> int:
        return self.drafts.add(node_of(step), "token", light.Token, numbers, held=held)


def prefix_of(step: Step) -> str:
    """What Dask's dashboard shows: the names of the stages."""
    parts = members(step)
    if len(parts) == 1 and type(parts[0]) is Call:
        return parts[0].stage.name
    if len(parts) > 4:  # there may be thousands
        return "+".join([prefix_of(parts[0]), "…", prefix_of(parts[-1])])
    names = [stage.name for stage in stages_of(step)] or ["items"]
    return "+".join(names if len(names) <= 4 else [names[0], "…", names[-1]])
