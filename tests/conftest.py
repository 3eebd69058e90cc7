"""One law, all backends: the fixture `backend` runs a test on each of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# Tests are no package, but they share their strategies.
sys.path.insert(0, str(Path(__file__).parent))

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

    from flowgraph import Graph, Run
    from flowgraph.declare.node import Handle

BACKENDS = ("sync", "threads", "processes", "distributed")


@dataclass(frozen=True)
class Backend:
    """A place to run graphs: with two workers, but for sync."""

    name: str
    scheduler: Any
    workers: int | None

    def run(self, graph: Graph, *targets: Handle, **options: Any) -> Run:
        return graph.run(
            *targets, **{"scheduler": self.scheduler, "workers": self.workers, **options}
        )


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    """A cluster of two worker processes for the whole session; started when first asked for."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    return backend_named(request.param, request)


def backend_named(name: str, request: pytest.FixtureRequest) -> Backend:
    if name == "distributed":
        return Backend(name, request.getfixturevalue("client"), None)
    return Backend(name, name, 2)


@pytest.fixture
def backends(request: pytest.FixtureRequest) -> tuple[Backend, ...]:
    """All of them at once, for tests that compare them."""
    return tuple(backend_named(name, request) for name in BACKENDS)
