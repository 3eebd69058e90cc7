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
from flowgraph.compiler.nodes import NodeInfo
from flowgraph.compiler.plan import Job, Target
from flowgraph.compiler.shipping import Cargo
from flowgraph.compiler.steps import NO_ANNOTATIONS
from flowgraph.declare.arguments import is_plain
from flowgraph.declare.steps import MISSING, Call, plain_call
from flowgraph.runtime.calls import Calls
from flowgraph.runtime.onecall import OneCall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowgraph.compiler.dag import Dag
    from flowgraph.declare.node import Node
    from flowgraph.declare.stage import Stage
    from flowgraph.runtime.code import Parcel

__all__ = ["lone_call", "lone_node", "lower_lone", "table_of"]


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
    return None if call.annotations or _is_bound(call.stage) else call


def _is_bound(stage: Stage[..., Any]) -> bool:
    """True if something is said of when or where its calls are to run."""
    return bool(stage.placement) or is_limited(stage)


def lone_node(node: Node[Any], targets: Sequence[Node[Any]]) -> Call | None:
    """The call of the only node of a graph, if nothing is said of how it is to run.

    Parameters
    ----------
    node : Node
        A call as it was declared.
    targets : sequence of Node
        What is wanted; empty for it.

    Returns
    -------
    Call or None
        None also if it is wanted twice.
    """
    if len(targets) > 1 or _is_bound(node.stage):
        return None
    return plain_call(node.name, (), node.stage, node.args, node.kwargs)


def table_of(call: Call) -> Sequence[NodeInfo]:
    """What the report knows of it."""
    return (NodeInfo(call.name, call.stage.name, 1),)


def lower_lone(call: Call) -> Lowered:
    """The task of the one call of a graph.

    Parameters
    ----------
    call : Call
        What `lone_call` or `lone_node` found.
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
