"""Tasks in the form in which Dask's scheduler takes annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dask.task_spec import Task

    from flowgraph.compiler.plan import Key, Plan

__all__ = ["layered"]


def layered(plan: Plan, tasks: Mapping[Key, Task], others: Mapping[Key, Task]) -> Any:
    """The tasks of a plan, with a layer for each set of annotations.

    Never one for each stage or node: Dask drops what is not wanted in a time
    that grows with the square of the number of layers.

    Parameters
    ----------
    plan : Plan
        What runs.
    tasks : mapping
        Some of its tasks, each under its job's key; its own name may be another.
    others : mapping
        Tasks that they need and that nothing is said of.

    Returns
    -------
    dict or HighLevelGraph
        The tasks as they are, if nothing is annotated.
    """
    if not any(job.annotations for job in plan.jobs):
        return {task.key: task for task in (*tasks.values(), *others.values())}
    numbers: dict[str, int] = {}
    layer_of = [numbers.setdefault(_text(job.annotations), len(numbers)) for job in plan.jobs]
    layers: dict[str, dict[Key, Task]] = {f"{plan.token}-{n}": {} for n in range(len(numbers))}
    names = list(layers)
    annotations: dict[str, Mapping[str, Any]] = {}
    needs: dict[str, set[str]] = {name: set() for name in names}
    for job, number in zip(plan.jobs, layer_of, strict=True):
        if (task := tasks.get(job.key)) is None:
            continue
        name = names[number]
        layers[name][task.key] = task
        annotations[name] = job.annotations
        needs[name].update(names[layer_of[need]] for need in job.needs)
        needs[name].discard(name)
    if others:
        first = f"{plan.token}-others"
        layers[first] = {task.key: task for task in others.values()}
        needs = {first: set(), **{name: {*of, first} for name, of in needs.items()}}
    return HighLevelGraph(
        {
            name: MaterializedLayer(layer, annotations=dict(annotations.get(name, {})) or None)
            for name, layer in layers.items()
        },
        needs,
    )


def _text(annotations: Mapping[str, Any]) -> str:
    """The same for equal annotations, which may hold dicts and lists."""
    return repr(sorted(annotations.items()))
