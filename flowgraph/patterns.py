"""The three patterns, each as a graph that is ready to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowgraph.errors import GraphError
from flowgraph.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from flowgraph.declare.items import Items

__all__ = ["fork_join", "map_reduce", "pipeline"]


def fork_join(
    branches: Mapping[Any, Any] | Sequence[Any], join: Callable[..., Any] | None = None
) -> Graph:
    """Branches side by side, then a join; see `Graph.fork_join`.

    Parameters
    ----------
    branches : dict or sequence
        A branch is a callable without arguments, a ``(fn, *args)`` tuple, or
        a plain value.
    join : callable, optional
        Gets the results; without it the value is the dict or list of results.

    Returns
    -------
    Graph
        Ready to run; its output is what ``join`` gives.

    Raises
    ------
    GraphError
        If there is no branch, or something does not fit.

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

    Parameters
    ----------
    data : iterable
        The items; an iterator is drawn now.
    mapper : callable
        ``mapper(item)``.
    reducer : callable
        ``reducer([mapped, …])``.

    Returns
    -------
    Graph
        Ready to run; its output is what ``reducer`` gives.

    Raises
    ------
    GraphError
        If ``data`` cannot be iterated, or a function does not fit.

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

    Returns
    -------
    Graph
        Ready to run; its output is the last stage's items, or all stages'.

    Raises
    ------
    GraphError
        If there is no stage, or one does not take an item as its only argument.

    Examples
    --------
    >>> pipeline([1, 2], [str, len]).run().value
    [1, 1]
    >>> pipeline([1, 2], [str, len], keep=True).run().value
    (['1', '2'], [1, 1])
    """
    if callable(stages):
        raise GraphError.bad_option("stages", stages, "a list of functions")
    graph = Graph("pipeline")
    items = graph.items(data)
    made: list[Items[Any]] = []
    for stage in stages:
        items = items.map(stage)
        made.append(items)
    if not made:
        raise GraphError.no_stages()
    graph.output(*(made if keep else made[-1:]))
    return graph
