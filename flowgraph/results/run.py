"""A run: its values, its errors, its timings."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from flowgraph.errors import FlowgraphError, SkippedError, StageError
from flowgraph.results.stats import Attempt, StageTable, Stats, attempts_of
from flowgraph.results.tables import stage_rows, stats_of
from flowgraph.runtime.failure import Failure

if TYPE_CHECKING:
    from flowgraph.compiler.plan import Key, Target
    from flowgraph.results.ledger import Ledger
    from flowgraph.runtime.outcome import Outcome

__all__ = ["Run"]


class Run:
    """What `Graph.run` gives back.

    Examples
    --------
    >>> from flowgraph import Graph
    >>> g = Graph("squares")
    >>> squares = g.items([1, 2, 3]).map(pow, 2)
    >>> run = g.run(squares)
    >>> run.value, run.ok, run.stats.completed
    ([1, 4, 9], True, 3)
    """

    def __init__(self, ledger: Ledger, workers: int) -> None:
        self._ledger = ledger
        self._workers = workers
        self._targets = {target.node: target for target in ledger.plan.targets}
        self._values: dict[str, Any] = {}

    @property
    def value(self) -> Any:
        """The value of the target; a tuple if there are several.

        Raises
        ------
        StageError
            If it failed.
        SkippedError
            If something it needs failed.
        """
        values = tuple(self._value(target) for target in self._targets.values())
        return values[0] if len(values) == 1 else values

    def __getitem__(self, node: Any) -> Any:
        """The value of one target.

        Parameters
        ----------
        node : Node, Items or str
            The target or its name.

        Raises
        ------
        StageError, SkippedError
            If it has no value.
        KeyError
            If it was no target of this run.
        """
        name = node if isinstance(node, str) else getattr(node, "name", None)
        target = self._targets.get(name) if isinstance(name, str) else None
        if target is None:
            wanted = ", ".join(map(repr, self._targets))
            raise KeyError(
                f"{name!r} was no target of this run, so its value was not kept; "
                f"its targets were {wanted}. Name it in g.run(…)."
            )
        return self._value(target)

    def _value(self, target: Target) -> Any:
        if target.node not in self._values:
            self._values[target.node] = self._read(target)
        return self._values[target.node]

    def _read(self, target: Target) -> Any:
        outcomes = [self._outcome(target, key) for key in target.keys]
        for outcome in outcomes:
            if isinstance(outcome.missing, Failure):
                raise outcome.missing.to_error()
            if outcome.missing is not None:
                raise SkippedError(target.node, outcome.missing.because)
        try:
            values = [outcome.value for outcome in outcomes]
        except Exception as error:
            raise FlowgraphError.unreadable(target.node, error) from error
        if target.kind == "value":
            return values[0]
        return [value for part in values for value in part.with_errors()]

    def _outcome(self, target: Target, key: Key) -> Outcome:
        outcome = self._ledger.outcomes.get(key)
        if outcome is None:
            because = self._ledger.failures[0].node if self._ledger.failures else target.node
            raise SkippedError(target.node, because)
        return outcome

    @property
    def ok(self) -> bool:
        """True if nothing failed."""
        return not self._ledger.failures

    @cached_property
    def errors(self) -> list[StageError]:
        """Every final failure, as it arrived."""
        return self._ledger.errors()

    @cached_property
    def stages(self) -> StageTable:
        """One row per stage, in the order of the graph; prints as a table."""
        ledger = self._ledger
        return StageTable(stage_rows(ledger.plan, ledger.bundles, ledger.counts, ledger.started))

    @cached_property
    def stats(self) -> Stats:
        """The run as a whole."""
        return stats_of(self.stages, self._ledger.wall, self._workers)

    @cached_property
    def attempts(self) -> list[Attempt]:
        """The timing records, by their start."""
        return attempts_of(self._ledger.plan, self._ledger.bundles.values())

    def __repr__(self) -> str:
        stats = self.stats
        return (
            f"<Run of '{self._ledger.plan.name}': {stats.completed} of {stats.total} calls "
            f"completed in {stats.wall:.3g} s>"
        )
