"""What the stages behind a source ask of its partitions.

Partitions go through item-wise stages as they are, so a source is cut for all
that follows: batches of a given size, ends at multiples of a batch, few large
partitions for coroutines.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import lcm
from typing import TYPE_CHECKING, Final

from flowgraph.compiler.steps import Chain, reads_items
from flowgraph.declare.steps import Batch, Collection, Each, Source

if TYPE_CHECKING:
    from flowgraph.compiler.dag import Dag
    from flowgraph.declare.stage import Stage
    from flowgraph.declare.steps import Step

__all__ = ["NOTHING", "Wish", "wishes_of"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the stages behind a source ask of its partitions."""

    unit: int = 1
    """Partitions should end at multiples of this."""
    size: int | None = None
    """Items in a batch."""
    pausing: bool = False
    """True if batches run one after the other, the items inside in parallel."""
    gathers: bool = False
    """True if many items are in flight in one task: few large partitions."""
    most: int | None = None
    """So many items are in flight at once, in all; None for the default of each task."""

    def and_also(self, stage: Stage[..., object], factor: int) -> Wish:
        """The wish with what a stage asks for, whose items are ``factor`` of the source's."""
        wish = self
        if stage.is_coroutine:
            limits = (self.most, 1 if stage.sequential else stage.max_concurrency)
            most = min((limit for limit in limits if limit is not None), default=None)
            wish = replace(self, gathers=True, most=most)
        if stage.pause is not None and not self.pausing:
            size = None if stage.batch_size is None else stage.batch_size * factor
            return replace(wish, pausing=True, size=size)
        if stage.batch_size is not None and not self.pausing:
            size = stage.batch_size * factor
            return replace(wish, size=size if self.size is None else min(size, self.size))
        return wish


NOTHING: Final = Wish()


def wishes_of(dag: Dag) -> dict[str, Wish]:
    """The wishes for each source, under its name."""
    wishes: dict[str, Wish] = {}
    origins: dict[str, dict[str, int]] = {}
    for step in dag.steps:
        if isinstance(step, Source):
            origins[step.name] = {step.name: 1}
        elif isinstance(step, (Collection, Chain)):
            origin = origins[step.name] = _origin(step, origins)
            for name, factor in origin.items():
                wish = wishes.get(name, NOTHING)
                if isinstance(step, Batch):
                    wish = replace(wish, unit=lcm(wish.unit, factor))
                for link in step.links if isinstance(step, Chain) else (step,):
                    if isinstance(link, Each):
                        wish = wish.and_also(link.stage, factor)
                wishes[name] = wish
    return wishes


def _origin(step: Step, origins: dict[str, dict[str, int]]) -> dict[str, int]:
    """The sources that a collection's partitions come from; how many of their items make one."""
    times = step.size if isinstance(step, Batch) else 1
    return {
        name: factor * times
        for need in reads_items(step)
        for name, factor in origins.get(need, {}).items()
    }
