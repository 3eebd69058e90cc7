"""Lay out reductions as trees."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from flowgraph.compiler.steps import Chain, Combine
from flowgraph.declare.steps import Fold, Step

if TYPE_CHECKING:
    from flowgraph.compiler.dag import Dag

__all__ = ["FAN_IN", "groups", "tree", "tree_levels"]

FAN_IN: Final = 8
"""Partial results that one task combines."""


def tree_levels(width: int, fan_in: int = FAN_IN, *, skips: bool = False) -> tuple[int, ...]:
    """Number of partial results on each level of a reduction tree.

    Parameters
    ----------
    width : int
        Number of values to reduce, at least 1.
    fan_in : int
        Most values one task combines, at least 2.
    skips : bool
        True if the last values of a level may go to the next one as they are, where they fit
        in: they come late, and whoever waits for them has the others combined by then.

    Returns
    -------
    tuple of int
        Sizes from ``width`` down to 1; each is the one before divided by
        ``fan_in``, rounded up, but for those that skip.  There is always a second
        level: the task there knows that it is the last.

    Raises
    ------
    ValueError
        If ``fan_in`` is below 2: the tree would never narrow.

    Examples
    --------
    >>> tree_levels(10, fan_in=4)
    (10, 3, 1)
    >>> tree_levels(10, fan_in=4, skips=True)
    (10, 4, 1)
    >>> tree_levels(1, fan_in=4)
    (1, 1)
    """
    if fan_in < 2:
        raise ValueError(f"fan_in is {fan_in}, but must be at least 2 for the tree to narrow")
    levels = [width]
    while levels[-1] > 1 or len(levels) == 1:
        full, rest = divmod(levels[-1], fan_in)
        narrow = -(-levels[-1] // fan_in)
        levels.append(full + rest if skips and full and full + rest <= fan_in else narrow)
    return tuple(levels)


def groups(count: int, width: int, fan_in: int = FAN_IN) -> list[int]:
    """How many values of a level go into each of the next one.

    Parameters
    ----------
    count, width : int
        Values of the one and the other.
    fan_in : int
        As for `tree_levels`.

    Examples
    --------
    >>> groups(10, 3, fan_in=4), groups(10, 4, fan_in=4)
    ([4, 4, 2], [4, 4, 1, 1])
    """
    if width > -(-count // fan_in):
        full, rest = divmod(count, fan_in)
        return [fan_in] * full + [1] * rest
    size = -(-count // width)
    return [min(size, count - begin) for begin in range(0, count, size)]


def tree(dag: Dag) -> Dag:
    """The graph with the levels of each reduction."""

    def laid_out(step: Step) -> Step:
        if (
            not isinstance(step, Chain)
            or not isinstance(step.end, (Fold, Combine))
            or step.cuts is None
        ):
            return step
        # Tables are combined in no time beside what it takes to send them once more.
        skips = isinstance(step.end, Combine)
        return replace(step, levels=tree_levels(len(step.cuts), skips=skips))

    return dag.with_steps(map(laid_out, dag.steps))
