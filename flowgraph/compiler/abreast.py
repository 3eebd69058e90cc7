"""Put coroutine calls into tasks in which they wait side by side.

A worker that awaits one call could await a hundred.  Calls that wait for the same steps share
tasks: none starts later by that, and whoever reads one of them waits no longer than for the
slowest of its companions, with which it is under way.  A limit on how many may run at once
becomes a share of it for each task, as with items.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from flowgraph.compiler.dag import fresh
from flowgraph.compiler.limits import callees, is_limited
from flowgraph.compiler.steps import Group, Series, annotations_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from flowgraph.compiler.dag import Dag
    from flowgraph.declare.steps import Step

__all__ = ["abreast"]


def abreast(dag: Dag, workers: int) -> Dag:
    """The graph with coroutine calls in groups, where there are more than workers.

    Parameters
    ----------
    dag : Dag
        A fused graph.
    workers : int
        Tasks that run at once.
    """
    found = [step for step in dag.steps if isinstance(step, Series) and _waits_abreast(step)]
    if len(found) <= workers:
        return dag
    alike: dict[Hashable, list[Series]] = defaultdict(list)
    for step in found:
        limit = next((id(stage) for stage in callees(step) if is_limited(stage)), None)
        said = repr(sorted(annotations_of(step).items()))
        alike[frozenset(step.needs), frozenset(step.after), limit, said].append(step)
    made: dict[str, Step | None] = {}
    taken = set(dag.by_name())
    for members in alike.values():
        if len(members) > workers:
            for part in _shares(members, _tasks(members[0], workers)):
                first = part[0]
                name = fresh(f"{first.name}…", taken)
                taken.add(name)
                made.update({member.name: None for member in part})
                # Where the first one is, all that they need is there.
                made[first.name] = Group(
                    name=name, needs=first.needs, after=first.after, members=tuple(part)
                )
    steps = [made.get(step.name, step) for step in dag.steps]
    return dag.with_steps([step for step in steps if step is not None])


def _waits_abreast(step: Series) -> bool:
    """True if there is a coroutine in it, and calls of its stages may be made side by side."""
    stages = list(callees(step))
    if any(stage.sequential or stage.pause is not None for stage in stages):
        return False
    limited = [stage for stage in stages if is_limited(stage)]
    return any(s.is_coroutine for s in stages) and all(s.is_coroutine for s in limited)


def _tasks(step: Series, workers: int) -> int:
    """How many tasks calls like this one share."""
    most = [s.max_concurrency for s in callees(step) if s.max_concurrency is not None]
    return min([workers, *most])


def _shares(members: Sequence[Series], tasks: int) -> list[Sequence[Series]]:
    """Members in so many parts of about the same length."""
    ends = [len(members) * k // tasks for k in range(tasks + 1)]
    return [members[begin:end] for begin, end in pairwise(ends)]
