"""Turn keyed operations into a table and the collection of its pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowgraph.compiler.dag import fresh
from flowgraph.compiler.steps import Combine
from flowgraph.declare.steps import Keyed, Source, Step

if TYPE_CHECKING:
    from flowgraph.compiler.dag import Dag

__all__ = ["keyed"]


def keyed(dag: Dag) -> Dag:
    """The graph with each keyed operation in two steps.

    A table is made like a reduction: inside each partition first, then in a
    tree.  How many pairs it has is known only then: they are a collection of
    unknown length.
    """
    taken = dag.by_name()
    steps: list[Step] = []
    for step in dag.steps:
        if not isinstance(step, Keyed):
            steps.append(step)
            continue
        name = fresh(f"{step.name}{{}}", taken)
        steps.append(Combine(name=name, needs=step.needs, after=step.after, of=step))
        steps.append(
            Source(name=step.name, needs=(name,), items=None, annotations=step.annotations)
        )
    return dag.with_steps(steps)
