"""Fuse stages that follow one another into one task.

Item-wise stages in a row become one `Chain`, with the reduction or count at
their end; single calls in a row become one `Series`.  Two steps are fused when
nothing is lost by it: nobody else needs the value between them, neither is
limited, and the second waits for nothing that the first does not wait for;
else the first would start later than it could.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flowgraph.compiler.dag import Dag
from flowgraph.compiler.limits import callees, is_limited
from flowgraph.compiler.steps import Chain, Combine, Constant, Series, annotations_of
from flowgraph.declare.steps import Call, Count, Each, Fold, Number, Product, Step

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

__all__ = ["fuse"]


class _Group:
    """Steps that become one."""

    __slots__ = ("after", "needs", "steps")

    def __init__(self, first: Step) -> None:
        self.steps = [first]
        self.needs = dict.fromkeys(_outer_needs(first))
        self.after = dict.fromkeys(first.after)

    def takes(self, step: Step, waits: Sequence[str]) -> bool:
        """True if ``step``, alone in reading the last step, can follow it at no loss.

        ``waits`` are the needs of ``step`` that are not there from the start.
        """
        last = self.steps[-1]
        if (type(step) is Call) != (type(last) is Call):
            return False
        # Most steps with many needs are refused at the second.
        for need in waits:
            if need not in self.needs and need != last.name:
                return False
        if any(name not in self.after for name in step.after):
            return False
        if _is_limited(last) or _is_limited(step):
            return False
        return annotations_of(last) == annotations_of(step)

    def add(self, step: Step) -> None:
        """Let ``step`` follow."""
        last = self.steps[-1].name
        self.steps.append(step)
        self.needs.update(dict.fromkeys(n for n in _outer_needs(step) if n != last))

    def fused(self) -> Step:
        """The one step that they become."""
        last = self.steps[-1]
        needs, after = tuple(self.needs), tuple(self.after)
        if type(last) is Call:
            calls = cast("tuple[Call, ...]", tuple(self.steps))
            return Series(name=last.name, needs=needs, after=after, calls=calls)
        links = tuple(s for s in self.steps if isinstance(s, (Each, Number, Product)))
        end = last if isinstance(last, (Fold, Count, Combine)) else None
        return Chain(name=last.name, needs=needs, after=after, links=links, end=end)


def fuse(dag: Dag) -> Dag:
    """The graph with stages in a row fused."""
    uses = dag.uses()
    constants = {step.name for step in dag.steps if isinstance(step, Constant)}
    steps: dict[str, Step | _Group] = {}
    for step in dag.steps:
        if not isinstance(step, (Call, Each, Number, Product, Fold, Count, Combine)):
            steps[step.name] = step
            continue
        group = _group_for(step, constants, steps, uses) or _Group(step)
        if group.steps[-1] is not step:
            # It moves to the place of its new last step, after all that this one needs.
            del steps[group.steps[-1].name]
            group.add(step)
        steps[step.name] = group
    return dag.with_steps(
        step.fused() if isinstance(step, _Group) else step for step in steps.values()
    )


def _group_for(
    step: Step, constants: set[str], steps: dict[str, Step | _Group], uses: Counter[str]
) -> _Group | None:
    """The group that ``step`` can follow, if there is one."""
    waits = None
    for need in step.needs if isinstance(step, Call) else step.needs[:1]:
        if uses[need] == 1 and isinstance(group := steps.get(need), _Group):
            if waits is None:  # once: there may be thousands
                waits = [other for other in _outer_needs(step) if other not in constants]
            if group.takes(step, waits):
                return group
    return None


def _is_limited(step: Step) -> bool:
    return any(map(is_limited, callees(step)))


def _outer_needs(step: Step) -> tuple[str, ...]:
    # A reduction's initial value is read when its last partial results are merged.
    return step.needs[:1] if isinstance(step, Fold) else step.needs
