"""One law, all backends: the fixture `backend` runs a test on each of them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

# Tests are no package, but they share their strategies.
sys.path.insert(0, str(Path(__file__).parent))

from elsewhere import SECONDS, environment

from flowgraph.cli import invoke

# A machine that is busy for a moment says nothing of what is tested.
settings.register_profile("flowgraph", deadline=None)
settings.load_profile("flowgraph")

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


@pytest.fixture
def own_client() -> Iterator[Client]:
    """A cluster of a test's own, for one that kills its workers."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
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


# The command line


@pytest.fixture
def write(tmp_path):
    def write(text, name="pipeline.py"):
        (tmp_path / name).write_text(dedent(text), encoding="utf-8")

    return write


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Runs a command line in this process: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    before = set(sys.modules)

    def command(*args):
        code = invoke(args)
        return (code, *capsys.readouterr())

    yield command
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def shell(tmp_path):
    """Runs Python with arguments as a process of its own, in the pipeline's folder."""

    def shell(*args):
        return subprocess.run(
            [sys.executable, *args],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )

    return shell
