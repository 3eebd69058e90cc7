"""How a Dask cluster is reached: a client's, one at an address, or one for the run."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from flowgraph.backends.cluster import Cluster
from flowgraph.errors import GraphError, SchedulerError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["connect", "local_cluster", "of_client"]

_PATIENCE: Final = 5.0
"""Seconds for a scheduler to answer."""


def connect(address: str, workers: int | None) -> Cluster:
    """The cluster of a scheduler that is running somewhere.

    Raises
    ------
    SchedulerError
        If it does not answer, or has no workers.
    """
    from distributed import Client  # takes a third of a second

    with ExitStack() as stack:
        try:
            client = Client(address, timeout=_PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            raise SchedulerError.no_answer(address, error) from error
        stack.callback(client.close)
        return Cluster(client, workers, stack)


def local_cluster(workers: int) -> Cluster:
    """A cluster of processes with one thread each, for one run."""
    from distributed import Client, LocalCluster  # takes a third of a second

    with ExitStack() as stack:
        cluster = LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0"
        )
        stack.callback(cluster.close)
        client = Client(cluster, set_as_default=False)
        stack.callback(client.close)
        return Cluster(client, workers, stack)


def of_client(client: Client, workers: int | None) -> Cluster:
    """The cluster that a user's client is connected to; it stays open.

    Raises
    ------
    GraphError
        If the client is asynchronous.
    """
    if client.asynchronous:
        raise GraphError.asynchronous_client()
    return Cluster(client, workers)
