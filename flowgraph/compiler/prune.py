"""Drop what no target needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowgraph.compiler.steps import needs_of

if TYPE_CHECKING:
    from flowgraph.compiler.dag import Dag

__all__ = ["prune"]


def prune(dag: Dag) -> Dag:
    """The graph without the steps that no target reads or waits for."""
    wanted = set(dag.targets)
    kept = []
    for step in reversed(dag.steps):
        if step.name in wanted:
            wanted.update(needs_of(step))
            wanted.update(step.after)
            kept.append(step)
    return dag.with_steps(reversed(kept))
