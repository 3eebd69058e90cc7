"""The graph that users hold: what can be declared, and what can be done with it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Literal

from flowgraph.backends.choice import check_workers, choose
from flowgraph.compiler.pipeline import compile_graph
from flowgraph.compiler.shipping import rebuild_tracebacks
from flowgraph.declare.graph import Declarations
from flowgraph.declare.node import names_of
from flowgraph.errors import FlowgraphError, GraphError
from flowgraph.results.ledger import Ledger
from flowgraph.results.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from distributed import Client

    from flowgraph.compiler.plan import Plan
    from flowgraph.declare.node import Handle
    from flowgraph.results.progress import Progress

__all__ = ["Graph"]


class Graph(Declarations):
    """A graph of stages: nodes are declared on it, then it is run.

    Parameters
    ----------
    name : str
        Shown in pictures, reports and errors.

    Examples
    --------
    >>> g = Graph("hello")
    >>> words = g.items(["hello", "world"]).map(str.title)
    >>> g.run(g.task(" ".join, words)).value
    'Hello World'
    """

    def run(
        self,
        *targets: Handle,
        params: Mapping[str, Any] | None = None,
        scheduler: str | Client | None = None,
        workers: int | None = None,
        on_error: Literal["raise", "collect"] = "raise",
        progress: Callable[[Progress], object] | None = None,
    ) -> Run:
        """Compute nodes, and wait for them.

        Parameters
        ----------
        *targets : Node or Items
            What is wanted; default what `output` set, else all nodes that no
            other node reads.
        params : mapping of str to object, optional
            Values of parameters; taken as they are.
        scheduler : str or distributed.Client, optional
            ``"sync"``, ``"threads"``, ``"processes"``, ``"distributed"`` (a
            cluster on this machine, for this run), a client, or the address of
            a Dask scheduler.  Default the active Dask client, else threads.
        workers : int, optional
            Threads, processes or LocalCluster workers; default the machine's
            cores.  With a client or address it only shapes the plan.
        on_error : {"raise", "collect"}
            ``"raise"``: the first final failure stops what has not started.
            ``"collect"``: everything that can run runs.
        progress : callable, optional
            Gets a `Progress` whenever a stage is further; what it raises ends
            the run.

        Returns
        -------
        Run
            Values, errors, timings.

        Raises
        ------
        GraphError
            For wrong use, before anything runs.
        CompileError
            If something cannot travel to another process, before anything runs.
        SchedulerError
            If a scheduler does not answer.
        StageError
            With ``on_error="raise"``: the first final failure.  Its ``run``
            has the targets that were finished.
        """
        if on_error not in ("raise", "collect"):
            raise GraphError.bad_option("on_error", on_error, "'raise' or 'collect'")
        if progress is not None and not callable(progress):
            raise GraphError.bad_option("progress", progress, "a callable")
        names = self._targets(targets)
        check_workers(workers)
        if scheduler == "distributed":
            # Mistakes in the graph come out before a cluster is started for it.
            self._compile(names, params, workers or 1, 1)
        with choose(scheduler, workers) as backend:
            plan = self._compile(names, params, backend.workers, backend.finest)
            rebuild_tracebacks()
            halts = on_error == "raise"
            ledger = Ledger(plan, halts=halts, progress=progress)
            try:
                backend.run(
                    plan, ledger.take, threading.Event(), halts=halts, live=progress is not None
                )
            except FlowgraphError as error:
                ledger.close()
                error.run = Run(ledger, backend.workers)
                raise
            ledger.close()
            return Run(ledger, backend.workers)

    def compile(
        self,
        *targets: Handle,
        params: Mapping[str, Any] | None = None,
        workers: int | None = None,
    ) -> Plan:
        """What would run.

        Parameters
        ----------
        *targets : Node or Items
            As for `run`.
        params : mapping of str to object, optional
            As for `run`.
        workers : int, optional
            Tasks that run at once; default the machine's cores.

        Returns
        -------
        Plan
            With the Dask graph in ``dask``, and ``explain()``.

        Raises
        ------
        GraphError
            For wrong use.

        Examples
        --------
        >>> import dask
        >>> g = Graph("squares")
        >>> plan = g.compile(g.items([1, 2, 3]).map(pow, 2), workers=2)
        >>> dask.get(plan.dask, plan.keys)
        ([1, 4, 9],)
        """
        check_workers(workers)
        return self._compile(self._targets(targets), params, workers or os.cpu_count() or 1, 32)

    def _targets(self, targets: tuple[Handle, ...]) -> tuple[str, ...]:
        return names_of(self, targets) if targets else self.outputs

    def _compile(
        self,
        targets: tuple[str, ...],
        params: Mapping[str, Any] | None,
        workers: int,
        finest: int,
    ) -> Plan:
        return compile_graph(
            self.name, self.steps, targets, params or {}, workers=workers, finest=finest
        )
