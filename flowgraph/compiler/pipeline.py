"""All passes in a row, each beside what is said of it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from flowgraph.compiler import story
from flowgraph.compiler.abreast import abreast
from flowgraph.compiler.coarsen import coarsen
from flowgraph.compiler.dag import Dag
from flowgraph.compiler.freeze import bind, check_names, freeze
from flowgraph.compiler.fuse import fuse
from flowgraph.compiler.gather import gather
from flowgraph.compiler.keyed import keyed
from flowgraph.compiler.layout import layouts
from flowgraph.compiler.limits import limits
from flowgraph.compiler.lone import lone_call, lone_node, lower_lone, table_of
from flowgraph.compiler.lower import lower
from flowgraph.compiler.nodes import node_table
from flowgraph.compiler.partition import partition
from flowgraph.compiler.plan import Plan
from flowgraph.compiler.prune import prune
from flowgraph.compiler.realign import realign
from flowgraph.compiler.regions import regions
from flowgraph.compiler.steps import Chain, Combine, Group, Series
from flowgraph.compiler.straight import lower_straight, steps_of
from flowgraph.compiler.tree import tree
from flowgraph.compiler.validate import validate
from flowgraph.declare.steps import (
    Batch,
    Call,
    Collection,
    Count,
    Each,
    Fold,
    Keyed,
    Number,
    Product,
    Zip,
)
from flowgraph.runtime.calm import no_collections

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flowgraph.compiler.batches import Shape
    from flowgraph.compiler.drafts import Lowered
    from flowgraph.compiler.nodes import NodeInfo
    from flowgraph.declare.node import Handle, Node
    from flowgraph.declare.register import Register
    from flowgraph.declare.steps import Step

    _Story = Sequence[tuple[str, Callable[[], str]]]

__all__ = ["compile_declared", "compile_graph"]


_FEW: Final = 500
"""Steps for which nobody holds the collector."""


@dataclass(frozen=True, slots=True)
class _Pass:
    """A pass, and what is said of it."""

    name: str
    make: Callable[[Dag], Dag]
    say: Callable[[Dag, Dag], str]
    """Of the graph before and after."""
    of: frozenset[type[Step]] = field(default=frozenset(), kw_only=True)
    """The kinds of steps that it changes; empty for all."""


_FRONT: Final = (_Pass("prune", prune, story.of_prune),)
"""On the nodes that were declared; the report names those that are left."""

_ARRANGED: Final = frozenset({Number, Zip, Batch})
_ITEMWISE: Final = frozenset({Call, Each, Number, Product, Fold, Count, Combine})
_COLLECTIONS: Final = frozenset(get_args(Collection))
_ONE_BY_ONE: Final = frozenset({Chain, Series, Group})


@lru_cache
def _back(shape: Shape) -> Sequence[_Pass]:
    """The passes that make steps of their own, kept for the next run of this shape."""
    return (
        _Pass("keyed", keyed, story.of_keyed, of=frozenset({Keyed})),
        _Pass("realign", partial(realign, shape=shape), story.of_realign, of=_ARRANGED),
        _Pass("gather", gather, story.of_gather, of=_COLLECTIONS),
        _Pass("regions", partial(regions, shape=shape), story.of_regions, of=frozenset({Call})),
        _Pass("fuse", fuse, story.of_fuse, of=_ITEMWISE),
        _Pass("coarsen", partial(coarsen, shape=shape), story.of_coarsen, of=frozenset({Series})),
        _Pass(
            "abreast",
            partial(abreast, workers=shape.workers),
            story.of_abreast,
            of=frozenset({Series}),
        ),
        _Pass(
            "partition",
            partial(partition, shape=shape),
            partial(story.of_partition, shape=shape),
            of=frozenset({Chain}),
        ),
        _Pass("tree", tree, story.of_tree, of=frozenset({Chain})),
        _Pass("limits", partial(limits, workers=shape.workers), story.of_limits, of=_ONE_BY_ONE),
        _Pass("validate", validate, story.of_validate),
    )


def compile_declared(
    graph: Register, targets: Sequence[Handle], params: Mapping[str, Any], shape: Shape
) -> Plan:
    """Compile a graph as users hold it; see `compile_graph`.

    Parameters
    ----------
    graph : Register
        What was declared.
    targets : sequence of Handle
        What is wanted; empty for all that no other step needs.
    params : mapping of str to object
        Values of parameters.
    shape : Shape
        What the plan is made for.
    """
    calls = graph.calls
    if calls and not params:
        plan = _of_calls(graph.name, calls, cast("Sequence[Node[Any]]", targets), shape)
        if plan is not None:
            return plan
    names = tuple([handle.name for handle in targets])
    return compile_graph(graph.name, graph.steps, names, params, shape)


def _of_calls(
    name: str, calls: Sequence[Node[Any]], targets: Sequence[Node[Any]], shape: Shape
) -> Plan | None:
    """The plan of nothing but calls, if it can be made without steps and passes."""
    if len(calls) == 1:
        call = lone_node(calls[0], targets)
        return None if call is None else _lone(name, call, table_of(call), shape)
    with no_collections() if len(calls) > _FEW else nullcontext():
        straight = lower_straight(calls, targets, shape)
    if straight is None:
        return None
    lowered, nodes = straight
    told = partial(_of_straight, name, tuple(calls), targets, shape)
    return _plan(name, nodes, shape, lowered, told)


def _of_straight(
    name: str, calls: Sequence[Node[Any]], targets: Sequence[Node[Any]], shape: Shape
) -> _Story:
    """What all passes would have said of calls whose plan was made without them."""
    names = tuple([target.name for target in targets])
    return compile_graph(name, steps_of(calls), names, {}, shape).story()


def compile_graph(
    name: str,
    steps: Mapping[str, Step],
    targets: tuple[str, ...],
    params: Mapping[str, Any],
    shape: Shape,
) -> Plan:
    """Compile a declared graph.

    Parameters
    ----------
    name : str
        Name of the graph.
    steps : mapping of str to Step
        All declared steps.
    targets : tuple of str
        What is wanted; empty for all that no other step needs.
    params : mapping of str to object
        Values of parameters.
    shape : Shape
        What the plan is made for.

    Raises
    ------
    GraphError
        If there is nothing to run, or a parameter is missing or unknown.
    """
    # A small graph is no work to the collector.  And it must get to look at all: what it has
    # counted since its last look is lost when it is held, in each of very many small runs.
    with no_collections() if len(steps) > _FEW else nullcontext():
        return _compiled(freeze(name, steps, targets), params, shape)


def _compiled(declared: Dag, params: Mapping[str, Any], shape: Shape) -> Plan:
    check_names(declared, params)
    call = lone_call(declared)
    if call is not None:
        return _lone(declared.name, call, node_table(declared), shape)
    wanted, told_first = _through(_FRONT, declared)
    ready, told = _through(_back(shape), bind(wanted, params))
    nodes = node_table(wanted)
    lowered = lower(ready, nodes, layouts(ready, shape))
    last = "lower", partial(story.of_lower, lowered, ready)
    return _plan(declared.name, nodes, shape, lowered, lambda: (*told_first, *told, last))


def _lone(name: str, call: Call, nodes: Sequence[NodeInfo], shape: Shape) -> Plan:
    return _plan(name, nodes, shape, lower_lone(call), partial(_of_lone, name, call, shape))


def _of_lone(name: str, call: Call, shape: Shape) -> _Story:
    """What all passes would have said of a graph of one call."""
    declared = Dag(name, (call,), (call.name,))
    ready, told = _through((*_FRONT, *_back(shape)), declared)
    lowered = lower(ready, node_table(declared), {})
    return (*told, ("lower", partial(story.of_lower, lowered, ready)))


def _plan(
    name: str,
    nodes: Sequence[NodeInfo],
    shape: Shape,
    lowered: Lowered,
    tell: Callable[[], _Story],
) -> Plan:
    return Plan(
        name=name,
        token=lowered.token,
        workers=shape.workers,
        jobs=lowered.jobs,
        nodes=nodes,
        targets=lowered.targets,
        code=lowered.code,
        cargo=lowered.cargo,
        story=tell,
    )


def _through(passes: Sequence[_Pass], dag: Dag) -> tuple[Dag, _Story]:
    """The graph after all passes, and what can be said of each."""
    told: list[tuple[str, Callable[[], str]]] = []
    for each in passes:
        before = dag
        if not each.of or not each.of.isdisjoint(dag.kinds):
            dag = each.make(dag)
        told.append((each.name, partial(each.say, before, dag)))
    return dag, told
