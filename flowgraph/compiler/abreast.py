"""Put coroutine calls into tasks in which they wait side by side.

A worker that awaits one call could await a hundred.  Calls that wait for the same steps share
tasks, so that none waits for more than before.  Whoever reads one of them waits for all of its
task, so a task has no more than a few times as many calls as may be under way at once in it.
A limit on how many may run at once becomes a share of it for each task, as with items.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Final

from flowgraph.compiler.dag import fresh
from flowgraph.compiler.limits import is_limited, most_at_once
from flowgraph.compiler.steps import Group, Series, annotations_of, callees
from flowgraph.runtime.abreast import SLOTS

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from flowgraph.compiler.dag import Dag
    from flowgraph.declare.steps import Step

__all__ = ["abreast"]

_ROUNDS: Final = 4
"""How many times as many calls a task has as may be under way at once in it."""


def abreast(dag: Dag, workers: int) -> Dag:
    """The graph with coroutine calls in groups, where there are more than workers.

    Parameters
    ----------
    dag : Dag
        A fused graph.
    workers : int
        Tasks that run at once.
    """
    if not any(stage.is_coroutine for stage in dag.stages):
        return dag
    found = [
        step for step in dag.steps if isinstance(step, Series) and _waits_abreast(step, workers)
    ]
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
            for part in _shares(members, workers):
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


def _waits_abreast(step: Series, workers: int) -> bool:
    """True if it begins with a coroutine, of which more may be under way than workers."""
    stages = list(callees(step))
    if any(s.pause is not None or s.rate is not None for s in stages):
        return False
    if any(most_at_once(s) <= workers or not s.is_coroutine for s in stages if is_limited(s)):
        return False
    # What a task takes of a worker's resources, each call in it would take.
    return step.calls[0].stage.is_coroutine and "resources" not in annotations_of(step)


def _shares(members: Sequence[Series], workers: int) -> list[Sequence[Series]]:
    """Members in parts of about the same length: one for each worker, or more."""
    each = min([SLOTS, *(most_at_once(stage) / workers for stage in callees(members[0]))])
    parts = max(workers, ceil(len(members) / (_ROUNDS * each)))
    ends = [len(members) * k // parts for k in range(parts + 1)]
    return [members[begin:end] for begin, end in pairwise(ends)]
