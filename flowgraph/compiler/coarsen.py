"""Put many small single calls into one task.

Dask takes tens of microseconds for a task on threads and a millisecond on a
cluster, however little it does.  Where a level of the graph has many more
calls than there are workers, those of a level share tasks: several for each
worker, large ones first, so that all stay busy whatever a call costs.  Calls of
one level do not need one another, so groups of them cannot need one another in
a circle.  Each call inside keeps its retries, its errors and its record.

References
----------
A. Gerasoulis, T. Yang, "On the granularity and clustering of directed acyclic
task graphs", IEEE Transactions on Parallel and Distributed Systems 4 (6), 1993.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from flowgraph.compiler.batches import factoring
from flowgraph.compiler.dag import fresh
from flowgraph.compiler.limits import is_limited
from flowgraph.compiler.steps import Group, Series, annotations_of, callees, needs_of, sharers

if TYPE_CHECKING:
    from collections.abc import Hashable

    from flowgraph.compiler.batches import Shape
    from flowgraph.compiler.dag import Dag
    from flowgraph.declare.stage import Stage
    from flowgraph.declare.steps import Step

__all__ = ["MANY", "coarsen", "is_free"]

MANY: Final = 32
"""Calls of a level, for each worker, above which they share tasks."""
_FINER: Final = 8
"""How many times finer items are cut than levels, whose groups wait for one another."""


def coarsen(dag: Dag, shape: Shape) -> Dag:
    """The graph with calls of a level in groups, where there are many.

    Parameters
    ----------
    dag : Dag
        A fused graph.
    shape : Shape
        What the plan is made for.
    """
    many = MANY * shape.workers
    if len(dag.steps) <= many:
        return dag
    levels = _levels(dag)
    bound = {stage for stage in dag.stages if not is_free(stage)}
    alike: dict[Hashable, list[Series]] = defaultdict(list)
    for step in dag.steps:
        if (
            type(step) is Series
            and not step.after
            and (not bound or bound.isdisjoint(callees(step)))
        ):
            said = annotations_of(step)
            alike[levels[step.name], repr(sorted(said.items())) if said else ""].append(step)
    groups = [group for group in alike.values() if len(group) > many]
    if not groups:
        return dag
    taken = set(dag.by_name())
    made: dict[str, Step | None] = {}
    for members in groups:
        begin = 0
        for size in factoring(len(members), shape.workers, max(2, shape.finest // _FINER)):
            part = members[begin : begin + size]
            begin += size
            name = fresh(f"{part[0].name}…", taken)
            taken.add(name)
            needs = dict.fromkeys(need for member in part for need in member.needs)
            made.update({member.name: None for member in part})
            # Where its last member is, all that it needs has come.
            made[part[-1].name] = Group(name=name, needs=tuple(needs), members=tuple(part))
    return dag.with_steps(_in_order(dag, levels, made))


def _in_order(dag: Dag, levels: dict[str, int], made: dict[str, Step | None]) -> list[Step]:
    """The steps level by level, which is an order that groups can run in."""
    steps = [(levels[step.name], made.get(step.name, step)) for step in dag.steps]
    kept = [(level, step) for level, step in steps if step is not None]
    kept.sort(key=lambda pair: pair[0])
    return [step for _, step in kept]


def _levels(dag: Dag) -> dict[str, int]:
    """How many steps in a row each step comes behind, at most."""
    levels: dict[str, int] = {}
    for step in dag.steps:
        is_plain = type(step) is Series and not step.after  # most are
        before = step.needs if is_plain else (*needs_of(step), *step.after)
        levels[step.name] = level = 1 + max(map(levels.__getitem__, before)) if before else 0
        if not is_plain:
            levels.update(dict.fromkeys(sharers(step), level))
    return levels


def is_free(stage: Stage[..., object], *, timed: bool = False) -> bool:
    """True for a stage without limits: with a time limit it may take long, a coroutine waits.

    Parameters
    ----------
    stage : Stage
        Called by tasks that wait for no more than they need.
    timed : bool
        True if it may have a time limit: those behind it do not wait for it.
    """
    return not is_limited(stage) and (timed or stage.timeout is None) and not stage.is_coroutine
