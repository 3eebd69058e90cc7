"""Turn limits on stages into lanes: edges between tasks, the same on every backend.

A lane belongs to a stage object, whatever nodes use it, and goes through its
tasks in the order of the graph and of the items.  A stage that is to run n
times at once has n lanes; one with a rate has lanes that each start attempts
at a part of it.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

from flowgraph.compiler.steps import Chain, Group, Lanes, Series, callees

if TYPE_CHECKING:
    from flowgraph.compiler.dag import Dag
    from flowgraph.declare.stage import Stage
    from flowgraph.declare.steps import Step

__all__ = ["is_limited", "limits", "most_at_once"]


def is_limited(stage: Stage[..., object]) -> bool:
    """True if calls of the stage must not run whenever a worker is free."""
    return (
        stage.sequential
        or stage.max_concurrency is not None
        or stage.rate is not None
        or stage.pause is not None
    )


def limits(dag: Dag, workers: int) -> Dag:
    """The graph with lanes for each limited stage.

    Parameters
    ----------
    dag : Dag
        A fused graph.
    workers : int
        Tasks that run at once.
    """
    if not any(map(is_limited, dag.stages)):
        return dag
    lanes: dict[int, Lanes] = {}

    def laned(step: Step) -> Step:
        if not isinstance(step, (Chain, Series, Group)):
            return step
        limited = [stage for stage in callees(step) if is_limited(stage)]
        if not limited:
            return step
        stage = min(limited, key=most_at_once)  # the strictest holds for all of the step's
        if id(stage) not in lanes:
            lanes[id(stage)] = _lanes(step.name, stage, workers)
        return replace(step, lanes=lanes[id(stage)])

    return dag.with_steps(map(laned, dag.steps))


def most_at_once(stage: Stage[..., object]) -> float:
    """How many attempts of a stage may run at once; infinite if nothing is said of them."""
    if stage.sequential:
        return 1
    return inf if stage.max_concurrency is None else stage.max_concurrency


def _lanes(name: str, stage: Stage[..., object], workers: int) -> Lanes:
    most = 1 if stage.sequential else stage.max_concurrency
    if most is None and stage.rate is None:  # only pauses: inside a batch all may run at once
        return Lanes(name, 0, pause=stage.pause)
    # Attempts of coroutines share a task; those of functions have one each.
    count = workers if most is None else min(most, workers) if stage.is_coroutine else most
    slots = most if stage.is_coroutine else None
    interval = 0.0 if stage.rate is None else count / stage.rate
    return Lanes(name, count, slots, interval, stage.pause)
