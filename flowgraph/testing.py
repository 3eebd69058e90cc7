"""For users' own tests: a graph's value without Dask, as the oracle of what a run must give."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from inspect import isgeneratorfunction
from itertools import chain, product
from typing import TYPE_CHECKING, Any

from flowgraph.compiler.freeze import bind, check_names, freeze
from flowgraph.compiler.prune import prune
from flowgraph.compiler.steps import Combine, Constant, Gathered, Whole
from flowgraph.compiler.validate import validate
from flowgraph.declare.node import names_of
from flowgraph.declare.steps import (
    MISSING,
    Batch,
    Call,
    Collect,
    Concat,
    Count,
    Each,
    Fold,
    Keyed,
    Number,
    Pack,
    Product,
    Source,
    Take,
    Zip,
)
from flowgraph.errors import SkippedError, StageError
from flowgraph.errors.stage import nothing_to_reduce
from flowgraph.runtime.call import fill, listed
from flowgraph.runtime.loop import run_alone
from flowgraph.runtime.scope import here

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flowgraph.compiler.dag import Dag
    from flowgraph.declare.graph import Declarations
    from flowgraph.declare.node import Handle
    from flowgraph.declare.stage import Stage
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
    SkippedError
        If a condition is false that the target needs to be true.
    BaseException
        Whatever a function of the graph raises, as it was raised.

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
    wanted = tuple(_given(values, name) for name in dag.targets)
    return wanted[0] if len(wanted) == 1 else wanted


def values_of(dag: Dag) -> dict[str, Any]:
    """Compute every step of a graph before it is fused: a collection gives the list of its items.

    What a false condition leaves out, and all that needs it, has a stand-in.

    Parameters
    ----------
    dag : Dag
        With its parameters bound.
    """
    values: dict[str, Any] = {}
    for step in dag.steps:
        inputs = [values[need] for need in step.needs]
        skipped = [value for value in inputs if isinstance(value, _Skipped)]
        values[step.name] = skipped[0] if skipped else _value(step, inputs)
    return values


@dataclass(frozen=True)
class _Skipped:
    """Stands for a value that is not computed."""

    because: str


def _given(values: Mapping[str, Any], name: str) -> Any:
    value = values[name]
    if isinstance(value, _Skipped):
        raise SkippedError(name, value.because, failed=False)
    return value


def _value(step: Step, inputs: list[Any]) -> Any:  # noqa: PLR0911  one line for each kind of step
    match step:
        case Constant():
            return step.value
        case Source():
            return list(inputs[0] if step.items is None else step.items)
        case Call():
            return _call(step, inputs)
        case Each():
            return _each(step, inputs)
        case Fold():
            return _fold(step, inputs)
        case Keyed():
            return _keyed(step, inputs[0])
        case Combine() | Whole():
            return _value(step.of, inputs)
        case Pack():
            return fill(step.template, inputs)
        case Collect(as_dict=True):
            return dict(inputs[0])
        case Collect() | Gathered():
            return list(inputs[0])
        case Count():
            return len(inputs[0])
        case Number():
            return list(enumerate(inputs[0]))
        case Zip():
            return list(zip(*inputs, strict=True))
        case Concat():
            return list(chain(*inputs))
        case Product():
            return list(product(*inputs))
        case Batch(size=size):
            return [inputs[0][begin : begin + size] for begin in range(0, len(inputs[0]), size)]
        case Take(count=count):
            return inputs[0][:count]
    raise NotImplementedError(f"{type(step).__name__} '{step.name}'")


def _call(step: Call, inputs: list[Any]) -> Any:
    stage = step.stage
    if step.condition is not MISSING and not fill(step.condition, inputs):
        if step.otherwise is None:
            return _Skipped(step.name)
        stage = step.otherwise
    args, kwargs = _arguments(step, inputs)
    return listed(_plain(stage)(*args, **kwargs))


def _keyed(step: Keyed, items: list[Any]) -> list[tuple[Any, Any]]:
    groups: dict[Any, list[Any]] = {}
    for item in items:
        groups.setdefault(step.key.function(item), []).append(item)
    if step.op is None:
        return list(groups.items())
    op, value = _plain(step.op), None if step.value is None else step.value.function
    return [
        (key, reduce(op, group if value is None else map(value, group)))
        for key, group in groups.items()
    ]


def _plain(stage: Stage[..., Any]) -> Callable[..., Any]:
    """A stage as a function that gives a value, also if it must be awaited."""
    if not stage.is_coroutine:
        return stage.function
    return lambda *args, **kwargs: run_alone(stage.function(*args, **kwargs))


def _arguments(step: Call | Each, inputs: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    args = [fill(arg, inputs) for arg in step.args]
    return args, {name: fill(arg, inputs) for name, arg in step.kwargs}


def _each(step: Each, inputs: list[Any]) -> list[Any]:
    items, function = inputs[0], _plain(step.stage)
    args, kwargs = _arguments(step, inputs)
    match step.op:
        case "map":
            made = [function(item, *args, **kwargs) for item in items]
            return list(map(list, made)) if isgeneratorfunction(function) else made
        case "starmap":
            made = [function(*item, *args, **kwargs) for item in items]
            return list(map(list, made)) if isgeneratorfunction(function) else made
        case "filter":
            return [item for item in items if function(item, *args, **kwargs)]
        case "flat_map":
            return list(chain.from_iterable(function(item, *args, **kwargs) for item in items))
        case "values":
            return [(key, listed(function(value, *args, **kwargs))) for key, value in items]
    raise NotImplementedError(step.op)


def _fold(step: Fold, inputs: list[Any]) -> Any:
    first = [] if step.initial is MISSING else [fill(step.initial, inputs)]
    values = [*first, *inputs[0]]
    if not values:
        why = nothing_to_reduce(step.name)
        raise StageError(step.stage.name, None, 1, here(), [why], step.name)
    return reduce(_plain(step.stage), values)
