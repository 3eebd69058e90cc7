"""How each collection is cut, and what is known of its items before the run.

A collection is *straight* while the place of each item is known from its
partition: from its source through everything that gives one item for one.  A
filter or flat_map ends that.  Straight collections that count the same things
and are cut alike lie on one *grid*: their partitions fit side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, get_args

from flowgraph.compiler.batches import cuts_for
from flowgraph.compiler.steps import Chain, Whole, reads_items
from flowgraph.compiler.wishes import NOTHING, wishes_of
from flowgraph.declare.steps import (
    Batch,
    Collection,
    Concat,
    Each,
    Number,
    Product,
    Source,
    Take,
    Zip,
)
from flowgraph.runtime.cuts import Batches, Cuts

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from flowgraph.compiler.batches import Shape
    from flowgraph.compiler.dag import Dag
    from flowgraph.declare.steps import Step

__all__ = ["Layout", "layouts", "misfits_of"]

_CUT: Final = frozenset({*get_args(Collection), Chain})


@dataclass(frozen=True, slots=True)
class Layout:
    """What is known of a collection before the run."""

    cuts: Cuts | Batches
    length: int | None
    """Number of its items; None if that is only known at run time."""
    grid: Hashable = None
    """The same for collections whose partitions fit side by side; None if it is not straight."""
    whole: bool = True
    """True if no item of it can have failed."""

    @property
    def straight(self) -> bool:
        """True if the place of each item is known from its partition."""
        return self.grid is not None

    def batched(self, size: int) -> Layout | None:
        """The layout of batches of this one; None if they would not end where partitions do."""
        if self.length is None or not self.straight or not self.whole:
            return None
        ends = [self.cuts.bounds(part, self.length)[1] for part in range(len(self.cuts))]
        if any(end % size for end in ends if end < self.length):
            return None
        length = -(-self.length // size)
        cuts = Cuts(tuple(-(-end // size) for end in ends))
        return Layout(cuts, length, ("batch", size, self.grid))


def layouts(dag: Dag, shape: Shape) -> dict[str, Layout]:
    """The layout of each collection of a graph, fused or not."""
    if _CUT.isdisjoint(dag.kinds):
        return {}
    wishes = wishes_of(dag)
    made: dict[str, Layout] = {}
    sources: dict[Hashable, Layout] = {}
    numbered: set[str] = set()
    for step in dag.steps:
        if isinstance(step, Number) or (isinstance(step, Whole) and isinstance(step.of, Number)):
            numbered.add(step.name)
        if not isinstance(step, (Collection, Chain)):
            continue
        layout = _derived(step, made, shape)
        if layout is None:  # a source, or what is to become one
            items = step.items if isinstance(step, Source) else None
            length = None if items is None else len(items)
            wish = wishes.get(step.name, NOTHING)
            grid = ("source", step.name) if length is None else ("length", length, wish)
            if grid not in sources:
                sources[grid] = Layout(cuts_for(length, wish, shape), length, grid)
            layout = sources[grid]
            if not numbered.isdisjoint((step.name, *step.needs)):
                # Items that waited for their numbers keep their positions, which are no places.
                layout = replace(layout, grid=None)
        made[step.name] = layout
    return made


def misfits_of(dag: Dag, shape: Shape) -> set[str]:
    """The steps for which partitions do not fit side by side, or do not say their places."""
    if {Number, Zip, Batch}.isdisjoint(map(type, dag.steps)):
        return set()  # no steps that could be
    made = layouts(dag, shape)
    return {
        step.name
        for step in dag.steps
        if isinstance(step, (Number, Zip, Batch)) and _derived(step, made, shape) is None
    }


def _derived(step: Step, made: Mapping[str, Layout], shape: Shape) -> Layout | None:
    """The layout of a step's items, from those of the collections it reads; None if it has none."""
    of = [made[need] for need in reads_items(step) if need in made]
    if not of:
        return None
    first = of[0]
    match step:
        case Chain():
            for link in step.links:
                first = _after(link, first, shape)
            return first
        case Number():
            return first if first.straight else None
        case Each() | Product():
            return _after(step, first, shape)
        case Zip():
            fits = first.straight and all(layout.grid == first.grid for layout in of)
            return replace(first, whole=all(layout.whole for layout in of)) if fits else None
        case Take():
            return _first_items(first, step.count)
        case Batch():
            return first.batched(step.size)
        case Concat():
            return _one_after_the_other(of)
    raise TypeError(type(step).__name__)


def _after(step: Step, layout: Layout, shape: Shape) -> Layout:
    """The layout of what one item-wise step makes of a collection."""
    if isinstance(step, Number):
        return layout
    loose = isinstance(step, Product) or (
        isinstance(step, Each) and step.op in ("filter", "flat_map")
    )
    whole = layout.whole and (shape.halts or isinstance(step, Product))
    if loose:
        return replace(layout, length=None, grid=None, whole=whole)
    return replace(layout, whole=whole)


def _first_items(layout: Layout, count: int) -> Layout:
    if not layout.straight:
        return layout
    grid = ("take", count, layout.grid)
    if layout.length is None:
        return replace(layout, grid=grid)
    ends = (layout.cuts.bounds(part, layout.length)[1] for part in range(len(layout.cuts)))
    cuts = Cuts(tuple(min(count, end) for end in ends))
    return replace(layout, cuts=cuts, length=min(count, layout.length), grid=grid)


def _one_after_the_other(of: Sequence[Layout]) -> Layout:
    count = sum(len(layout.cuts) for layout in of)
    whole = all(layout.whole for layout in of)
    if any(layout.length is None or not layout.straight for layout in of):
        return Layout(Cuts(tuple(range(1, count + 1))), None, None, whole)
    ends: list[int] = []
    start = 0
    for layout in of:
        assert layout.length is not None
        bounds = (layout.cuts.bounds(part, layout.length) for part in range(len(layout.cuts)))
        ends.extend(start + end for _, end in bounds)
        start += layout.length
    grid = ("concat", *(layout.grid for layout in of))
    return Layout(Cuts(tuple(ends)), start, grid, whole)
