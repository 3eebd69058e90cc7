"""Make a list of every collection that is read as an ordinary argument."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from flowgraph.compiler.dag import Gathered
from flowgraph.declare.steps import Call, Each, Fold, Pack, Source, Step

if TYPE_CHECKING:
    from flowgraph.compiler.dag import Dag

__all__ = ["gather"]


def gather(dag: Dag) -> Dag:
    """The graph with one list for each collection that is read whole, shared by its readers."""
    collections = {step.name for step in dag.steps if isinstance(step, (Source, Each))}
    made: dict[str, str] = {}
    steps: list[Step] = []
    for step in dag.steps:
        read = [need for need in _whole(step) if need in collections]
        for need in read:
            if need not in made:
                made[need] = f"{need}[:]"
                steps.append(Gathered(name=made[need], needs=(need,)))
        if read:
            first = len(step.needs) - len(_whole(step))
            needs = tuple(made.get(need, need) for need in step.needs[first:])
            step = replace(step, needs=(*step.needs[:first], *needs))  # noqa: PLW2901
        steps.append(step)
    return dag.with_steps(steps)


def _whole(step: Step) -> tuple[str, ...]:
    """The needs that are read as values, not item by item."""
    if isinstance(step, (Call, Pack)):
        return step.needs
    if isinstance(step, (Each, Fold)):
        return step.needs[1:]
    return ()
