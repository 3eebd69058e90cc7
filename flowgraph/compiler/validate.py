"""What every pass may rely on, and leaves true."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowgraph.compiler.steps import Group, needs_of
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
        for need in (*needs_of(step), *step.after):
            if need not in seen:
                raise GraphError(f"graph '{dag.name}': '{step.name}' comes before '{need}'.")
        if step.name in seen:
            raise GraphError.name_taken(step.name, dag.name)
        seen.add(step.name)
        if isinstance(step, Group):
            seen.update(member.name for member in step.members)
    for target in dag.targets:
        if target not in seen:
            raise GraphError(f"graph '{dag.name}' has no node '{target}' to run.")
    return dag
