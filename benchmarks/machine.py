"""The places where contenders run: pools and a cluster, started once and kept warm."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import pickle
import platform
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date
from functools import cache, cached_property
from multiprocessing.pool import Pool
from typing import TYPE_CHECKING, Any, Self

import dask.multiprocessing
import dask.threaded

if TYPE_CHECKING:
    from distributed import Client, Scheduler

WORKERS = 2
"""Of every pool and of the cluster, whatever the machine has."""
PATIENCE = 20.0
"""Seconds for the cluster to forget a run."""
PLACES = ("threads", "processes", "cluster")
NO_JOBLIB = "" if importlib.util.find_spec("joblib") else "joblib is not installed"

Getter = Callable[[Mapping[Any, Any], Any], Any]


class Machine:
    """Two threads, two processes of each pool, and a cluster of two workers; made when asked for.

    Parameters
    ----------
    places : tuple of str
        Those of `PLACES` that are measured.
    """

    def __init__(self, places: tuple[str, ...] = PLACES) -> None:
        self.places = places
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    @cached_property
    def threads(self) -> ThreadPoolExecutor:
        """A pool of `concurrent.futures`."""
        return self._stack.enter_context(ThreadPoolExecutor(WORKERS))

    @cached_property
    def processes(self) -> ProcessPoolExecutor:
        """A pool of `concurrent.futures`, whose processes inherit nothing."""
        context = multiprocessing.get_context("spawn")
        executor = ProcessPoolExecutor(WORKERS, mp_context=context)
        pool = self._stack.enter_context(executor)
        list(pool.map(time.sleep, [0.2] * WORKERS))
        return pool

    @cached_property
    def pool(self) -> Pool:
        """A pool of `multiprocessing`."""
        pool = self._stack.enter_context(multiprocessing.get_context("spawn").Pool(WORKERS))
        pool.map(time.sleep, [0.2] * WORKERS, chunksize=1)
        return pool

    @cached_property
    def client(self) -> Client:
        """The client of a cluster of two processes with a thread each."""
        from distributed import Client, LocalCluster  # takes a third of a second

        # Dask's advice on large graphs would be printed for each round.
        self._stack.enter_context(
            dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"})
        )
        cluster = self._stack.enter_context(
            LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=":0")
        )
        client = self._stack.enter_context(Client(cluster, set_as_default=False))
        client.wait_for_workers(WORKERS)
        return client

    def settle(self) -> None:
        """Wait until the cluster has forgotten what was run before.

        It would charge the next run for it, and give a task whose key it still
        knows the result from before.
        """
        if "client" not in vars(self):
            return
        deadline = time.monotonic() + PATIENCE
        while self.client.run_on_scheduler(_tasks_known):
            if time.monotonic() > deadline:
                raise TimeoutError("the cluster does not forget the tasks of a run that is over")
            time.sleep(0.005)

    def flowgraph(self, place: str) -> dict[str, Any]:
        """Options of `Graph.run` for a place."""
        if place == "cluster":
            return {"scheduler": self.client}
        return {"scheduler": place, "workers": WORKERS}

    def dask(self, place: str, chunksize: int = 64) -> Getter:
        """The ``get`` of Dask for a place: what runs a hand-written graph.

        Parameters
        ----------
        place : str
            One of `PLACES`.
        chunksize : int
            Tasks that go to a process at a time; 64 is for very short ones.
        """
        if place == "threads":
            pool = self.threads
            return lambda graph, key: dask.threaded.get(graph, key, pool=pool)
        if place == "processes":
            executor = self.processes
            return lambda graph, key: dask.multiprocessing.get(
                graph, key, pool=executor, chunksize=chunksize, optimize_graph=False
            )
        return self.client.get

    def collection(self, place: str) -> dict[str, Any]:
        """Options of ``compute`` of a Dask collection for a place."""
        if place == "cluster":
            return {"scheduler": self.client}
        return {"scheduler": place, "pool": getattr(self, place)}


def _tasks_known(dask_scheduler: Scheduler) -> int:
    return len(dask_scheduler.tasks)


@cache
def numbers(n: int) -> list[int]:
    """The items: one list for all contenders."""
    return list(range(n))


def blocks(items: list[Any], number: int) -> list[list[Any]]:
    """The items in so many runs of about the same length."""
    size = -(-len(items) // number)
    return [items[start : start + size] for start in range(0, len(items), size)]


def packed(value: Any) -> bytes:
    """A value as bytes, which a Dask cluster passes on without looking into it."""
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def facts() -> str:
    """What the figures depend on, in a line."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return (
        f"{date.today().isoformat()}, {os.cpu_count()} cores ({platform.machine()}, "
        f"{platform.system()}), load {load:.1f} at the end, "
        f"Python {platform.python_version()}, dask {dask.__version__}"
    )
