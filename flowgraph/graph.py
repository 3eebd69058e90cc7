"""The graph that users hold: what can be declared, and what can be done with it."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, Literal, cast

from flowgraph.backends.alarm import Alarm
from flowgraph.backends.choice import check_workers, choose
from flowgraph.compiler.batches import Shape
from flowgraph.compiler.pipeline import compile_declared
from flowgraph.compiler.shipping import use_in_driver
from flowgraph.declare.graph import Declarations
from flowgraph.declare.node import handles_of
from flowgraph.declare.options import checked_seconds
from flowgraph.errors import FlowgraphError, GraphError, SchedulerError, StageTimeout
from flowgraph.results.display import watching
from flowgraph.results.ledger import Ledger
from flowgraph.results.run import Kept, Run
from flowgraph.runtime.loop import on_the_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from distributed import Client
    from networkx import DiGraph

    from flowgraph.backends.protocol import Backend
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
        progress: Callable[[Progress], object] | bool | None = None,
        timeout: float | None = None,
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
        progress : callable or bool, optional
            Gets a `Progress` whenever a stage is further; what it raises ends
            the run.  True: bars per stage on a terminal, a plain line now and
            then in a log.
        timeout : float, optional
            Seconds for the whole run.  A call that hangs is left behind; with
            ``scheduler="sync"`` it is waited for.

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
            If a scheduler does not answer, or has had no workers for half a minute.
        StageError
            With ``on_error="raise"``: the first final failure.  Its ``run``
            has the targets that were finished.
        StageTimeout
            If the run takes longer than ``timeout``; its ``run``, too, has what
            was finished.
        KeyboardInterrupt
            At Ctrl-C: what has not started is not started; its ``run``, too, has
            what was finished.
        BaseException
            Whatever ``progress`` raises; the run ends with it.
        """
        if on_error not in ("raise", "collect"):
            raise GraphError.bad_option("on_error", on_error, "'raise' or 'collect'")
        if not isinstance(progress, (bool, type(None))) and not callable(progress):
            raise GraphError.bad_option("progress", progress, "True, None or a callable")
        wanted, limit = self._targets(targets), checked_seconds("timeout", timeout)
        check_workers(workers)
        if scheduler == "distributed":
            # Mistakes in the graph come out before a cluster is started for it.
            self._compile(wanted, params, Shape(workers or 1))
        with choose(scheduler, workers) as backend, watching(progress) as watcher:
            halts = on_error == "raise"
            shape = Shape(
                workers=backend.workers,
                finest=backend.finest,
                finest_of_many=backend.finest_of_many,
                halts=halts,
                hands_out=backend.hands_out,
                far=backend.far,
            )
            plan = self._compile(wanted, params, shape)
            if on_the_loop() and any(stage.is_coroutine for stage in plan.code.stages()):
                raise GraphError.waits_for_itself(self.name)
            ledger = Ledger(plan, backend.workers, halts=halts, progress=watcher)
            try:
                self._carry_out(backend, plan, ledger, limit)
            except (FlowgraphError, KeyboardInterrupt) as error:
                ledger.close()
                error.run = self._run_of(ledger)  # type: ignore[union-attr]
                raise
            ledger.close()
            return self._run_of(ledger)

    def _carry_out(self, backend: Backend, plan: Plan, ledger: Ledger, limit: float | None) -> None:
        """Run a plan, within so many seconds."""
        if limit is None:
            backend.run(plan, ledger.take, threading.Event(), halts=ledger.halts)
            return
        alarm = Alarm()
        with alarm.after(limit) as rang:
            try:
                backend.run(plan, ledger.take, alarm, halts=ledger.halts)
            except SchedulerError:
                if not rang():
                    raise
                raise StageTimeout(self.name, limit, "the run of graph") from None

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
        shape = Shape(workers or os.cpu_count() or 1)
        return self._compile(self._targets(targets), params, shape)

    def to_networkx(self) -> DiGraph[str]:
        """A `networkx.DiGraph` of the nodes' names.

        Returns
        -------
        networkx.DiGraph
            Each node has the attributes ``stage`` (the callable; None if it
            has none), ``kind`` (such as task, map or reduce) and ``options``
            (those given to its stage).  An edge that is only an order has the
            attribute ``after``.

        Examples
        --------
        >>> g = Graph("lengths")
        >>> longest = g.items(["a", "bc"]).map(len).reduce(max)
        >>> list(g.to_networkx().edges)
        [('items', 'len'), ('len', 'max')]
        """
        from flowgraph.exchange import digraph_of  # noqa: PLC0415  imports networkx

        return cast("DiGraph[str]", digraph_of(self))

    @classmethod
    def from_networkx(cls, digraph: DiGraph[Any], name: str | None = None) -> Graph:
        """A graph with a task for each node of a directed graph.

        Parameters
        ----------
        digraph : networkx.DiGraph
            The attribute ``stage`` of each node is a callable that gets its
            predecessors' values, in the order in which their edges were added.
            An edge with a true attribute ``after`` gives only an order.
        name : str, optional
            Name of the graph; default that of ``digraph``.

        Raises
        ------
        GraphError
            If it is not directed, has a cycle, or a node has no callable.

        Examples
        --------
        >>> import networkx
        >>> digraph = networkx.DiGraph(name="sum")
        >>> digraph.add_node("a", stage=lambda: 1)
        >>> digraph.add_node("b", stage=lambda: 2)
        >>> digraph.add_node("a+b", stage=lambda a, b: a + b)
        >>> digraph.add_edges_from([("a", "a+b"), ("b", "a+b")])
        >>> Graph.from_networkx(digraph).run().value
        3
        """
        from flowgraph.exchange import add_digraph  # noqa: PLC0415  imports networkx

        graph = cls(name or getattr(digraph, "name", None) or "graph")
        add_digraph(graph, digraph)
        return graph

    def _run_of(self, ledger: Ledger) -> Run:
        kept = Kept(weakref.ref(self), ledger.plan.targets, ledger.outcomes)
        return Run(ledger.account, kept)

    def _targets(self, targets: tuple[Handle, ...]) -> tuple[Handle, ...]:
        return handles_of(self, targets) if targets else self._outputs

    def _compile(
        self, targets: tuple[Handle, ...], params: Mapping[str, Any] | None, shape: Shape
    ) -> Plan:
        use_in_driver()
        return compile_declared(self, targets, params or {}, shape)
