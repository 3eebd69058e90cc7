"""flowgraph: graphs of plain Python functions, compiled to Dask.

Names are imported when they are first used: ``import flowgraph`` is quick, and
a worker that needs only ``flowgraph.runtime`` loads nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowgraph.compiler.plan import Plan
    from flowgraph.declare.decorate import stage
    from flowgraph.declare.items import Items
    from flowgraph.declare.node import Node
    from flowgraph.declare.stage import Stage
    from flowgraph.errors import (
        CompileError,
        FlowgraphError,
        GraphError,
        SchedulerError,
        SkippedError,
        StageError,
        StageTimeout,
        WorkerDied,
    )
    from flowgraph.graph import Graph
    from flowgraph.patterns import fork_join, map_reduce, pipeline
    from flowgraph.results.progress import Progress
    from flowgraph.results.run import Run
    from flowgraph.runtime.retry import Retry

__version__ = "0.1.0"

__all__ = [
    "CompileError",
    "FlowgraphError",
    "Graph",
    "GraphError",
    "Items",
    "Node",
    "Plan",
    "Progress",
    "Retry",
    "Run",
    "SchedulerError",
    "SkippedError",
    "Stage",
    "StageError",
    "StageTimeout",
    "WorkerDied",
    "fork_join",
    "map_reduce",
    "pipeline",
    "stage",
]

_HOMES = {
    "flowgraph.compiler.plan": ["Plan"],
    "flowgraph.declare.items": ["Items"],
    "flowgraph.declare.node": ["Node"],
    "flowgraph.declare.decorate": ["stage"],
    "flowgraph.declare.stage": ["Stage"],
    "flowgraph.errors": [
        "CompileError",
        "FlowgraphError",
        "GraphError",
        "SchedulerError",
        "SkippedError",
        "StageError",
        "StageTimeout",
        "WorkerDied",
    ],
    "flowgraph.graph": ["Graph"],
    "flowgraph.patterns": ["fork_join", "map_reduce", "pipeline"],
    "flowgraph.results.progress": ["Progress"],
    "flowgraph.results.run": ["Run"],
    "flowgraph.runtime.retry": ["Retry"],
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'flowgraph' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted((*globals(), *__all__))
