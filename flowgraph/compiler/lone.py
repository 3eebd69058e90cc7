"""The plan of one free call: what all passes and lowering make of it, written down at once.

They would find nothing to do but to put the call into a task, and take several times as
long as such a call on finding it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowgraph.compiler.constants import own_call
from flowgraph.compiler.drafts import Lowered, code_of, new_token, parcel_of
from flowgraph.compiler.keys import keys_of
from flowgraph.compiler.limits import is_limited
from flowgraph.compiler.plan import Job, Target
from flowgraph.compiler.shipping import Cargo
from flowgraph.compiler.steps import NO_ANNOTATIONS
from flowgraph.declare.arguments import is_plain
from flowgraph.declare.steps import MISSING, Call
from flowgraph.runtime.calls import Calls
from flowgraph.runtime.onecall import OneCall

if TYPE_CHECKING:
    from flowgraph.compiler.dag import Dag
    from flowgraph.runtime.code import Parcel

__all__ = ["lone_call", "lower_lone"]


def lone_call(dag: Dag) -> Call | None:
    """The one call of a graph, if it is all there is, and nothing is said of how it is to run.

    Parameters
    ----------
    dag : Dag
        A declared graph.
    """
    if len(dag.steps) != 1 or len(dag.targets) != 1:
        return None
    (call,) = dag.steps
    if type(call) is not Call or call.name != dag.targets[0] or call.condition is not MISSING:
        return None
    if call.annotations or call.stage.placement or is_limited(call.stage):
        return None
    return call


def lower_lone(call: Call) -> Lowered:
    """The task of the one call of a graph.

    Parameters
    ----------
    call : Call
        What `lone_call` found.
    """
    stage, token = call.stage, new_token()
    parts: tuple[Any, ...] = OneCall(0, 0, call.name, *own_call(call), ())
    parcel: Parcel[tuple[tuple[Any, ...], ...]] = parcel_of((tuple(parts),), plain=is_plain(call))
    work = Calls(task=0, node=0, name=call.name, stage=stage.name, seals=True, calls=parcel)
    keys = tuple(keys_of([stage.name], token))
    return Lowered(
        token,
        (Job(keys[0], work, (), NO_ANNOTATIONS, False),),
        (Target(call.name, keys, "value"),),
        code_of([stage]),
        (Cargo(parcel, (), (call,)),),
    )
