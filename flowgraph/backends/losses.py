"""What becomes of calls when Dask gives up the stints that were to make them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from distributed import KilledWorker

from flowgraph.backends.flight import worker_died
from flowgraph.runtime.code import Control
from flowgraph.runtime.failure import Failure
from flowgraph.runtime.handover import LostValue
from flowgraph.runtime.outcome import Report
from flowgraph.runtime.report import Lost
from flowgraph.runtime.scope import Scope
from flowgraph.runtime.work import lost

if TYPE_CHECKING:
    from collections.abc import Iterable

    from distributed import Future

    from flowgraph.backends.held import Held
    from flowgraph.runtime.code import Code
    from flowgraph.runtime.outcome import Outcome
    from flowgraph.runtime.place import Place
    from flowgraph.runtime.stint import Stint

__all__ = ["Losses"]

_NO_PART: Final = -1
"""Stands for a stint where the driver itself reports."""


class Losses:
    """Makes failures of calls that were lost.

    Parameters
    ----------
    code : Code
        The stages of the run.
    """

    def __init__(self, code: Code) -> None:
        self._control = Control(code)
        self._kept: dict[Any, Stint] = {}

    def keeps(self, future: Future, stint: Stint) -> None:
        """Know a stint whose values are on a worker, and may be lost later."""
        self._kept[future.key] = stint

    def for_stint(self, stint: Stint, given_back: frozenset[int], error: BaseException) -> Outcome:
        """The outcome of a stint that could not be made: each call failed but those given back."""
        told = self._told(error, stint)
        scope, where = Scope(self._control, stint.task), getattr(told, "worker", "unknown")
        outcome = lost(scope, replace(stint, given_back=given_back), told, where)
        outcome.bundle = scope.bundle(stint.part)
        return outcome

    def for_value(self, found: list[Lost], held: Held, place: Place) -> Failure:
        """What to put for a value that was on a worker, and cannot be made anew.

        Parameters
        ----------
        found : list of Lost
            Added to.
        held : Held
            Where it was.
        place : Place
            Who made it.
        """
        error: BaseException = LostValue()
        if held.future.status == "error":
            error = self._told(held.future.exception(), self._kept[held.future.key])
        where = getattr(error, "worker", "unknown")
        failure = Failure(place.stage, place.name, None, 1, where, (error,))
        found.append(Lost(place.node, None, failure, partial=False))
        return failure

    def report(self, task: int, found: Iterable[Lost]) -> Report:
        """Tells that values of a region were lost."""
        scope = Scope(self._control, task)
        scope.lost.extend(found)
        return Report(scope.bundle(_NO_PART))

    def _told(self, error: BaseException, stint: Stint) -> BaseException:
        """Dask's error in words of ours; it may be that of a stint which this one reads."""
        if not isinstance(error, KilledWorker):
            return error
        return worker_died(self._kept.get(error.task, stint).first, error)
