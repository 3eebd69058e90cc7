"""Cut every collection into partitions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from flowgraph.compiler.layout import layouts
from flowgraph.compiler.steps import Chain

if TYPE_CHECKING:
    from flowgraph.compiler.batches import Shape
    from flowgraph.compiler.dag import Dag

__all__ = ["partition"]


def partition(dag: Dag, shape: Shape) -> Dag:
    """The graph with the cuts of each chain's collection.

    Parameters
    ----------
    dag : Dag
        A fused graph.
    shape : Shape
        What the plan is made for.
    """
    known = layouts(dag, shape)
    return dag.with_steps(
        replace(step, cuts=known[step.needs[0]].cuts) if isinstance(step, Chain) else step
        for step in dag.steps
    )
