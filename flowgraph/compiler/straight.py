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
from flowgraph.compiler.numbered import Numbered
from flowgraph.compiler.plan import Job, Target
from flowgraph.compiler.regions import too_few
from flowgraph.compiler.steps import NO_ANNOTATIONS
from flowgraph.declare.steps import plain_call
from flowgraph.runtime.code import Later
from flowgraph.runtime.place import Place
from flowgraph.runtime.region import Region
from flowgraph.runtime.row import Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flowgraph.compiler.batches import Shape
    from flowgraph.compiler.nodes import Columns, NodeInfo
    from flowgraph.declare.node import Node
    from flowgraph.declare.stage import Stage
    from flowgraph.declare.steps import Call

    Calls = Sequence[Node[Any]]

__all__ = ["lower_straight", "steps_of"]

_kwargs: Final = attrgetter("kwargs")
_needs: Final = attrgetter("needs")
_stage: Final = attrgetter("stage")


def lower_straight(
    calls: Calls, targets: Sequence[Node[Any]], shape: Shape
) -> tuple[Lowered, Sequence[NodeInfo]] | None:
    """The one task of a graph's calls, and its nodes; None if a region is not all that they are.

    Parameters
    ----------
    calls : sequence of Node
        All nodes of the graph, each behind those that it needs.
    targets : sequence of Node
        Those that are wanted; empty for all that no other needs.
    shape : Shape
        What the plan is made for.
    """
    if too_few(len(calls), shape) or (shape.far and any(map(_kwargs, calls))):
        return None  # what goes far is weighed, unless it is plain
    calls = tuple(calls)  # more may be declared
    read = set(chain.from_iterable(map(_needs, calls)))
    if not targets:
        targets = [call for call in calls if call.number not in read]
    wanted = tuple([target.number for target in targets])
    if len(read.union(wanted)) < len(calls):
        return None
    column = list(map(_stage, calls))
    stages = {stage: number for number, stage in enumerate(dict.fromkeys(column))}
    # A placement is what Dask's scheduler is told of a task.
    if not all(is_free(stage, timed=shape.far) and not stage.placement for stage in stages):
        return None
    names = {stage: stage.name for stage in stages}
    nodes = CallNodes(list(map(names.__getitem__, column)), partial(_columns, calls))
    return _lowered(calls, wanted, stages), nodes


def _lowered(calls: Calls, wanted: Sequence[int], stages: Mapping[Stage[..., Any], int]) -> Lowered:
    first, last, token = calls[0].stage.name, calls[-1].stage.name, new_token()
    (key,) = keys_of([f"{first}+…+{last}"], token)
    gives = sorted(set(wanted))
    place = {number: place for place, number in enumerate(gives)}
    row = Row(calls, range(len(calls)), {stage: stage.function for stage in stages})
    work = Region(
        task=0,
        node=0,
        name=calls[0].name,
        stage=first,
        seals=True,
        calls=Later(partial(Numbered, calls, stages), shipping.dumps),
        gives=tuple(gives),
        givers=tuple([Place(k, calls[k].name, calls[k].stage.name) for k in gives]),
        stages={number: stage.name for stage, number in stages.items()},
        row=None if any(stage.timeout is not None for stage in stages) else lambda: row,
    )
    found = tuple([Target(calls[k].name, (key,), "value", place[k]) for k in wanted])
    # Nothing to look at before it travels: a call with more than plain arguments is a step.
    return Lowered(
        token, (Job(key, work, (), NO_ANNOTATIONS, False),), found, code_of(list(stages)), ()
    )


def steps_of(calls: Calls) -> Mapping[str, Call]:
    """The steps that the calls of a graph would have been."""
    names, needs, _ = _columns(calls)
    steps = [
        plain_call(name, reads, call.stage, call.args, call.kwargs)
        for name, reads, call in zip(names, needs, calls, strict=True)
    ]
    return dict(zip(names, steps, strict=True))


def _columns(calls: Calls) -> Columns:
    calls[0].graph.log.settle()
    return (
        [call.name for call in calls],
        [tuple([calls[need].name for need in call.needs]) for call in calls],
        {},
    )
