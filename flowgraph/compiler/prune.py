"""Drop what no target needs."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final

from flowgraph.compiler.steps import needs_of
from flowgraph.declare.steps import Call

if TYPE_CHECKING:
    from flowgraph.compiler.dag import Dag

__all__ = ["prune"]

_needs: Final = attrgetter("needs")


def prune(dag: Dag) -> Dag:
    """The graph without the steps that no target reads or waits for."""
    wanted = set(dag.targets)
    if dag.has_only_calls:
        # Where each step is read, or a target, all lead to targets. Mostly it is so.
        read = wanted.union(*map(_needs, dag.steps))
        if len(read) == len(dag.steps):
            return dag
    kept = []
    for step in reversed(dag.steps):
        if step.name in wanted:
            wanted.update(step.needs if type(step) is Call else needs_of(step))
            if step.after:
                wanted.update(step.after)
            kept.append(step)
    return dag if len(kept) == len(dag.steps) else dag.with_steps(reversed(kept))
