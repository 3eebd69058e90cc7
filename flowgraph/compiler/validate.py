"""What every pass may rely on, and leaves true."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowgraph.compiler.steps import needs_of, sharers
from flowgraph.errors import GraphError

if TYPE_CHECKING:
    from flowgraph.compiler.dag import Dag

__all__ = ["validate"]


def validate(dag: Dag) -> Dag:
    """The same graph, if it is one: every step after all it needs, no name twice.

    Raises
    ------
    GraphError
        If it is not.
    """
    seen: set[str] = set()
    for step in dag.steps:
        needs = needs_of(step)
        if not seen.issuperset(needs) or not seen.issuperset(step.after):
            late = next(name for name in (*needs, *step.after) if name not in seen)
            raise GraphError(f"graph '{dag.name}': '{step.name}' comes before '{late}'.")
        if step.name in seen:
            raise GraphError.name_taken(step.name, dag.name)
        seen.add(step.name)
        seen.update(sharers(step))
    for target in dag.targets:
        if target not in seen:
            raise GraphError(f"graph '{dag.name}' has no node '{target}' to run.")
    return dag
