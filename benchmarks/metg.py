"""W8: how short tasks may be before the machine is busy with anything but their work.

METG(50 %), the minimum effective task granularity of Slaughter et al., "Task Bench" (SC20): the
length of task at which half of the machine does useful work.  The whole machine is what makes the
same calls in plain loops, measured in the same moment: one loop in the driver for threads of a
Python with a GIL, as pure Python runs on one core at a time; elsewhere one in each process of a
`multiprocessing.Pool`, with its share of the calls.  Two cores of a shared machine do not always do
twice the work of one, and at half of it that would decide.
"""

from __future__ import annotations

import gc
import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from dask.task_spec import List, Task, TaskRef

from benchmarks.contest import Scale, WrongResult
from benchmarks.machine import WORKERS, Getter, Machine
from benchmarks.spin import spin, turns_for
from flowgraph import Graph, Retry, stage

WIDTH = 4
PATTERNS = ("stencil", "no dependencies")
NAMES = ("flowgraph", "Dask, task each")
MOST = 8000
"""Tasks of a run, where that takes less."""
FEWEST = 5
"""Steps of a run, each of four tasks."""
FAR = 5
"""How many times as long a run on a cluster is, where its fixed cost is some 40 ms."""
MODULUS = 65_521
SPREAD = 5
"""The first guess may be wrong by this factor, in both directions."""
WIDER = 4
"""How often as much more is tried upwards."""


def cell(turns, *parents):
    return (spin(turns) + sum(parents)) % MODULUS


def total_of(values):
    return sum(values)


CELL = stage(cell, retry=Retry(3))
TOTAL = stage(total_of, retry=Retry(3))


def reads(pattern: str, steps: int) -> list[tuple[int, ...]]:
    """For each task those it reads: in a stencil its column's and its neighbours' of before."""
    if pattern != "stencil":
        return [()] * (WIDTH * steps)
    first: list[tuple[int, ...]] = [()] * WIDTH
    near = [range(max(0, x - 1), min(WIDTH, x + 2)) for x in range(WIDTH)]
    return first + [
        tuple(WIDTH * (step - 1) + x for x in near[column])
        for step in range(1, steps)
        for column in range(WIDTH)
    ]


def plain(tasks, turns):
    values = []
    for parents in tasks:
        values.append(cell(turns, *[values[p] for p in parents]))  # noqa: PERF401  reads itself
    return sum(values[-WIDTH:] if tasks[-1] else values)


def expected(tasks, turns):
    """What `plain` gives, without the time that it takes."""
    values = []
    for parents in tasks:
        values.append((turns + sum([values[p] for p in parents])) % MODULUS)  # noqa: PERF401
    return sum(values[-WIDTH:] if tasks[-1] else values)


def loop(calls, turns):
    """So many calls, one after the other."""
    for _ in range(calls):
        cell(turns)


def in_processes(machine, tasks, turns):
    """The machine of processes: each makes its share."""
    share = len(tasks) // WORKERS
    machine.pool.starmap(loop, [(share, turns)] * WORKERS, chunksize=1)


def flow(tasks, turns, options):
    g = Graph("metg")
    nodes = []
    for parents in tasks:
        nodes.append(g.task(CELL, turns, *[nodes[p] for p in parents]))  # noqa: PERF401
    return g.run(g.task(TOTAL, nodes[-WIDTH:] if tasks[-1] else nodes), **options).value


def raw(tasks, turns, get: Getter):
    graph = {
        ("cell", k): Task(("cell", k), cell, turns, *[TaskRef(("cell", p)) for p in parents])
        for k, parents in enumerate(tasks)
    }
    last = range(len(tasks))[-WIDTH:] if tasks[-1] else range(len(tasks))
    graph["sum"] = Task("sum", total_of, List(*[TaskRef(("cell", k)) for k in last]))
    return get(graph, "sum")


@dataclass
class Probe:
    """The search for one METG: it lies between two lengths."""

    pattern: str
    name: str
    where: str
    run: Callable[[list[tuple[int, ...]], int], int]
    useful: Callable[[list[tuple[int, ...]], int], object]
    """Makes the calls with the whole machine."""
    settle: Callable[[], object]
    enough: float
    """Seconds of a run from which its fixed cost counts for little: no more tasks are needed."""
    steps: int = FEWEST
    low: float = 0.0
    high: float = 0.0
    """Turns of a spin."""
    seen: list[float] = field(default_factory=list)
    """Efficiencies at the length that is being tried."""
    reached: bool = False
    """Has half of the machine been kept busy yet?"""

    @property
    def middle(self) -> int:
        """The length to try: as many times the one end as the other is of it."""
        return max(1, round((self.low * self.high) ** 0.5))

    def measure(self, turns: int, steps: int) -> tuple[float, float]:
        """Seconds of plain loops with the whole machine, and of the run."""
        tasks = reads(self.pattern, steps)
        gc.collect()
        self.settle()
        times = [time.perf_counter()]
        self.useful(tasks, turns)
        times.append(time.perf_counter())
        result = self.run(tasks, turns)
        times.append(time.perf_counter())
        if result != expected(tasks, turns):
            raise WrongResult(f"{self.name} on {self.where}, {self.pattern}: wrong result")
        return times[1] - times[0], times[2] - times[1]

    def begin(self) -> None:
        """Choose the ends, as an empty task's cost is near the METG, and the number of tasks."""
        self.measure(1, self.steps)
        while (took := self.measure(1, self.steps)[1]) < self.enough and self.steps * WIDTH < MOST:
            self.steps = min(MOST // WIDTH, 2 * self.steps)
        guess = turns_for(took / (self.steps * WIDTH) * (WORKERS if _is_free(self.where) else 1))
        self.low, self.high = max(1.0, guess / SPREAD), guess * SPREAD
        # It may be far above the cost of an empty task, where quick tasks do not use all cores.
        for _ in range(WIDER):
            if self.efficiency(round(self.high)) >= 0.5:
                self.reached = True
                break
            self.low, self.high = self.high, self.high * SPREAD

    def efficiency(self, turns: int) -> float:
        """The part of the machine that works, at one length; long tasks need to be fewer."""
        fit = round(self.enough * turns_for(1) / turns / WIDTH)
        useful, took = self.measure(turns, max(FEWEST, min(self.steps, fit)))
        return useful / took

    def look(self) -> None:
        """Measure once more at the length that is being tried."""
        self.seen.append(self.efficiency(self.middle))

    def halve(self) -> None:
        """Keep the half in which it must be."""
        if statistics.median(self.seen) < 0.5:
            self.low = self.middle
        else:
            self.high, self.reached = self.middle, True
        self.seen = []

    def seconds(self) -> float:
        """How long a call at the length that was found takes; infinite if there was none."""
        if not self.reached:
            return math.inf
        calls = [()] * max(100, 20_000 // self.middle)
        begun = time.perf_counter()
        plain(calls, self.middle)
        return (time.perf_counter() - begun) / len(calls)


def _called(call, given, tasks, turns):
    return call(tasks, turns, given)


def probes(machine: Machine, enough: float) -> list[Probe]:
    """Flowgraph and raw Dask, for each pattern and place."""
    found = []
    for pattern in PATTERNS:
        chunk = WIDTH // WORKERS if pattern == "stencil" else 16
        for place in machine.places:
            options, get = machine.flowgraph(place), machine.dask(place, chunk)
            for name, call, given in ((NAMES[0], flow, options), (NAMES[1], raw, get)):
                run = partial(_called, call, given)
                useful = partial(in_processes, machine) if _is_free(place) else plain
                long = enough * (FAR if place == "cluster" else 1)
                found.append(Probe(pattern, name, place, run, useful, machine.settle, long))
    return found


def _is_free(place: str) -> bool:
    """True if pure Python can use several cores there."""
    return place != "threads" or not getattr(sys, "_is_gil_enabled", lambda: True)()


def measure(machine: Machine, scale: Scale) -> dict[tuple[str, str, str], float]:
    """Microseconds of METG(50 %) by pattern, name and place; all probes search side by side."""
    found = probes(machine, scale.of(150, 25) / 1000)
    gc.collect()
    gc.freeze()
    for probe in found:
        probe.begin()
    for _ in range(scale.of(4, 3)):
        for _ in range(scale.of(3, 1)):
            for probe in found:
                probe.look()
        for probe in found:
            probe.halve()
    gc.unfreeze()
    return {(p.pattern, p.name, p.where): p.seconds() * 1e6 for p in found}
