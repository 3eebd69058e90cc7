"""Whether a graph can run somewhere, found out without running it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flowgraph.backends.choice import choose
from flowgraph.backends.cluster import Cluster
from flowgraph.backends.local import Processes
from flowgraph.compiler.shipping import seal
from flowgraph.errors import CompileError, SchedulerError
from flowgraph.runtime.code import unloadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flowgraph.compiler.plan import Plan
    from flowgraph.graph import Graph

__all__ = ["Findings", "check"]

_LARGEST: Final = 5
"""Arguments whose size is told."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check found."""

    plan: Plan
    told: tuple[str, ...]
    """What is good to know, line by line."""
    wrong: tuple[str, ...]
    """What would make a run fail."""


def check(
    graph: Graph, params: Mapping[str, Any], scheduler: str | None, workers: int | None
) -> Findings:
    """Compile a graph, and see whether everything it needs is there.

    Parameters
    ----------
    graph : Graph
        The graph.
    params : mapping of str to object
        Values of its parameters.
    scheduler : str or None
        Where it is to run; an address asks the workers of the cluster there.
    workers : int or None
        As for a run.

    Raises
    ------
    GraphError, SchedulerError
        As for a run.
    """
    if scheduler == "distributed":  # a cluster of this machine is what starting it makes of it
        scheduler, is_remote = "processes", True
    else:
        is_remote = False
    with choose(scheduler, workers) as backend:
        if isinstance(backend, Cluster) and not _workers(backend):
            raise SchedulerError.no_workers(backend.client.scheduler.address)
        plan = graph.compile(params=params, workers=backend.workers)
        travels = is_remote or isinstance(backend, (Processes, Cluster))
        told, wrong = _travelling(plan) if travels else ([], [])
        if isinstance(backend, Cluster) and not wrong:
            wrong = [*_versions(backend), *_stages(backend, plan), *_resources(backend, plan)]
            told.append(f"cluster: {len(_workers(backend))} workers")
    return Findings(plan, tuple(told), tuple(wrong))


def _travelling(plan: Plan) -> tuple[list[str], list[str]]:
    """The largest things that go to the workers; what cannot go."""
    try:
        seal(plan.code, plan.cargo)
    except CompileError as error:
        return [], [str(error)]
    sizes: Counter[str] = Counter()
    for cargo in plan.cargo:
        for owner in dict.fromkeys(owner for owner, _ in cargo.contents):
            sizes[owner] += len(cargo.parcel.seal())
    return [f"to the workers: {o}, {_bytes(size)}" for o, size in sizes.most_common(_LARGEST)], []


def _bytes(size: int) -> str:
    """A number of bytes in the unit that suits it.

    Examples
    --------
    >>> _bytes(900), _bytes(2_500_000)
    ('900 bytes', '2.5 MB')
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"


def _workers(cluster: Cluster) -> Mapping[str, Any]:
    found: Mapping[str, Any] = cluster.client.scheduler_info(n_workers=-1)["workers"]
    return found


def _versions(cluster: Cluster) -> Iterator[str]:
    """Packages of which a worker has another version than this process."""
    versions = cluster.client.get_versions()
    here = versions["client"]["packages"]
    for address, theirs in versions["workers"].items():
        for package in ("python", "dask", "distributed", "cloudpickle"):
            ours, its = here.get(package), theirs["packages"].get(package)
            if ours != its:
                yield f"worker {address} has {package} {its}, here it is {ours}."


def _stages(cluster: Cluster, plan: Plan) -> Iterator[str]:
    """Workers that cannot load the stages."""
    for address, error in cluster.client.run(unloadable, plan.code).items():
        if error is not None:
            yield f"worker {address} cannot load the stages: {error}."


def _resources(cluster: Cluster, plan: Plan) -> Iterator[str]:
    """Resources that tasks ask for and no worker has."""
    has = [worker.get("resources") or {} for worker in _workers(cluster).values()]
    asked = {
        tuple(sorted(annotations["resources"].items()))
        for annotations in (job.annotations for job in plan.jobs)
        if "resources" in annotations
    }
    for wanted in sorted(asked):
        if not any(all(its.get(name, 0) >= n for name, n in wanted) for its in has):
            listed = ", ".join(f"{name}={n:g}" for name, n in wanted)
            yield f"no worker has the resources {listed} that a stage asks for."
