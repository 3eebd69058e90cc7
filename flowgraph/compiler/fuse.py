"""Fuse stages that follow one another into one task.

Item-wise stages in a row become one `Chain`, with the reduction or count at
their end; single calls in a row become one `Series`.  Two steps are fused when
nothing is lost by it: nobody else needs the value between them, neither is
limited, and the second waits for nothing that the first does not wait for;
else the first would start later than it could.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from flowgraph.compiler.limits import is_limited
from flowgraph.compiler.steps import Chain, Combine, Constant, Series, annotations_of, callees
from flowgraph.declare.steps import Call, Count, Each, Fold, Number, Product, Step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from flowgraph.compiler.dag import Dag
    from flowgraph.declare.stage import Stage

    Stages = AbstractSet[Stage[..., Any]]

__all__ = ["fuse"]

_FUSED: Final = (Call, Each, Number, Product, Fold, Count, Combine)


class _Group:
    """Steps that become one."""

    __slots__ = ("after", "needs", "steps")

    def __init__(self, first: Step) -> None:
        self.steps = [first]
        self.needs = dict.fromkeys(_outer_needs(first))
        self.after = dict.fromkeys(first.after)

    def takes(self, step: Step, waits: Sequence[str], limited: Stages) -> bool:
        """True if ``step``, alone in reading the last step, can follow it at no loss.

        Parameters
        ----------
        step : Step
            What would follow.
        waits : sequence of str
            Its needs that are not there from the start.
        limited : set of Stage
            Those that must not run whenever a worker is free.
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
        if limited and not limited.isdisjoint((*callees(last), *callees(step))):
            return False
        return annotations_of(last) == annotations_of(step)

    def add(self, step: Step) -> None:
        """Let ``step`` follow."""
        last = self.steps[-1].name
        self.steps.append(step)
        self.needs.update(dict.fromkeys(n for n in _outer_needs(step) if n != last))

    def fused(self) -> Step:
        """The one step that they become."""
        return _fused(self.steps, tuple(self.needs), tuple(self.after))


def fuse(dag: Dag) -> Dag:
    """The graph with stages in a row fused."""
    uses = dag.uses()
    constants = {step.name for step in dag.steps if isinstance(step, Constant)}
    limited = {stage for stage in dag.stages if is_limited(stage)}
    steps: dict[str, Step | _Group] = {}
    for step in dag.steps:
        steps[step.name] = step
        if not isinstance(step, _FUSED):
            continue
        # Mostly there is none, as each is read by several.
        alone = [need for need in _read_by(step) if uses[need] == 1]
        group = _group_for(step, alone, steps, constants, limited) if alone else None
        if group is not None:
            # It moves to the place of its new last step, after all that this one needs.
            del steps[group.steps[-1].name]
            group.add(step)
            steps[step.name] = group
    return dag.with_steps(map(_one, steps.values()))


def _group_for(
    step: Step,
    alone: Sequence[str],
    steps: Mapping[str, Step | _Group],
    constants: AbstractSet[str],
    limited: Stages,
) -> _Group | None:
    """The group that ``step``, ``alone`` in reading some, can follow, if there is one."""
    waits = [need for need in _outer_needs(step) if need not in constants]
    for need in alone:
        found = steps.get(need)  # None for a call of a region
        if isinstance(found, _FUSED):
            found = _Group(found)
        if isinstance(found, _Group) and found.takes(step, waits, limited):
            return found
    return None


def _one(found: Step | _Group) -> Step:
    """What becomes of a step, or of several."""
    if type(found) is Call:  # most are
        return Series(name=found.name, needs=found.needs, after=found.after, calls=(found,))
    if isinstance(found, _Group):
        return found.fused()
    if not isinstance(found, _FUSED):
        return found
    return _fused((found,), tuple(dict.fromkeys(_outer_needs(found))), found.after)


def _fused(steps: Sequence[Step], needs: tuple[str, ...], after: tuple[str, ...]) -> Step:
    last = steps[-1]
    if type(last) is Call:
        calls = cast("tuple[Call, ...]", tuple(steps))
        return Series(name=last.name, needs=needs, after=after, calls=calls)
    links = tuple(s for s in steps if isinstance(s, (Each, Number, Product)))
    end = last if isinstance(last, (Fold, Count, Combine)) else None
    return Chain(name=last.name, needs=needs, after=after, links=links, end=end)


def _read_by(step: Step) -> tuple[str, ...]:
    """What a step could follow."""
    return step.needs if type(step) is Call else step.needs[:1]


def _outer_needs(step: Step) -> tuple[str, ...]:
    # A reduction's initial value is read when its last partial results are merged.
    return step.needs[:1] if isinstance(step, Fold) else step.needs
