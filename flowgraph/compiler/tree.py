"""Lay out reductions as trees."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from flowgraph.compiler.steps import Chain, Combine
from flowgraph.declare.steps import Fold, Step

if TYPE_CHECKING:
    from flowgraph.compiler.dag import Dag

__all__ = ["FAN_IN", "tree", "tree_levels"]

FAN_IN: Final = 8
"""Partial results that one task combines."""


def tree_levels(width: int, fan_in: int) -> tuple[int, ...]:
    """Number of partial results on each level of a reduction tree.

    Parameters
    ----------
    width : int
        Number of values to reduce, at least 1.
    fan_in : int
        Most values one task combines, at least 2.

    Returns
    -------
    tuple of int
        Sizes from ``width`` down to 1; each is the one before divided by
        ``fan_in``, rounded up.  There is always a second level: the task there
        knows that it is the last.

    Raises
    ------
    ValueError
        If ``fan_in`` is below 2: the tree would never narrow.

    Examples
    --------
    >>> tree_levels(10, fan_in=4)
    (10, 3, 1)
    >>> tree_levels(1, fan_in=4)
    (1, 1)
    """
    if fan_in < 2:
        raise ValueError(f"fan_in is {fan_in}, but must be at least 2 for the tree to narrow")
    levels = [width, -(-width // fan_in)]
    while levels[-1] > 1:
        levels.append(-(-levels[-1] // fan_in))
    return tuple(levels)


def tree(dag: Dag, fan_in: int = FAN_IN) -> Dag:
    """The graph with the levels of each reduction."""

    def laid_out(step: Step) -> Step:
        if (
            not isinstance(step, Chain)
            or not isinstance(step.end, (Fold, Combine))
            or step.cuts is None
        ):
            return step
        return replace(step, levels=tree_levels(len(step.cuts), fan_in))

    return dag.with_steps(map(laid_out, dag.steps))
