"""Which backend a run uses: by name, by client, by address, or Dask's own rule."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from flowgraph.backends.guard import is_unguarded
from flowgraph.backends.local import Processes, Sync, Threads
from flowgraph.errors import CompileError, GraphError

if TYPE_CHECKING:
    from flowgraph.backends.protocol import Backend

__all__ = ["check_workers", "choose"]

_NAMES = ("sync", "threads", "processes", "distributed")


def choose(scheduler: Any, workers: int | None) -> Backend:
    """The backend for a run.

    Parameters
    ----------
    scheduler : str, distributed.Client or None
        A name, an address or a client; None for the active Dask client when
        there is one, else threads.
    workers : int or None
        Tasks that run at once; None for the machine's cores or the cluster's threads.

    Raises
    ------
    GraphError
        If there is no such scheduler, or ``workers`` is not a number of workers.
    CompileError
        For ``"distributed"`` in a script that would start itself again in each worker.
    SchedulerError
        If an address is none or does not answer, or a client is closed.
    """
    check_workers(workers)
    if scheduler is None:
        scheduler = _active_client() or "threads"
    if not isinstance(scheduler, str):
        return _of_client(scheduler, workers)
    if "://" in scheduler or _is_host_and_port(scheduler):
        from flowgraph.backends.connect import connect  # noqa: PLC0415  imports distributed

        return connect(scheduler, workers)
    count = workers or os.cpu_count() or 1
    if scheduler == "sync":
        return Sync()
    if scheduler == "threads":
        return Threads(count)
    if scheduler == "processes":
        return Processes(count)
    if scheduler == "distributed":
        if is_unguarded():
            raise CompileError.no_main_guard()
        from flowgraph.backends.connect import local_cluster  # noqa: PLC0415

        return local_cluster(count)
    raise GraphError.unknown_scheduler(scheduler, _NAMES)


def check_workers(workers: int | None) -> None:
    """Refuse what is not a number of workers.

    Raises
    ------
    GraphError
        Unless it is None or an int of at least 1.
    """
    if workers is not None and (
        isinstance(workers, bool) or not isinstance(workers, int) or workers < 1
    ):
        raise GraphError.bad_option("workers", workers, "an int of at least 1")


def _is_host_and_port(text: str) -> bool:
    host, colon, port = text.rpartition(":")
    return bool(host and colon) and port.isdigit()


def _active_client() -> Any | None:
    """The client that Dask itself would use now."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.default_client()
    except ValueError:
        return None


def _of_client(client: Any, workers: int | None) -> Backend:
    distributed = sys.modules.get("distributed")
    if distributed is None or not isinstance(client, distributed.Client):
        raise GraphError.unknown_scheduler(client, _NAMES)
    from flowgraph.backends.connect import of_client  # noqa: PLC0415

    return of_client(client, workers)
