"""All passes in a row, each beside what is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from flowgraph.compiler import story
from flowgraph.compiler.coarsen import coarsen
from flowgraph.compiler.freeze import bind, check_names, freeze
from flowgraph.compiler.fuse import fuse
from flowgraph.compiler.gather import gather
from flowgraph.compiler.keyed import keyed
from flowgraph.compiler.layout import layouts
from flowgraph.compiler.limits import limits
from flowgraph.compiler.lower import lower
from flowgraph.compiler.partition import partition
from flowgraph.compiler.plan import Plan, node_table
from flowgraph.compiler.prune import prune
from flowgraph.compiler.realign import realign
from flowgraph.compiler.regions import regions
from flowgraph.compiler.tree import tree
from flowgraph.compiler.validate import validate
from flowgraph.runtime.calm import no_collections

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flowgraph.compiler.batches import Shape
    from flowgraph.compiler.dag import Dag
    from flowgraph.declare.steps import Step

__all__ = ["compile_graph"]


@dataclass(frozen=True, slots=True)
class _Pass:
    """A pass, and what is said of it."""

    name: str
    make: Callable[[Dag], Dag]
    say: Callable[[Dag, Dag], str]
    """Of the graph before and after."""


_FRONT: Final = (
    _Pass("validate", validate, story.of_validate),
    _Pass("prune", prune, story.of_prune),
)
"""On the nodes that were declared; the report names those that are left."""


def _back(shape: Shape) -> Sequence[_Pass]:
    """The passes that make steps of their own."""
    return (
        _Pass("keyed", keyed, story.of_keyed),
        _Pass("realign", partial(realign, shape=shape), story.of_realign),
        _Pass("gather", gather, story.of_gather),
        _Pass("regions", partial(regions, shape=shape), story.of_regions),
        _Pass("fuse", fuse, story.of_fuse),
        _Pass("coarsen", partial(coarsen, shape=shape), story.of_coarsen),
        _Pass(
            "partition",
            partial(partition, shape=shape),
            partial(story.of_partition, shape=shape),
        ),
        _Pass("tree", tree, story.of_tree),
        _Pass("limits", partial(limits, workers=shape.workers), story.of_limits),
    )


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
    with no_collections():
        return _compiled(freeze(name, steps, targets), params, shape)


def _compiled(declared: Dag, params: Mapping[str, Any], shape: Shape) -> Plan:
    check_names(declared, params)
    wanted, told_first = _through(_FRONT, declared)
    made, told = _through(_back(shape), bind(wanted, params))
    ready = validate(made)
    nodes = node_table(wanted)
    lowered = lower(ready, nodes, layouts(ready, shape))
    return Plan(
        name=declared.name,
        token=lowered.token,
        workers=shape.workers,
        jobs=lowered.jobs,
        nodes=nodes,
        targets=lowered.targets,
        code=lowered.code,
        cargo=lowered.cargo,
        story=(*told_first, *told, ("lower", story.of_lower(lowered, ready))),
    )


def _through(passes: Sequence[_Pass], dag: Dag) -> tuple[Dag, list[tuple[str, str]]]:
    """The graph after all passes, and what is said of each."""
    told = []
    for each in passes:
        before, dag = dag, each.make(dag)
        told.append((each.name, each.say(before, dag)))
    return dag, told
