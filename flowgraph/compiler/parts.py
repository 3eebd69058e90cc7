"""How the tasks of a chain get at the partitions of what they read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flowgraph.declare.steps import Batch, Concat, Source, Step, Take, Zip
from flowgraph.runtime.arrange import Remaining
from flowgraph.runtime.call import PLAIN
from flowgraph.runtime.heads import Beside, First, Given, Left, Lists, Passed, Shifted, Slice
from flowgraph.runtime.partition import Partition
from flowgraph.runtime.sections import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flowgraph.compiler.drafts import Drafts, Read
    from flowgraph.compiler.layout import Layout
    from flowgraph.runtime.heads import Head

__all__ = ["Part", "Parts"]

_FEW: Final = 100
"""Items that are looked at to see whether they are plain."""


@dataclass(frozen=True, slots=True)
class Part:
    """One partition: what makes it, and the tasks whose values that takes."""

    head: Head
    reads: tuple[Read, ...] = ()


class Parts:
    """The partitions of each collection, made when they are first asked for.

    Parameters
    ----------
    drafts : Drafts
        Takes what partitions of concrete sources travel in.
    known : mapping of str to Layout
        How each collection is cut.
    """

    def __init__(self, drafts: Drafts, known: Mapping[str, Layout]) -> None:
        self._drafts = drafts
        self._known = known
        self._made: dict[str, list[Part]] = {}

    def passed(self, name: str, tasks: Sequence[Read]) -> None:
        """The partitions of a collection are what these tasks give."""
        self._made[name] = [Part(Passed(), (task,)) for task in tasks]

    def sliced(self, name: str, task: Read) -> None:
        """The partitions of a collection are slices of what a task gives."""
        cuts = self._known[name].cuts
        self._made[name] = [Part(Slice(part, cuts), (task,)) for part in range(len(cuts))]

    def arrange(self, step: Step, add: Callable[..., int]) -> None:
        """The partitions of a collection are put together of others.

        Parameters
        ----------
        step : Step
            The collection.
        add : callable
            Adds a task for a step.  It is not kept: in a circle of references
            the user's items would outlive the run.
        """
        self._made[step.name] = list(self._arranged(step, add))

    def of(self, name: str) -> list[Part]:
        """The partitions of a collection."""
        return self._made[name]

    def _arranged(self, step: Step, add: Callable[..., int]) -> list[Part]:
        of = [self._made[need] for need in step.needs]
        match step:
            case Source(items=items) if items is not None:
                return self._given(step.name, items)
            case Zip():
                return [_beside(parts) for parts in zip(*of, strict=True)]
            case Batch(size=size):
                return [Part(Lists(part.head, size), part.reads) for part in of[0]]
            case Take():
                return self._taken(step, of[0], add)
            case Concat():
                return self._one_after_the_other(step, of)
        raise TypeError(type(step).__name__)

    def _given(self, name: str, items: Sequence[Any]) -> list[Part]:
        cuts = self._known[name].cuts
        told = f"items of '{name}'", items
        made = []
        for begin, end in [cuts.bounds(part, len(items)) for part in range(len(cuts))]:
            part = Partition(Section(items, begin, end), range(begin, end))
            # Of few items most of the time goes into a pickler that takes whatever comes.
            plain = end - begin <= _FEW and PLAIN.issuperset(map(type, items[begin:end]))
            made.append(Part(Given(self._drafts.parcel(part, told, plain=plain))))
        return made

    def _taken(self, step: Take, parts: list[Part], add: Callable[..., int]) -> list[Part]:
        if self._known[step.needs[0]].straight:
            return [Part(First(part.head, step.count), part.reads) for part in parts]
        # Where places are not known a partition must know how many came before it.
        found: list[Part] = []
        left: tuple[Read, ...] = ()
        for place, part in enumerate(parts):
            if left:
                found.append(Part(Left(part.head), (*part.reads, *left)))
            else:
                found.append(Part(First(part.head, step.count, start=0), part.reads))
            if place + 1 < len(parts):
                reads = (*part.reads, *left)
                task = add(step, "take", Remaining, reads, head=part.head, count=step.count)
                left = (task,)
        return found

    def _one_after_the_other(self, step: Concat, of: list[list[Part]]) -> list[Part]:
        parts = [part for parts in of for part in parts]
        layout = self._known[step.name]
        if layout.length is None:
            return parts
        starts = [layout.cuts.bounds(place, layout.length)[0] for place in range(len(parts))]
        return [
            Part(Shifted(part.head, start), part.reads)
            for part, start in zip(parts, starts, strict=True)
        ]


def _beside(parts: tuple[Part, ...]) -> Part:
    return Part(Beside(tuple(p.head for p in parts)), tuple(n for p in parts for n in p.reads))
