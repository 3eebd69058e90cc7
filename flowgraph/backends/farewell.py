"""How the workers of a run's own cluster leave: without a word.

A worker that closes cuts its connections while a heartbeat may be under way, and
logs that as an error, with a traceback; the scheduler warns of a heartbeat that
comes late, and tells of a report that came behind the last value, when the client
had gone. The run has ended well, and nobody would know what to do about it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from distributed import WorkerPlugin

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

__all__ = ["Farewell", "close"]

_LOGGERS: Final = ("distributed", "tornado.application")
"""Who tells of a heartbeat that broke off: it, and the loop that it is called from."""
_LATE: Final = ("Received heartbeat from unregistered worker", "Closed comm")
"""How what the scheduler says begins."""


class Farewell(WorkerPlugin):  # type: ignore[misc]  # Dask has no types
    """Has a worker log nothing but what is critical from when it closes.

    Dask calls `teardown` before it cuts the worker's connections.
    """

    name = "flowgraph-farewell"

    def teardown(self, worker: object) -> None:
        for logger in _LOGGERS:
            logging.getLogger(logger).setLevel(logging.CRITICAL)


def close(end: Client | LocalCluster) -> None:
    """Close the client of a cluster, in whose workers there is a `Farewell`, or the cluster."""

    def in_time(record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(_LATE)

    # Of this process, which may have other clusters: so no more is held back than this.
    logger = logging.getLogger("distributed.scheduler")
    logger.addFilter(in_time)
    try:
        end.close()
    finally:
        logger.removeFilter(in_time)
