"""How the cluster of a run's own is closed: without a word of what nobody could mend."""

from __future__ import annotations

import logging

from flowgraph.backends.farewell import close

LOGGER = logging.getLogger("distributed.scheduler")


class End:
    """What says something when it is closed, and something else."""

    def close(self):
        LOGGER.critical("Closed comm %r while trying to write %s", "comm", [{"op": "event"}])
        LOGGER.warning("Received heartbeat from unregistered worker '%s'", "worker")
        LOGGER.error("something is wrong")


def test_what_comes_behind_the_end_is_not_told(caplog):
    close(End())
    assert [record.getMessage() for record in caplog.records] == ["something is wrong"]


def test_and_that_only_while_something_closes(caplog):
    close(End())
    caplog.clear()
    End().close()
    assert len(caplog.records) == 3
