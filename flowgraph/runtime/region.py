"""The calls of a part of the graph that go together, as a task of a plan.

A region is one task to Dask: a part of the graph that has nothing but single
calls.  Whoever has it hands out its calls as they become ready, in stints: see
`flowgraph.runtime.stint`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from flowgraph.runtime.record import record
from flowgraph.runtime.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flowgraph.runtime.code import Parcel
    from flowgraph.runtime.onecall import OneCall
    from flowgraph.runtime.place import Place
    from flowgraph.runtime.row import Row

__all__ = ["Region"]


@record
class Region(Work):
    """The calls of a part of the graph: never done as a whole, but in stints."""

    light: ClassVar[bool] = False

    calls: Parcel[Sequence[OneCall]]
    """Each behind those that it needs."""
    gives: tuple[int, ...]
    """Which calls' values others read."""
    givers: tuple[Place, ...]
    """The nodes of these."""
    stages: Mapping[int, str]
    """The names of their stages, by number."""
    row: Callable[[], Row] | None = None
    """Gives the calls as they were declared, if nothing but a function is called for any."""

    @property
    def maker(self) -> tuple[Place, ...]:
        """The nodes that made the values."""
        return self.givers
