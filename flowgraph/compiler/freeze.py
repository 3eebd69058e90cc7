"""From the builder that users hold to a Dag: what is wanted, with its parameters bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowgraph.compiler.dag import Dag
from flowgraph.compiler.steps import Constant
from flowgraph.declare.include import sinks_of
from flowgraph.declare.steps import MISSING, Parameter, Step
from flowgraph.errors import GraphError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["bind", "freeze"]


def freeze(name: str, steps: Mapping[str, Step], targets: tuple[str, ...]) -> Dag:
    """The declared graph as a value.

    Parameters
    ----------
    name : str
        Name of the graph.
    steps : mapping of str to Step
        All declared steps, in order.
    targets : tuple of str
        The steps whose values are wanted.  None given: all that no other
        step needs.

    Raises
    ------
    GraphError
        If there is nothing to run.
    """
    if not steps:
        raise GraphError.empty(name)
    if not targets:
        targets = sinks_of(steps)
        if not targets:
            raise GraphError.empty(name)
    return Dag(name, tuple(steps.values()), targets)


def bind(dag: Dag, params: Mapping[str, object]) -> Dag:
    """Replace every parameter by its value.

    Parameters
    ----------
    dag : Dag
        A pruned graph: a parameter that nothing needs may stay without value.
    params : mapping of str to object
        Values by name; the others take their defaults.

    Raises
    ------
    GraphError
        If a parameter has neither value nor default.
    """
    if Parameter not in dag.kinds:
        return dag
    missing = [
        step.name
        for step in dag.steps
        if isinstance(step, Parameter) and step.name not in params and step.default is MISSING
    ]
    if missing:
        raise GraphError.missing_parameters(dag.name, missing)

    def bound(step: Step) -> Step:
        if not isinstance(step, Parameter):
            return step
        return Constant(name=step.name, value=params.get(step.name, step.default))

    return dag.with_steps(map(bound, dag.steps))


def check_names(dag: Dag, params: Mapping[str, object]) -> None:
    """Refuse values for parameters that the graph does not have.

    Raises
    ------
    GraphError
        With the names that it has.
    """
    if not params:
        return
    known = [step.name for step in dag.steps if isinstance(step, Parameter)]
    unknown = [name for name in params if name not in known]
    if unknown:
        raise GraphError.unknown_parameters(dag.name, unknown, known)
