"""The plan of a graph of nothing but quick calls, made from its nodes as they were declared.

All passes would find that they are one region: a task to Dask, whose calls are handed out.
A test holds this plan to be theirs.  But they know calls by their names, and to give ten
thousand calls names and steps takes as long as to make them.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from flowgraph.compiler import shipping
from flowgraph.compiler.coarsen import is_free
from flowgraph.compiler.drafts import Lowered, code_of, new_token
from flowgraph.compiler.keys import keys_of
from flowgraph.compiler.nodes import CallNodes
from flowgraph.compiler.plan import Job, Target
from flowgraph.compiler.regions import too_few
from flowgraph.compiler.steps import NO_ANNOTATIONS
from flowgraph.runtime.calling import OneCall
from flowgraph.runtime.code import Later
from flowgraph.runtime.place import Place
from flowgraph.runtime.region import Region
from flowgraph.runtime.row import Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flowgraph.compiler.batches import Shape
    from flowgraph.compiler.nodes import Columns, NodeInfo
    from flowgraph.declare.node import Called, Handle
    from flowgraph.declare.stage import Stage

    Calls = Sequence[Called[Any]]

__all__ = ["lower_straight"]

_new: Final = tuple.__new__
_needs: Final = attrgetter("needs")
_stage: Final = attrgetter("stage")


def lower_straight(
    calls: Calls, targets: Sequence[Handle], shape: Shape
) -> tuple[Lowered, Sequence[NodeInfo]] | None:
    """The one task of a graph's calls, and its nodes; None if a region is not all that they are.

    Parameters
    ----------
    calls : sequence of Called
        All nodes of the graph, each behind those that it needs.
    targets : sequence of Handle
        Those that are wanted; empty for all that no other needs.
    shape : Shape
        What the plan is made for.
    """
    if shape.far or too_few(len(calls), shape):
        return None
    calls = tuple(calls)  # more may be declared
    read = set(chain.from_iterable(map(_needs, calls)))
    if not targets:
        targets = [call for call in calls if call not in read]
    elif len(read.union(targets)) < len(calls):
        calls = _needed(calls, targets)
        if too_few(len(calls), shape):
            return None
    column = list(map(_stage, calls))
    stages = {stage: number for number, stage in enumerate(dict.fromkeys(column))}
    # A placement is what Dask's scheduler is told of a task.
    if not all(is_free(stage) and not stage.placement for stage in stages):
        return None
    names = {stage: stage.name for stage in stages}
    nodes = CallNodes(list(map(names.__getitem__, column)), partial(_columns, calls))
    return _lowered(calls, targets, stages), nodes


def _needed(calls: Calls, targets: Sequence[Handle]) -> Calls:
    """The calls that targets need, themselves among them."""
    wanted = set(targets)
    kept = []
    for call in reversed(calls):
        if call in wanted:
            wanted.update(call.needs)
            kept.append(call)
    return tuple(reversed(kept))


def _lowered(
    calls: Calls, targets: Sequence[Handle], stages: Mapping[Stage[..., Any], int]
) -> Lowered:
    first, last, token = calls[0].stage.name, calls[-1].stage.name, new_token()
    (key,) = keys_of([f"{first}+…+{last}"], token)
    gives = _places(calls, set(targets))
    place = {calls[k]: place for place, k in enumerate(gives)}
    row = Row(calls, (), range(len(calls)), {stage: stage.function for stage in stages})
    work = Region(
        task=0,
        node=0,
        name=calls[0].name,
        stage=first,
        seals=True,
        calls=Later(partial(_numbered, calls, stages), shipping.dumps),
        gives=gives,
        givers=tuple([Place(k, calls[k].name, calls[k].stage.name) for k in gives]),
        stages={number: stage.name for stage, number in stages.items()},
        row=lambda: row,
    )
    found = [Target(each.name, (key,), "value", place[each]) for each in targets]  # type: ignore[index]
    # Nothing to look at before it travels: a call with more than plain arguments is a step.
    job = Job(key, work, (), NO_ANNOTATIONS, False)
    return Lowered(token, (job,), tuple(found), code_of(list(stages)), ())


def _places(calls: Calls, wanted: set[Handle]) -> tuple[int, ...]:
    if len(wanted) == 1 and calls[-1] in wanted:  # mostly
        return (len(calls) - 1,)
    return tuple([k for k, call in enumerate(calls) if call in wanted])


def _numbered(calls: Calls, stages: Mapping[Stage[..., Any], int]) -> tuple[OneCall, ...]:
    """The calls with numbers for names: of stages, nodes, and places of what they read."""
    calls[0].graph.log.settle()  # names are wanted, all of them
    place: Any = dict(zip(calls, range(len(calls)), strict=True)).__getitem__
    return tuple(
        [
            _new(
                OneCall,
                (
                    stages[call.stage],
                    node,
                    call.name,
                    call.args,
                    call.kwargs,
                    tuple([place(need) for need in call.needs]),
                    True,
                    None,
                ),
            )
            for node, call in enumerate(calls)
        ]
    )


def _columns(calls: Calls) -> Columns:
    calls[0].graph.log.settle()
    return (
        [call.name for call in calls],
        [tuple([need.name for need in call.needs]) for call in calls],
        {},
    )
