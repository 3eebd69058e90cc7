"""A graph as a part of another one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flowgraph.declare.arguments import Freezer
from flowgraph.declare.steps import MISSING, Collection, Pack, Parameter, Step
from flowgraph.declare.tasks import Tasks
from flowgraph.errors import GraphError
from flowgraph.runtime.call import Nest, Slot

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flowgraph.declare.graph import Declarations
    from flowgraph.declare.node import Node

__all__ = ["include", "sinks_of"]


def include(outer: Declarations, inner: Declarations, params: Mapping[str, Any]) -> Node[Any]:
    """Copy what the outputs of a graph need into another one; see `Graph.include`."""
    if not isinstance(inner, Tasks):
        raise GraphError.includes_no_graph(inner)
    if outer is inner:
        raise GraphError.includes_itself(outer.name)
    outputs = inner.outputs or sinks_of(inner.steps)
    if not outputs:
        raise GraphError.empty(inner.name)
    needed = _needed(inner.steps, outputs)
    _check(inner, needed, params)
    # All mistakes come out before the first node is added.
    given = {name: _frozen(outer, value) for name, value in params.items()}
    name = outer.new_name(None, inner.name)
    names = {step: f"{name}/{step}" for step in needed}
    if taken := [step for step in names.values() if step in outer.nodes]:
        raise GraphError.name_taken(taken[0], outer.name)
    for step in needed:
        if step in given:
            added = _given(inner.steps[step], names[step], *given[step])
        else:
            added = _renamed(inner.steps[step], names)
        if isinstance(added, Collection):
            outer.add_items(added)
        else:
            outer.add_node(added)
    template = Slot(0) if len(outputs) == 1 else Nest(tuple, tuple(map(Slot, range(len(outputs)))))
    needs = tuple(names[output] for output in outputs)
    return outer.add_node(Pack(name=name, needs=needs, template=template))


def sinks_of(steps: Mapping[str, Step]) -> tuple[str, ...]:
    """The steps that no other step needs, without parameters."""
    read = {need for step in steps.values() for need in (*step.needs, *step.after)}
    return tuple(
        step.name
        for step in steps.values()
        if step.name not in read and not isinstance(step, Parameter)
    )


def _needed(steps: Mapping[str, Step], outputs: Iterable[str]) -> list[str]:
    """The steps that the outputs need, in order."""
    wanted = set(outputs)
    for step in reversed(tuple(steps.values())):
        if step.name in wanted:
            wanted.update(step.needs, step.after)
    return [name for name in steps if name in wanted]


def _check(inner: Declarations, needed: Iterable[str], params: Mapping[str, Any]) -> None:
    known = [step for step in inner.steps.values() if isinstance(step, Parameter)]
    names = [step.name for step in known]
    unknown = [name for name in params if name not in names]
    if unknown:
        raise GraphError.unknown_parameters(inner.name, unknown, names)
    needed = set(needed)
    missing = [
        step.name
        for step in known
        if step.name in needed and step.name not in params and step.default is MISSING
    ]
    if missing:
        raise GraphError.parameters_left_out(inner.name, missing)


def _frozen(outer: Declarations, value: Any) -> tuple[Any, tuple[str, ...]]:
    """The template of a parameter's value, and the nodes that it needs: no others wait for them."""
    freezer = Freezer(outer)
    return freezer.template(value), freezer.needs


def _given(step: Step, name: str, template: Any, needs: tuple[str, ...]) -> Step:
    """What stands in the place of a parameter that has a value."""
    if isinstance(template, (Slot, Nest)):
        return Pack(name=name, needs=needs, template=template)
    assert isinstance(step, Parameter)
    return replace(step, name=name, default=template)


def _renamed(step: Step, names: Mapping[str, str]) -> Step:
    return replace(
        step,
        name=names[step.name],
        needs=tuple(names[need] for need in step.needs),
        after=tuple(names[before] for before in step.after),
    )
