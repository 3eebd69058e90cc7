"""The tree of errors: what went wrong, where, and the mend.

::

    FlowgraphError
    ├── GraphError            wrong use, raised where it is made
    │   └── TargetError       what the command line was given is no graph
    ├── CompileError          what cannot travel to another process
    ├── SchedulerError        a scheduler that does not answer
    ├── StageError            a stage's final failure; the original is its __cause__
    ├── StageTimeout          an attempt ran out of time; also a TimeoutError
    ├── WorkerDied            a task was given up, as its workers died of it
    ├── SkippedError          a value that was never computed, and because of what
    └── RemoteError           stands in for an exception that could not be pickled

Every message has up to three parts: the fact with the user's own names, the
place, and the mend.  This module imports nothing but the standard library: a
worker loads it together with :mod:`flowgraph.runtime`.
"""

from flowgraph.errors.compile import CompileError
from flowgraph.errors.graph import GraphError
from flowgraph.errors.remote import RemoteError
from flowgraph.errors.root import FlowgraphError
from flowgraph.errors.scheduler import SchedulerError
from flowgraph.errors.stage import SkippedError, StageError, StageTimeout, WorkerDied
from flowgraph.errors.target import TargetError

__all__ = [
    "CompileError",
    "FlowgraphError",
    "GraphError",
    "RemoteError",
    "SchedulerError",
    "SkippedError",
    "StageError",
    "StageTimeout",
    "TargetError",
    "WorkerDied",
]
