"""Cut every collection into partitions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from flowgraph.compiler.dag import Chain
from flowgraph.declare.steps import Source, Step
from flowgraph.runtime.cuts import Cuts

if TYPE_CHECKING:
    from flowgraph.compiler.dag import Dag

__all__ = ["cuts_of_sources", "factoring", "partition"]

_UNKNOWN: Final = 1 << 20
"""Length assumed for the shares of a collection whose length is not known."""


def factoring(items: int, workers: int, finest: int = 32) -> tuple[int, ...]:
    """Sizes of batches that balance the load without knowing what items cost.

    Rounds of one batch per worker, each round a quarter of what is left: the
    large ones first, so that they cost few tasks, the small ones last, so that
    all workers end together.

    Parameters
    ----------
    items : int
        Items to cut.
    workers : int
        Tasks that run at once.
    finest : int
        No batch is smaller than one ``finest``-th of a worker's share; up to
        that many items per worker, each is a batch of its own.

    Returns
    -------
    tuple of int
        Sizes, none larger than the one before; a single 0 for no items.

    References
    ----------
    S. F. Hummel, E. Schonberg, L. E. Flynn, "Factoring: a method for
    scheduling parallel loops", Communications of the ACM 35 (8), 1992.

    Examples
    --------
    >>> factoring(64, workers=2, finest=8)
    (8, 8, 6, 6, 5, 5, 4, 4, 4, 4, 4, 4, 2)
    >>> factoring(3, workers=2)
    (1, 1, 1)
    """
    if items <= finest * workers:
        return (1,) * items or (0,)
    least = -(-items // (finest * workers))
    sizes: list[int] = []
    left = items
    while left:
        batch = max(-(-left // (4 * workers)), least)
        for _ in range(workers):
            sizes.append(min(batch, left))
            left -= sizes[-1]
            if not left:
                break
    return tuple(sizes)


def partition(dag: Dag, workers: int, finest: int = 32) -> Dag:
    """The graph with the cuts of each chain's collection.

    Parameters
    ----------
    dag : Dag
        A fused graph.
    workers : int
        Tasks that run at once.
    finest : int
        See `factoring`.
    """
    cuts = cuts_of_sources(dag, workers, finest)
    steps: list[Step] = []
    for step in dag.steps:
        if isinstance(step, Chain):
            cuts[step.name] = cuts[step.needs[0]]
            step = replace(step, cuts=cuts[step.name])  # noqa: PLW2901
        steps.append(step)
    return dag.with_steps(steps)


def cuts_of_sources(dag: Dag, workers: int, finest: int) -> dict[str, Cuts]:
    """The cuts of each source, by its name."""
    made: dict[int, Cuts] = {}
    cuts: dict[str, Cuts] = {}
    for step in dag.steps:
        if isinstance(step, Source):
            length = _UNKNOWN if step.items is None else len(step.items)
            if length not in made:
                made[length] = _ends(factoring(length, workers, finest))
            cuts[step.name] = made[length]
    return cuts


def _ends(sizes: tuple[int, ...]) -> Cuts:
    ends: list[int] = []
    total = 0
    for size in sizes:
        total += size
        ends.append(total)
    return Cuts(tuple(ends))
