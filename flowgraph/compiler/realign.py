"""The one item-wise barrier: items whose places are not known before the run.

After a filter, a flat_map or a source of unknown length nobody knows which
items of two collections stand side by side, which make a batch, or what their
numbers are.  There a single task sees all partitions, puts the items in their
places, and they are cut anew.  While places are known nothing has to wait:
what a partition needs is in the partitions of the same number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowgraph.compiler.dag import fresh
from flowgraph.compiler.layout import misfits_of
from flowgraph.compiler.steps import Whole
from flowgraph.declare.steps import Batch, Number, Source, Step, Zip

if TYPE_CHECKING:
    from flowgraph.compiler.batches import Shape
    from flowgraph.compiler.dag import Dag

__all__ = ["realign"]


def realign(dag: Dag, shape: Shape) -> Dag:
    """The graph with a barrier where places are not known, and nowhere else.

    Parameters
    ----------
    dag : Dag
        A graph before it is fused.
    shape : Shape
        What the plan is made for; it says how collections are cut.
    """
    while misfits := misfits_of(dag, shape):
        # Again: partitions of what is before may be cut otherwise for want of what is behind.
        taken = dag.by_name()
        steps: list[Step] = []
        for step in dag.steps:
            if step.name not in misfits:
                steps.append(step)
                continue
            assert isinstance(step, (Number, Zip, Batch))
            name = fresh(f"{step.name}~", taken)
            steps.append(Whole(name=name, needs=step.needs, after=step.after, of=step))
            steps.append(
                Source(name=step.name, needs=(name,), items=None, annotations=step.annotations)
            )
        dag = dag.with_steps(steps)
    return dag
