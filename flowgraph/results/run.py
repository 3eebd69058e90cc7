"""A run: its values, its errors, its timings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from flowgraph.declare.node import Handle
from flowgraph.errors import FlowgraphError, SkippedError, StageError
from flowgraph.errors.wording import quoted
from flowgraph.results.saved import load, save
from flowgraph.results.stats import Attempt, StageTable, Stats, attempts_of
from flowgraph.results.tables import stage_rows, stats_of
from flowgraph.runtime.failure import Failure

if TYPE_CHECKING:
    import weakref
    from collections.abc import Mapping
    from os import PathLike

    from flowgraph.compiler.plan import Key, Target
    from flowgraph.declare.register import Register
    from flowgraph.results.account import Account
    from flowgraph.runtime.outcome import Outcome

__all__ = ["Kept", "Run"]


@dataclass(frozen=True, slots=True)
class Kept:
    """What a run has in the process that ran it: its targets' values."""

    graph: weakref.ref[Register]
    """Whoever asks for a node of it keeps the graph alive; the run alone need not."""
    targets: tuple[Target, ...]
    outcomes: Mapping[Key, Outcome]


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

    def __init__(self, account: Account, kept: Kept | None = None) -> None:
        self._account = account
        self._kept = kept
        self._values: dict[str, Any] = {}

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the targets, in order."""
        return self._account.targets

    @property
    def value(self) -> Any:
        """The value of the target; a tuple if there are several, one for each as they were given.

        Raises
        ------
        StageError
            If it failed.
        SkippedError
            If something it needs failed.
        FlowgraphError
            If the run was loaded from a file, which has no values.
        """
        values = tuple(self._value(name) for name in self._account.targets)
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
            If it was no target of this run, or is a node of another graph.
        """
        name = node.name if isinstance(node, Handle) else node
        if not isinstance(name, str) or name not in self._account.targets:
            raise KeyError(
                f"{name!r} was no target of this run, so its value was not kept; "
                f"its targets were {quoted(self._account.targets)}. Name it in g.run(…)."
            )
        if isinstance(node, Handle) and self._kept and node.graph is not self._kept.graph():
            raise KeyError(
                f"{node!r} was no target of this run, which is of another graph, "
                f"'{self._account.name}'. Run its own graph, or ask for run[{name!r}]."
            )
        return self._value(name)

    def _value(self, name: str) -> Any:
        if self._kept is None:
            raise FlowgraphError.loaded_without_values(name)
        if name not in self._values:
            target = next(each for each in self._kept.targets if each.node == name)
            self._values[name] = self._read(target, self._kept.outcomes)
        return self._values[name]

    def _read(self, target: Target, found: Mapping[Key, Outcome]) -> Any:
        if any(key not in found for key in target.keys):
            # The run ended before it came: it may have been told of, all the same.
            failures = self._account.failures
            for failure in failures:
                if failure.node == target.node:
                    raise failure.to_error()
            raise SkippedError(target.node, failures[0].node if failures else None)
        outcomes = [target.of(found[key]) for key in target.keys]
        for outcome in outcomes:
            if isinstance(outcome.missing, Failure):
                raise outcome.missing.to_error()
            if outcome.missing is not None:
                skip = outcome.missing
                raise SkippedError(target.node, skip.because, failed=skip.failed)
        try:
            values = [outcome.value for outcome in outcomes]
        except Exception as error:
            raise FlowgraphError.unreadable(target.node, error) from error
        if target.kind == "value":
            return values[0]
        items: list[Any] = []
        for part in values:
            if part.failed:
                items += part.with_errors()
            else:
                part.add_to(items)
        return items

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Run cannot be pickled, as its values may be anything: "
            "run.save(path) and Run.load(path) keep its records, run.value is what it gave."
        )

    def save(self, path: str | PathLike[str]) -> None:
        """Write records, graph and error texts into a file, as JSON; no values.

        Raises
        ------
        GraphError
            If the file cannot be written.
        """
        save(self._account, path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Run:
        """The run that `save` wrote: all but its values.

        Loading runs no code of whoever wrote the file.

        Raises
        ------
        GraphError
            If the file cannot be read, or is not a saved run.

        Examples
        --------
        >>> import os, tempfile
        >>> from flowgraph import Graph
        >>> g = Graph("squares")
        >>> run = g.run(g.items([1, 2, 3]).map(pow, 2))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "run.json")
        ...     run.save(path)
        ...     Run.load(path).stats.completed
        3
        """
        return cls(load(path))

    @property
    def ok(self) -> bool:
        """True if nothing failed."""
        return not self._account.failures

    @cached_property
    def errors(self) -> list[StageError]:
        """Every final failure, in the order in which they arrived: not that of the items."""
        return [failure.to_error() for failure in self._account.failures]

    @cached_property
    def stages(self) -> StageTable:
        """One row per stage, in the order of the graph; prints as a table."""
        return StageTable(stage_rows(self._account))

    @cached_property
    def stats(self) -> Stats:
        """The run as a whole."""
        return stats_of(self.stages, self._account.wall, self._account.workers)

    @cached_property
    def attempts(self) -> list[Attempt]:
        """The timing records, by their start."""
        return attempts_of(self._account.nodes, self._account.bundles.values())

    def __repr__(self) -> str:
        stats = self.stats
        return (
            f"<Run of '{self._account.name}': {stats.completed} of {stats.total} calls "
            f"completed in {stats.wall:.3g} s>"
        )
