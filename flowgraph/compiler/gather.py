"""Make a list of every collection that is read as an ordinary argument."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from flowgraph.compiler.dag import fresh
from flowgraph.compiler.steps import Gathered, reads_items
from flowgraph.declare.steps import Collection, Source, Step

if TYPE_CHECKING:
    from flowgraph.compiler.dag import Dag

__all__ = ["gather"]


def gather(dag: Dag) -> Dag:
    """The graph with one list for each collection that is read whole, shared by its readers."""
    collections = {step.name for step in dag.steps if isinstance(step, Collection)}
    if not collections:
        return dag
    made: dict[str, str] = {}
    taken = set(dag.by_name())
    steps: list[Step] = []
    for step in dag.steps:
        read = [need for need in _whole(step) if need in collections]
        for need in read:
            if need not in made:
                made[need] = fresh(f"{need}[:]", taken)
                taken.add(made[need])
                steps.append(Gathered(name=made[need], needs=(need,)))
        if read:
            first = len(step.needs) - len(_whole(step))
            needs = tuple(made.get(need, need) for need in step.needs[first:])
            step = replace(step, needs=(*step.needs[:first], *needs))  # noqa: PLW2901
        steps.append(step)
    return dag.with_steps(steps)


def _whole(step: Step) -> tuple[str, ...]:
    """The needs that are read as values, not item by item."""
    return () if isinstance(step, Source) else step.needs[len(reads_items(step)) :]
