"""What a run of one trivial task costs, from the graph to the value, on a warm machine."""

from __future__ import annotations

import dask
from dask.task_spec import Task

from benchmarks.contest import Contender, Scale, expecting
from benchmarks.fork_join import ECHO, echo
from benchmarks.machine import Machine
from benchmarks.workload import Workload
from flowgraph import Graph


def flow(number, options):
    values = []
    for k in range(number):
        g = Graph("one")
        values.append(g.run(g.task(ECHO, k), **options).value)
    return values


def raw(number, get):
    return [get({("one", k): Task(("one", k), echo, k)}, ("one", k)) for k in range(number)]


def delayed(number, options):
    return [dask.delayed(echo)(k).compute(**options) for k in range(number)]


def contenders(machine: Machine, scale: Scale) -> list[Contender]:
    """Flowgraph, raw Dask and `dask.delayed`, each with several runs in a row."""
    found: list[Contender] = []

    def add(name, where, call, given):
        number = scale.of(10 if where == "cluster" else 50, 3)  # more, where one is soon over
        expected = expecting(list(range(number)))
        found.append(Contender(name, where, number, lambda: call(number, given), expected))

    for place in machine.places:
        add("flowgraph", place, flow, machine.flowgraph(place))
        add("Dask, task each", place, raw, machine.dask(place))
        add("dask.delayed", place, delayed, machine.collection(place))
    return found


WORKLOAD = Workload("fixed", "fixed cost: a run of one trivial task", "run", contenders)
