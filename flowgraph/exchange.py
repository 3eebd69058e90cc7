"""Graphs to and from NetworkX."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import networkx as nx

from flowgraph.compiler.steps import stages_of
from flowgraph.declare.steps import kind_of
from flowgraph.errors import GraphError

if TYPE_CHECKING:
    from flowgraph.declare.graph import Declarations

__all__ = ["add_digraph", "digraph_of"]


def digraph_of(graph: Declarations) -> Any:
    """A directed graph of the nodes' names, with an edge for each need."""
    digraph: nx.DiGraph[str] = nx.DiGraph(name=graph.name)
    for step in graph.steps.values():
        stage = next(iter(stages_of(step)), None)
        digraph.add_node(
            step.name,
            stage=None if stage is None else graph.callable_of(stage),
            kind=kind_of(step),
            options={} if stage is None else stage.given,
        )
    for step in graph.steps.values():
        digraph.add_edges_from((need, step.name) for need in dict.fromkeys(step.needs))
        digraph.add_edges_from(
            (before, step.name, {"after": True})
            for before in step.after
            if before not in step.needs
        )
    return digraph


def add_digraph(graph: Declarations, digraph: Any) -> None:
    """Declare a task for each node of a directed graph, which gets its predecessors' values.

    Raises
    ------
    GraphError
        If it is not directed, has a cycle, or a node has no callable as its
        ``stage``.
    """
    if not isinstance(digraph, nx.DiGraph) or digraph.is_multigraph():
        raise GraphError.not_a_digraph(digraph)
    try:
        order = list(nx.lexicographical_topological_sort(digraph, key=_places(digraph).get))
    except nx.NetworkXUnfeasible:
        cycle = [edge[0] for edge in nx.find_cycle(digraph)]
        raise GraphError.cycle(graph.name, [str(node) for node in cycle]) from None
    made: dict[Any, Any] = {}
    for node in order:
        stage = digraph.nodes[node].get("stage")
        if not callable(stage):
            raise GraphError.no_stage_of_node(str(node), stage)
        entering: Any = digraph.in_edges(node, data="after")
        edges = [(made[tail], after) for tail, _, after in entering]
        inputs = [handle for handle, after in edges if not after]
        waited_for = [handle for handle, after in edges if after]
        made[node] = graph.task(stage, *inputs, name=str(node), after=waited_for)


def _places(digraph: Any) -> dict[Any, int]:
    return {node: place for place, node in enumerate(digraph)}
