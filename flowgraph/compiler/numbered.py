"""Calls with numbers for names, as other processes get them: made as far as somebody looks."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final

from flowgraph.runtime.onecall import OneCall

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flowgraph.declare.node import Node
    from flowgraph.declare.stage import Stage

__all__ = ["Numbered"]

_new: Final = tuple.__new__


class Numbered(Sequence[OneCall]):
    """The calls of a graph by numbers: of stages, nodes, and places of what they read.

    A process is at the first ones while those behind them are given names and made.

    Parameters
    ----------
    calls : sequence of Node
        All nodes of the graph.
    stages : mapping of Stage to int
        The numbers of their stages.
    """

    __slots__ = ("_calls", "_lock", "_made", "_stages")

    def __init__(self, calls: Sequence[Node[Any]], stages: Mapping[Stage[..., Any], int]) -> None:
        self._calls = calls
        self._stages = stages
        self._made: list[OneCall] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[OneCall]:
        return iter(self._upto(len(self._calls)))

    def __getitem__(self, place: Any) -> Any:
        if not isinstance(place, slice):
            number = range(len(self._calls))[place]
            return self._upto(number + 1)[number]
        begin, end, step = place.indices(len(self._calls))
        if step != 1:
            return list(self)[place]
        return self._upto(end)[begin:end]

    def _upto(self, count: int) -> list[OneCall]:
        """At least so many of them."""
        made, stages = self._made, self._stages
        if len(made) < count:
            with self._lock:
                calls = self._calls[len(made) : count]
                self._calls[0].graph.log.settle(count)
                parts = [
                    (stages[c.stage], c.number, c.name, c.args, c.kwargs, c.needs, True, None)
                    for c in calls
                ]
                made += map(_new, repeat(OneCall), parts)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (list(self),)
