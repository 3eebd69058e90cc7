"""A recorded scientific workflow, run again: each of its programs is a task.

Seven executions of real workflows were recorded as graphs of tasks with their run times.  The
programs are not at hand; in the place of each, a task makes a value of its id and of the values
that it is given.  The digest of all values tells whether the graph was run as it was recorded.
With a share of 0.001, every task also sleeps a thousandth of the time that its program took.

A graph has its shape before it runs, so each workflow is a graph of its own:

    flowgraph run examples/workflow.py --param share=0.001
    flowgraph run examples/workflow.py:seismology
"""

import argparse
import gzip
import hashlib
import json
import time
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from flowgraph import Graph, Node, stage

FOLDER = Path(__file__).resolve().parent / "data" / "workflows"
FILES = {path.name.partition("-")[0]: path for path in sorted(FOLDER.glob("*.json.gz"))}
DEFAULT = "blast"


def load(path: str | Path) -> dict[str, Any]:
    """Read the record of a workflow."""
    record: dict[str, Any] = json.loads(gzip.decompress(Path(path).read_bytes()))
    return record


def program(task: str, seconds: float, share: float, *inputs: str) -> str:
    """Stand in for a program."""
    time.sleep(share * seconds)
    return hashlib.sha256(f"{task}|{','.join(inputs)}".encode()).hexdigest()[:16]


def digest(values: dict[str, str], recorded: str) -> str:
    """Make one digest of the values of all tasks; it must be that of the record."""
    lines = "\n".join(f"{task}={values[task]}" for task in sorted(values))
    found = hashlib.sha256(lines.encode()).hexdigest()
    if found != recorded:
        raise ValueError(f"the digest is {found}, not {recorded}")
    return found


def graph_of(record: dict[str, Any]) -> Graph:
    """Declare a recorded workflow, programs after those that they need."""
    graph = Graph(record["name"])
    share = graph.param("share", default=0.0, type=float)
    tasks = {task["id"]: task for task in record["tasks"]}
    values: dict[str, Node[str]] = {}
    for name in TopologicalSorter({name: tasks[name]["parents"] for name in tasks}).static_order():
        inputs = [values[parent] for parent in tasks[name]["parents"]]
        run = stage(program, name=tasks[name]["kind"])
        values[name] = graph.task(run, name, tasks[name]["runtime_s"], share, *inputs, name=name)
    graph.output(graph.task(digest, values, record["expected"]["all_digest"]))
    return graph


g = graph_of(load(FILES[DEFAULT]))


def __getattr__(family: str) -> Graph:
    """Make the graph of another workflow when it is asked for by its name."""
    if family not in FILES:
        raise AttributeError(f"no workflow {family}")
    return graph_of(load(FILES[family]))


def main() -> None:
    """Run a workflow; print its digest and how well its tasks were run side by side."""
    parser = argparse.ArgumentParser(description="Run a recorded scientific workflow.")
    parser.add_argument("--scheduler", default="threads")
    parser.add_argument("--workflow", choices=FILES, default=DEFAULT)
    parser.add_argument("--share", type=float, default=0.001, help="of the programs' run times")
    options = parser.parse_args()
    graph = graph_of(load(FILES[options.workflow]))
    run = graph.run(params={"share": options.share}, scheduler=options.scheduler)
    print(run.stages)
    print(f"{graph.name}: {run.stats.completed - 1} tasks, digest {run.value} as recorded")
    print(f"{run.stats.wall:.2f} s on {run.stats.workers}, efficiency {run.stats.efficiency:.0%}")


if __name__ == "__main__":
    main()
