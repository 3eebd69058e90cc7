"""All passes in a row, and what each of them says of its work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowgraph.compiler.dag import Chain, Gathered, Series, members, stages_of
from flowgraph.compiler.freeze import bind, check_names, freeze
from flowgraph.compiler.fuse import fuse
from flowgraph.compiler.gather import gather
from flowgraph.compiler.limits import limits
from flowgraph.compiler.lower import lower
from flowgraph.compiler.partition import cuts_of_sources, partition
from flowgraph.compiler.plan import Plan, node_table
from flowgraph.compiler.prune import prune
from flowgraph.compiler.tree import FAN_IN, tree
from flowgraph.compiler.validate import validate
from flowgraph.declare.steps import Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flowgraph.compiler.dag import Dag
    from flowgraph.compiler.drafts import Lowered
    from flowgraph.declare.steps import Step

__all__ = ["compile_graph"]


def compile_graph(
    name: str,
    steps: Mapping[str, Step],
    targets: tuple[str, ...],
    params: Mapping[str, Any],
    *,
    workers: int,
    finest: int = 32,
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
    workers : int
        Tasks that run at once, at least 1.
    finest : int
        See `flowgraph.compiler.partition.factoring`.

    Raises
    ------
    GraphError
        If there is nothing to run, or a parameter is missing or unknown.
    """
    declared = freeze(name, steps, targets)
    check_names(declared, params)
    valid = validate(declared)
    pruned = bind(prune(valid), params)
    gathered = gather(pruned)
    fused = fuse(gathered)
    cut = partition(fused, workers, finest)
    treed = tree(cut)
    limited = validate(limits(treed))
    nodes = node_table(pruned)
    lowered = lower(limited, nodes, cuts_of_sources(limited, workers, finest))
    story = (
        ("validate", f"{len(valid.steps)} nodes, each after those it needs"),
        ("prune", _said_prune(valid, pruned)),
        ("gather", _said_gather(gathered)),
        ("fuse", _said_fuse(gathered, fused)),
        ("partition", _said_partition(cut, workers, finest)),
        ("tree", _said_tree(treed)),
        ("limits", _said_limits(limited)),
        ("lower", _said_lower(lowered, limited)),
    )
    return Plan(
        name=name,
        token=lowered.token,
        workers=workers,
        tasks=lowered.tasks,
        jobs=lowered.jobs,
        nodes=nodes,
        targets=lowered.targets,
        control=lowered.control,
        cargo=lowered.cargo,
        story=story,
    )


def _said_prune(before: Dag, after: Dag) -> str:
    kept = {step.name for step in after.steps}
    dropped = [step.name for step in before.steps if step.name not in kept]
    if not dropped:
        return "nothing dropped: the targets need every node"
    return f"dropped {_listed(dropped)}: no target needs {'it' if len(dropped) == 1 else 'them'}"


def _said_gather(dag: Dag) -> str:
    lists = [step.needs[0] for step in dag.steps if isinstance(step, Gathered)]
    if not lists:
        return "no collection is read as a whole list"
    return f"one list each of {_listed(lists)}, for the nodes that read it whole"


def _said_fuse(before: Dag, after: Dag) -> str:
    fused = [step for step in after.steps if len(members(step)) > 1]
    if not fused:
        return "nothing to fuse: no two stages in a row without another reader between"
    said = [f"{len(before.steps)} nodes became {len(after.steps)}; one task for each of"]
    said.extend(
        "  " + _listed([member.name for member in members(step)], " → ") for step in fused[:10]
    )
    if len(fused) > 10:
        said.append(f"  and {len(fused) - 10} more")
    return "\n".join(said)


def _said_partition(dag: Dag, workers: int, finest: int) -> str:
    chains = [step for step in dag.steps if isinstance(step, Chain) and step.cuts is not None]
    if not chains:
        return "no collection to cut"
    said = [f"batches by factoring for {workers} workers, large ones first, never under 1/{finest}"]
    said[0] += " of a worker's share"
    unknown = {s.name for s in dag.steps if isinstance(s, Source) and s.items is None}
    for step in chains:
        if step.needs[0] in unknown:
            unknown.add(step.name)
    for step in chains[:10]:
        assert step.cuts is not None
        ends = step.cuts.ends
        sizes = [end - begin for begin, end in zip((0, *ends), ends, strict=False)]
        if step.name in unknown:
            shares = f"{sizes[0] / ends[-1]:.3f} to {sizes[-1] / ends[-1]:.3f}"
            said.append(
                f"  {step.name}: {len(ends)} shares of a length known at run time, {shares}"
            )
        else:
            said.append(f"  {step.name}: {len(ends)} batches of {sizes[0]} to {sizes[-1]} items")
    return "\n".join(said)


def _said_tree(dag: Dag) -> str:
    trees = [step for step in dag.steps if isinstance(step, Chain) and step.levels]
    if not trees:
        return "no reduction"
    return "\n".join(
        f"{step.name}: {' → '.join(map(str, step.levels))} partial results, {FAN_IN} to a task"
        for step in trees
    )


def _said_limits(dag: Dag) -> str:
    lanes = {}
    for step in dag.steps:
        if isinstance(step, (Chain, Series)) and step.lane is not None:
            lanes[step.lane] = next(s.name for s in stages_of(step) if s.sequential)
    if not lanes:
        return "no stage is limited"
    return f"one task after the other, in item order: {_listed(list(lanes.values()))}"


def _said_lower(lowered: Lowered, dag: Dag) -> str:
    return (
        f"{len(lowered.tasks)} Dask tasks, {len(dag.targets)} of them wanted"
        if len(dag.targets) != 1
        else f"{len(lowered.tasks)} Dask tasks for 1 target"
    )


def _listed(names: list[str], glue: str = ", ") -> str:
    if len(names) <= 6:
        return glue.join(names)
    return glue.join([*names[:3], "…", names[-1]]) + f" ({len(names)})"
