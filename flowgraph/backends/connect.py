"""How a Dask cluster is reached: a client's, one at an address, or one for the run."""

from __future__ import annotations

import threading
import warnings
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from flowgraph.backends.cluster import Cluster
from flowgraph.errors import GraphError, SchedulerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

__all__ = ["connect", "local_cluster", "of_client"]

_PATIENCE: Final = 5.0
"""Seconds for a scheduler to answer."""
_IRRELEVANT: Final = (
    r"(?s)(?!.*\| (python|dask|distributed|msgpack|cloudpickle) +\|)Mismatched versions found"
)
"""What Dask says of versions if they differ in none of these packages."""

_filtering = threading.Lock()


def connect(address: str, workers: int | None) -> Cluster:
    """The cluster of a scheduler that is running somewhere.

    Raises
    ------
    SchedulerError
        If it is no address, or does not answer.
    """
    from distributed import Client  # takes a third of a second
    from distributed.comm import get_address_host

    try:
        get_address_host(address)
    except (ValueError, ImportError) as error:  # a client would be half made, and fail to close
        raise SchedulerError.bad_address(address, error) from error
    with ExitStack() as stack:
        try:
            with _quiet_on_versions():
                client = Client(address, timeout=_PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            raise SchedulerError.no_answer(address, error) from error
        stack.callback(client.close)
        return Cluster(client, workers, stack)


def local_cluster(workers: int) -> Cluster:
    """A cluster of processes with one thread each, for one run."""
    from distributed import Client, LocalCluster  # takes a third of a second

    from flowgraph.backends.farewell import Farewell, close

    with ExitStack() as stack:
        cluster = LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0"
        )
        stack.callback(close, cluster)
        client = Client(cluster, set_as_default=False)
        stack.callback(close, client)
        client.register_plugin(Farewell())
        return Cluster(client, workers, stack)


def of_client(client: Client, workers: int | None) -> Cluster:
    """The cluster that a user's client is connected to; it stays open.

    Raises
    ------
    GraphError
        If the client is asynchronous.
    SchedulerError
        If it is closed.
    """
    if client.asynchronous:
        raise GraphError.asynchronous_client()
    if client.status in ("closing", "closed"):
        raise SchedulerError.closed_client()
    return Cluster(client, workers)


@contextmanager
def _quiet_on_versions() -> Iterator[None]:
    """No warning of versions that do not matter: of NumPy, say, where workers have none.

    Dask compares every package that it knows, whether or not a graph uses it.
    """
    from distributed.versions import VersionMismatchWarning

    # Filters belong to the process: two that change them at once would mix them up.
    with _filtering, warnings.catch_warnings():
        warnings.filterwarnings("ignore", _IRRELEVANT, VersionMismatchWarning)
        yield
