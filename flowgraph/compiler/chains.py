"""From a chain of item-wise stages to a task for each partition, and the tree behind them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from flowgraph.compiler.constants import own, own_call
from flowgraph.compiler.steps import Combine, stages_of
from flowgraph.compiler.tasks import prefix_of
from flowgraph.compiler.tree import groups
from flowgraph.declare.steps import MISSING, Count, Each, Fold, Number, Product
from flowgraph.runtime import light, work
from flowgraph.runtime.abreast import SLOTS
from flowgraph.runtime.call import Nest, Slot, renumber
from flowgraph.runtime.chain import FREE, ChainPart, LinkPlan
from flowgraph.runtime.cuts import Batches
from flowgraph.runtime.keyed import KeyedPlan
from flowgraph.runtime.merge import Merge, MergeKeys
from flowgraph.runtime.place import Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flowgraph.compiler.drafts import Read
    from flowgraph.compiler.parts import Part
    from flowgraph.compiler.steps import Chain
    from flowgraph.compiler.tasks import Tasks
    from flowgraph.declare.steps import Keyed

    End = Literal["list", "count"] | LinkPlan | KeyedPlan

__all__ = ["lower_chain"]

MergeOf = Callable[[bool, int], "tuple[type[work.Work], tuple[Read, ...], dict[str, Any]]"]
"""What a merge is, given whether it is the last one, and how many partial results it takes."""


def lower_chain(tasks: Tasks, step: Chain) -> None:
    """Add the tasks of a chain."""
    match step.end:
        case None:
            tasks.have(step.name, _parts(tasks, step, "list"))
        case Count():
            tasks.value(step, "count", light.Total, _parts(tasks, step, "count"))
        case Fold():
            _fold(tasks, step, step.end)
        case Combine(of=keyed):
            _combine(tasks, step, keyed)


def _parts(tasks: Tasks, step: Chain, end: End) -> list[int]:
    """Add a task for each partition."""
    places = {need: place for place, need in enumerate(step.needs[1:])}
    each = [link for link in step.links if isinstance(link, Each)]
    plans = tuple(_link(tasks, link, places) for link in step.links)
    fields = {
        "links": tasks.drafts.parcel(plans, calls=each),
        "end": end,
        "in_order": any(stage.sequential for stage in stages_of(step)),
        "owes": tuple(
            Place(tasks.drafts.number(link.name), link.name, link.stage.name, link.op)
            for link in each
        ),
    }
    others = [tasks.of(need) for need in step.needs[1:]]
    parts = tasks.parts.of(step.needs[0])
    if step.lanes is None:
        return [_part(tasks, step, part, others, fields) for part in parts]
    batch = step.cuts.split if isinstance(step.cuts, Batches) else 1
    made = []
    for place, part in enumerate(parts):
        slots = tasks.queues.share(step.lanes)
        beat = tasks.queues.beat(step.lanes)
        limits = {"beat": beat, "slots": SLOTS if slots is None else slots}
        made.append(_part(tasks, step, part, others, {**fields, **limits}))
        if (place + 1) % batch == 0:
            tasks.end_batch(step, step.lanes, parts[place + 1 : place + 2])
    return made


def _part(
    tasks: Tasks, step: Chain, part: Part, others: Sequence[Read], fields: Mapping[str, Any]
) -> int:
    reads = (*part.reads, *others)
    return tasks.add(step, prefix_of(step), ChainPart, reads, head=part.head, **fields)


def _link(tasks: Tasks, link: Each | Number | Product, places: Mapping[str, int]) -> LinkPlan:
    number = tasks.drafts.number(link.name)
    if isinstance(link, Number):
        return LinkPlan(FREE, number, link.name, "enumerate")
    slots = (-1, *(places[need] for need in link.needs[1:]))
    if isinstance(link, Product):
        return LinkPlan(FREE, number, link.name, "product", (Slot(slots[1]),))
    args, kwargs = own_call(link)
    return LinkPlan(
        tasks.drafts.stage(link.stage),
        number,
        link.name,
        link.op,
        tuple(renumber(arg, slots) for arg in args),
        tuple((key, renumber(arg, slots)) for key, arg in kwargs),
    )


def _fold(tasks: Tasks, step: Chain, fold: Fold) -> None:
    op = LinkPlan(tasks.drafts.stage(fold.stage), tasks.drafts.number(step.name), step.name, "map")
    nothing: Any = tasks.drafts.parcel(())
    template = () if fold.initial is MISSING else (fold.initial,)
    slots = tuple(range(-1, len(fold.needs) - 1))
    initial = Nest(tuple, tuple(renumber(item, slots) for item in own(*template)))
    owned = [(f"initial value of '{step.name}'", item) for item in template]
    start = tasks.drafts.parcel(initial, *owned)
    others = tuple(tasks.of(need) for need in fold.needs[1:])

    def merge(last: bool, size: int) -> tuple[type[work.Work], tuple[Read, ...], dict[str, Any]]:
        fields = {"op": op, "initial": start if last else nothing, "partials": size}
        return Merge, others if last else (), fields

    _tree(tasks, step, _parts(tasks, step, op), merge)


def _combine(tasks: Tasks, step: Chain, keyed: Keyed) -> None:
    stage = tasks.drafts.stage
    plan = KeyedPlan(
        tasks.drafts.number(keyed.name),
        keyed.name,
        stage(keyed.key),
        None if keyed.op is None else stage(keyed.op),
        None if keyed.value is None else stage(keyed.value),
    )
    _tree(tasks, step, _parts(tasks, step, plan), lambda *_: (MergeKeys, (), {"keyed": plan}))


def _tree(tasks: Tasks, step: Chain, partials: Sequence[int], merge: MergeOf) -> None:
    """Add the merges of partial results, level by level."""
    for width in step.levels[1:]:
        last = width == 1
        merged, rest = [], iter(partials)
        for size in groups(len(partials), width):
            group = list(islice(rest, size))
            if size == 1 and not last:
                merged += group
                continue
            kind, others, fields = merge(last, len(group))
            reads = (*group, *others)
            merged.append(tasks.add(step, prefix_of(step), kind, reads, last=last, **fields))
        partials = merged
    tasks.have(step.name, partials)
