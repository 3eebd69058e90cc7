"""What `Plan.explain` says of each pass, from the graph before it and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowgraph.compiler.batches import VERY_MANY
from flowgraph.compiler.layout import layouts
from flowgraph.compiler.limits import is_limited
from flowgraph.compiler.steps import (
    Chain,
    Combine,
    Gathered,
    Group,
    Region,
    Series,
    Whole,
    callees,
    members,
)
from flowgraph.compiler.tree import FAN_IN
from flowgraph.runtime.cuts import Batches

if TYPE_CHECKING:
    from flowgraph.compiler.batches import Shape
    from flowgraph.compiler.dag import Dag
    from flowgraph.compiler.drafts import Lowered
    from flowgraph.compiler.layout import Layout
    from flowgraph.compiler.steps import Lanes

__all__ = [
    "of_abreast",
    "of_coarsen",
    "of_fuse",
    "of_gather",
    "of_keyed",
    "of_limits",
    "of_lower",
    "of_partition",
    "of_prune",
    "of_realign",
    "of_regions",
    "of_tree",
    "of_validate",
]


def of_validate(before: Dag, after: Dag) -> str:
    """How many nodes there are."""
    return f"{len(after.steps)} nodes, each after those it needs"


def of_prune(before: Dag, after: Dag) -> str:
    """What was dropped."""
    kept = {step.name for step in after.steps}
    dropped = [step.name for step in before.steps if step.name not in kept]
    if not dropped:
        return "nothing dropped: the targets need every node"
    return f"dropped {_listed(dropped)}: no target needs {'it' if len(dropped) == 1 else 'them'}"


def of_regions(before: Dag, after: Dag) -> str:
    """Which calls are handed out in stints."""
    found = [step for step in after.steps if isinstance(step, Region)]
    if not found:
        return "no single calls to hand out by themselves"
    calls = sum(len(step.calls) for step in found)
    tasks = "1 task" if len(found) == 1 else f"{len(found)} tasks"
    return f"{calls} single calls are {tasks} to Dask, handed out as they become ready"


def of_keyed(before: Dag, after: Dag) -> str:
    """What is combined by keys."""
    names = [step.of.name for step in after.steps if isinstance(step, Combine)]
    if not names:
        return "nothing is combined by keys"
    return f"combined inside each partition first, then in a tree: {_listed(names)}"


def of_realign(before: Dag, after: Dag) -> str:
    """What waits for whole collections."""
    names = [step.of.name for step in after.steps if isinstance(step, Whole)]
    if not names:
        return "no barrier: places of items are known where they are asked for"
    return f"wait for all that is before them, to know the places of items: {_listed(names)}"


def of_gather(before: Dag, after: Dag) -> str:
    """Which collections are read whole."""
    lists = [step.needs[0] for step in after.steps if isinstance(step, Gathered)]
    if not lists:
        return "no collection is read as a whole list"
    return f"one list each of {_listed(lists)}, for the nodes that read it whole"


def of_fuse(before: Dag, after: Dag) -> str:
    """What runs as one task."""
    fused = [s for s in after.steps if not isinstance(s, Region) and len(members(s)) > 1]
    if not fused:
        return "nothing to fuse: no two stages in a row without another reader between"
    said = [f"{len(before.steps)} nodes became {len(after.steps)}; one task for each of"]
    said.extend(
        "  " + _listed([member.name for member in members(step)], " → ") for step in fused[:10]
    )
    if len(fused) > 10:
        said.append(f"  and {len(fused) - 10} more")
    return "\n".join(said)


def of_coarsen(before: Dag, after: Dag) -> str:
    """Which calls share tasks."""
    groups = [step for step in after.steps if isinstance(step, Group)]
    if not groups:
        return "no level has so many single calls that they should share tasks"
    calls = sum(len(group.members) for group in groups)
    sizes = sorted(len(group.members) for group in groups)
    return f"{calls} single calls share {len(groups)} tasks, {sizes[0]} to {sizes[-1]} in each"


def of_abreast(before: Dag, after: Dag) -> str:
    """Which coroutine calls share tasks."""
    known = {step.name for step in before.steps}
    groups = [s for s in after.steps if isinstance(s, Group) and s.name not in known]
    if not groups:
        return "no more coroutine calls than workers that wait for the same"
    calls = sum(len(group.members) for group in groups)
    return f"{calls} coroutine calls share {len(groups)} tasks, in which they wait side by side"


def of_partition(before: Dag, after: Dag, *, shape: Shape) -> str:
    """How collections are cut."""
    chains = [step for step in after.steps if isinstance(step, Chain)]
    if not chains:
        return "no collection to cut"
    known = layouts(after, shape)
    said = [
        f"batches by factoring for {shape.workers} workers, large ones first, never under "
        f"1/{shape.finest} of a worker's share"
    ]
    if shape.finest_of_many != shape.finest:
        said[0] += f" (1/{shape.finest_of_many} of more than {VERY_MANY} items a worker)"
    said.extend(f"  {step.name}: {_cut(known[step.needs[0]])}" for step in chains[:10])
    return "\n".join(said)


def _cut(layout: Layout) -> str:
    parts, length = len(layout.cuts), layout.length
    if isinstance(layout.cuts, Batches):
        split = f", each in {layout.cuts.split} parts" if layout.cuts.split > 1 else ""
        return f"batches of {layout.cuts.size} items{split}, {parts} tasks"
    if not layout.straight:
        return f"{parts} partitions, as it comes in them"
    if length is None:
        ends = layout.cuts.ends
        shares = [(end - begin) / ends[-1] for begin, end in zip((0, *ends), ends, strict=False)]
        told = f"{shares[0]:.3f} to {shares[-1]:.3f}"
        return f"{parts} shares of a length known at run time, {told}"
    bounds = [layout.cuts.bounds(part, length) for part in range(parts)]
    sizes = [end - begin for begin, end in bounds]
    told = f"{sizes[0]} to {sizes[-1]}" if sizes[0] != sizes[-1] else f"{sizes[0]}"
    return f"{parts} batches of {told} items"


def of_tree(before: Dag, after: Dag) -> str:
    """How reductions are laid out."""
    trees = [step for step in after.steps if isinstance(step, Chain) and step.levels]
    if not trees:
        return "no reduction"
    return "\n".join(
        f"{step.name}: {' → '.join(map(str, step.levels))} partial results, {FAN_IN} to a task"
        for step in trees
    )


def of_limits(before: Dag, after: Dag) -> str:
    """Which tasks wait for one another."""
    found = {}
    for step in after.steps:
        if isinstance(step, (Chain, Series, Group)) and step.lanes is not None:
            name = next(stage.name for stage in callees(step) if is_limited(stage))
            found[step.lanes.name] = f"  {name}: {_limit(step.lanes)}"
    if not found:
        return "no stage is limited"
    return "\n".join(["tasks wait for one another:", *found.values()])


def _limit(lanes: Lanes) -> str:
    said = []
    if lanes.count == 1:
        said.append("one task after the other, in item order")
    elif lanes.count:
        said.append(f"{lanes.count} lanes, in each one task after the other")
    if lanes.slots is not None:
        said.append(f"{lanes.slots} attempts at once in all")
    if lanes.interval:
        said.append(f"{lanes.interval:.3g} s from start to start in a lane")
    if lanes.pause is not None:
        said.append(f"{lanes.pause:g} s between batches")
    return "; ".join(said)


def of_lower(lowered: Lowered, dag: Dag) -> str:
    """How many Dask tasks there are."""
    return (
        f"{len(lowered.jobs)} Dask tasks, {len(dag.targets)} of them wanted"
        if len(dag.targets) != 1
        else f"{len(lowered.jobs)} Dask tasks for 1 target"
    )


def _listed(names: list[str], glue: str = ", ") -> str:
    if len(names) <= 6:
        return glue.join(names)
    return glue.join([*names[:3], "…", names[-1]]) + f" ({len(names)})"
