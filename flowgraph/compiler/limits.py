"""Turn limits on stages into edges of the graph."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from flowgraph.compiler.dag import Chain, Series, stages_of

if TYPE_CHECKING:
    from flowgraph.compiler.dag import Dag
    from flowgraph.declare.steps import Step

__all__ = ["limits"]


def limits(dag: Dag) -> Dag:
    """The graph with a lane for each sequential stage: its tasks run one after the other.

    A lane belongs to a stage object, whatever nodes use it, and goes through
    its tasks in the order of the graph and of the items.
    """
    lanes: dict[int, str] = {}

    def laned(step: Step) -> Step:
        if not isinstance(step, (Chain, Series)):
            return step
        limited = [stage for stage in stages_of(step) if stage.sequential]
        if not limited:
            return step
        return replace(step, lane=lanes.setdefault(id(limited[0]), step.name))

    return dag.with_steps(map(laned, dag.steps))
