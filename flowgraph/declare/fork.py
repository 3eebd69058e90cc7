"""Branches side by side, and what joins them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flowgraph.declare.arguments import Freezer
from flowgraph.declare.steps import Call, Pack
from flowgraph.errors import GraphError
from flowgraph.runtime.call import Nest, Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flowgraph.declare.node import Node
    from flowgraph.declare.register import Register
    from flowgraph.declare.stage import Stage

__all__ = ["fork_join"]

_RESULTS = "a value from each branch, in order"
_NAMED = "a value from each branch, by its name"


def fork_join(graph: Register, branches: Any, join: Callable[..., Any] | None) -> Node[Any]:
    """Add the nodes of a fork_join to a graph; see `Graph.fork_join`."""
    keys, listed = _keys_and_branches(branches)
    if not listed:
        raise GraphError.no_branches()
    joining = None if join is None else graph.stage_of(join)
    if joining is not None and keys is None:
        joining.check((None,) * len(listed), {}, gets=_RESULTS)
    elif joining is not None:
        if not all(isinstance(key, str) for key in keys or ()):
            raise GraphError.keys_not_text(branches)
        joining.check((), dict.fromkeys(keys or ()), gets=_NAMED)
    # All mistakes come out before the first node is added.
    freezer = Freezer(graph)
    names = [None if key is None else str(key) for key in keys or (None,) * len(listed)]
    parts = [
        _part(graph, freezer, branch, name) for branch, name in zip(listed, names, strict=True)
    ]
    results = [
        freezer.template(_add(graph, part, name)) if isinstance(part, _Branch) else part
        for part, name in zip(parts, names, strict=True)
    ]
    if joining is None:
        template = _packed(keys, results)
        name = graph.new_name(None, "fork_join")
        return graph.add_node(Pack(name=name, needs=freezer.needs, template=template))
    named = keys is not None
    step = Call(
        name=graph.new_name(None, joining.name),
        needs=freezer.needs,
        stage=joining,
        args=() if named else tuple(results),
        kwargs=tuple(zip(keys or (), results, strict=True)) if named else (),
    )
    return graph.add_node(step)


@dataclass(frozen=True, slots=True)
class _Branch:
    """A branch that calls a stage."""

    stage: Stage[..., Any]
    args: tuple[Any, ...]
    needs: tuple[str, ...]


def _keys_and_branches(branches: Any) -> tuple[tuple[Any, ...] | None, list[Any]]:
    if isinstance(branches, Mapping):
        return tuple(branches), list(branches.values())
    if isinstance(branches, (str, bytes)) or not isinstance(branches, Iterable):
        raise GraphError.bad_option("branches", branches, "a dict or a list of branches")
    return None, list(branches)


def _part(graph: Register, freezer: Freezer, branch: Any, name: str | None) -> Any:
    """A branch that is called; of a node or a plain value its template."""
    if isinstance(branch, tuple) and branch and callable(branch[0]):
        function, *args = branch
    elif callable(branch):
        function, args = branch, []
    else:
        return freezer.template(branch)
    stage = graph.stage_of(function, name or None)
    stage.check(args, {})
    inner = Freezer(graph)
    return _Branch(stage, inner.args(args), inner.needs)


def _add(graph: Register, branch: _Branch, name: str | None) -> Node[Any]:
    step = Call(
        name=graph.new_name(None, name or branch.stage.name),
        needs=branch.needs,
        stage=branch.stage,
        args=branch.args,
        kwargs=(),
    )
    return graph.add_node(step)


def _packed(keys: tuple[Any, ...] | None, results: Sequence[Any]) -> Any:
    if not any(isinstance(result, (Slot, Nest)) for result in results):
        return list(results) if keys is None else dict(zip(keys, results, strict=True))
    return Nest(list if keys is None else dict, tuple(results), keys)
