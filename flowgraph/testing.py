"""For users' own tests: a graph's value without Dask, as the oracle of what a run must give."""

from __future__ import annotations

from functools import reduce
from itertools import chain
from typing import TYPE_CHECKING, Any

from flowgraph.compiler.dag import Constant, Gathered
from flowgraph.compiler.freeze import bind, check_names, freeze
from flowgraph.compiler.prune import prune
from flowgraph.compiler.validate import validate
from flowgraph.declare.node import names_of
from flowgraph.declare.steps import MISSING, Call, Collect, Count, Each, Fold, Pack, Source
from flowgraph.errors import StageError
from flowgraph.runtime.call import fill
from flowgraph.runtime.scope import here

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flowgraph.compiler.dag import Dag
    from flowgraph.declare.graph import Declarations
    from flowgraph.declare.node import Handle
    from flowgraph.declare.steps import Step

__all__ = ["run_plain"]


def run_plain(
    graph: Declarations, *targets: Handle, params: Mapping[str, Any] | None = None
) -> Any:
    """Compute nodes in this thread, one call after the other, without Dask.

    Nothing is compiled, fused or tried again, and no option of a stage has a
    say: what comes out is what the functions give.  An exception of a function
    arrives as it was raised, so a debugger stops where it happened.

    Parameters
    ----------
    graph : Graph
        The graph.
    *targets : Node or Items
        As for `Graph.run`.
    params : mapping of str to object, optional
        As for `Graph.run`.

    Returns
    -------
    object
        What ``run.value`` is: the value of the target, or the tuple of several.

    Raises
    ------
    GraphError
        For wrong use, before anything runs.
    StageError
        If there is nothing to reduce, and no initial value.

    Examples
    --------
    >>> from flowgraph import Graph
    >>> g = Graph("squares")
    >>> squares = g.items([1, 2, 3]).map(pow, 2)
    >>> run_plain(g, squares, squares.reduce(max))
    ([1, 4, 9], 9)
    """
    names = names_of(graph, targets) if targets else graph.outputs
    dag = freeze(graph.name, graph.steps, names)
    check_names(dag, params or {})
    dag = bind(prune(validate(dag)), params or {})
    values = values_of(dag)
    wanted = tuple(values[name] for name in dag.targets)
    return wanted[0] if len(wanted) == 1 else wanted


def values_of(dag: Dag) -> dict[str, Any]:
    """Compute every step of a graph before it is fused: a collection gives the list of its items.

    Parameters
    ----------
    dag : Dag
        With its parameters bound.
    """
    values: dict[str, Any] = {}
    for step in dag.steps:
        values[step.name] = _value(step, [values[need] for need in step.needs])
    return values


def _value(step: Step, inputs: list[Any]) -> Any:
    match step:
        case Constant():
            return step.value
        case Source():
            return list(inputs[0] if step.items is None else step.items)
        case Call():
            args, kwargs = _arguments(step, inputs)
            return _listed(step.stage.function(*args, **kwargs))
        case Each():
            return _each(step, inputs)
        case Fold():
            return _fold(step, inputs)
        case Pack():
            return fill(step.template, inputs)
        case Collect() | Gathered():
            return list(inputs[0])
        case Count():
            return len(inputs[0])
    raise NotImplementedError(f"{type(step).__name__} '{step.name}'")


def _arguments(step: Call | Each, inputs: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    args = [fill(arg, inputs) for arg in step.args]
    return args, {name: fill(arg, inputs) for name, arg in step.kwargs}


def _each(step: Each, inputs: list[Any]) -> list[Any]:
    items, function = inputs[0], step.stage.function
    args, kwargs = _arguments(step, inputs)
    match step.op:
        case "map":
            return [_listed(function(item, *args, **kwargs)) for item in items]
        case "starmap":
            return [_listed(function(*item, *args, **kwargs)) for item in items]
        case "filter":
            return [item for item in items if function(item, *args, **kwargs)]
        case "flat_map":
            return list(chain.from_iterable(function(item, *args, **kwargs) for item in items))
    raise NotImplementedError(step.op)


def _fold(step: Fold, inputs: list[Any]) -> Any:
    first = [] if step.initial is MISSING else [fill(step.initial, inputs)]
    values = [*first, *inputs[0]]
    if not values:
        error = ValueError("there is nothing to reduce, and no initial value was given")
        raise StageError(step.stage.name, None, 1, here(), [error])
    return reduce(step.stage.function, values)


def _listed(value: Any) -> Any:
    # An iterator could be read only once.
    return list(value) if hasattr(type(value), "__next__") else value
