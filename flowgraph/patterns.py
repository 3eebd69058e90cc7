"""The three patterns, each as a graph that is ready to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowgraph.errors import GraphError
from flowgraph.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["fork_join", "map_reduce", "pipeline"]


def fork_join(
    branches: Mapping[Any, Any] | Sequence[Any], join: Callable[..., Any] | None = None
) -> Graph:
    """Branches side by side, then a join; see `Graph.fork_join`.

    Examples
    --------
    >>> fork_join({"a": (len, "abc"), "b": 4}, join=dict).run().value
    {'a': 3, 'b': 4}
    """
    graph = Graph("fork_join")
    graph.output(graph.fork_join(branches, join))
    return graph


def map_reduce(
    data: Iterable[Any], mapper: Callable[..., Any], reducer: Callable[[list[Any]], Any]
) -> Graph:
    """A mapper for each item, then one reducer; see `Items.map_reduce`.

    Examples
    --------
    >>> map_reduce(["a", "bcd"], len, sum).run().value
    4
    """
    graph = Graph("map_reduce")
    graph.output(graph.items(data).map_reduce(mapper, reducer))
    return graph


def pipeline(
    data: Iterable[Any], stages: Sequence[Callable[..., Any]], keep: bool = False
) -> Graph:
    """Items through several stages; see `Items.pipeline`.

    Parameters
    ----------
    data : iterable
        The items.
    stages : sequence of callable
        At least one.
    keep : bool
        True to make every stage's items an output.

    Examples
    --------
    >>> pipeline([1, 2], [str, len]).run().value
    [1, 1]
    >>> pipeline([1, 2], [str, len], keep=True).run().value
    (['1', '2'], [1, 1])
    """
    if not stages:
        raise GraphError.no_stages()
    graph = Graph("pipeline")
    items = graph.items(data)
    made = []
    for stage in stages:
        items = items.map(stage)
        made.append(items)
    graph.output(*(made if keep else made[-1:]))
    return graph
