"""Put single calls into one task, where the backend hands them out as they become ready.

Dask takes tens of microseconds for a task on threads, and more elsewhere,
however little it does.  A region is one task to Dask.  All its calls wait for
the same steps outside, directly or not, and all are waited for by the same:
so it waits for nothing that one of them does not need, and nothing behind it
waits for one that it does not need.  Each call keeps its retries, its errors and its record.
On a cluster, where the other tasks' values stay on the workers, a region has nothing
but constants before it, and nothing behind it.
"""

from __future__ import annotations

from collections import defaultdict
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from dask.sizeof import sizeof

from flowgraph.compiler.coarsen import MANY, is_free
from flowgraph.compiler.dag import fresh
from flowgraph.compiler.steps import Constant, Region, needs_of
from flowgraph.declare.arguments import is_plain
from flowgraph.declare.steps import Call
from flowgraph.runtime.call import Nest, Slot
from flowgraph.runtime.handover import LIGHT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flowgraph.compiler.batches import Shape
    from flowgraph.compiler.dag import Dag
    from flowgraph.declare.steps import Step

__all__ = ["regions", "too_few"]

_after: Final = attrgetter("after")
_name: Final = attrgetter("name")
_MOST: Final = 1024
"""Other steps, among which it would take long to tell who waits for whom."""

Surroundings = tuple[int, int]
"""The steps outside that a call waits for, and those that wait for it: a bit for each."""


def regions(dag: Dag, shape: Shape) -> Dag:
    """The graph with single calls in regions, if its backend hands them out.

    Parameters
    ----------
    dag : Dag
        A graph in which no call reads a collection as such; see `gather`.
    shape : Shape
        What the plan is made for.
    """
    if too_few(len(dag.steps), shape):
        return dag
    if Region in dag.kinds:
        return dag  # it has been here
    free = _free(dag, timed=shape.far)
    found = [_alone(dag.steps, free)] if shape.far else _alike(dag.steps, free)
    made = [calls for calls in found if not too_few(len(calls), shape)]
    if not made:
        return dag
    taken = set(map(_name, dag.steps))
    if len(made[0]) == len(dag.steps):  # mostly it is the whole graph
        name = fresh(f"{made[0][0].name}…", taken)
        return dag.with_steps((Region(name=name, calls=tuple(made[0])),))
    owner: dict[str, Step] = {}
    for calls in made:
        inside = {call.name for call in calls}
        needs = dict.fromkeys([n for call in calls for n in call.needs if n not in inside])
        name = fresh(f"{calls[0].name}…", taken)
        taken.add(name)
        region = Region(name=name, needs=tuple(needs), calls=tuple(calls))
        owner.update(dict.fromkeys(inside, region))
    return dag.with_steps(_in_order(dag.steps, owner))


def too_few(calls: int, shape: Shape) -> bool:
    """True if so many calls are well off with tasks of their own."""
    return not shape.hands_out or calls <= MANY * shape.workers


def _free(dag: Dag, *, timed: bool) -> Sequence[Call]:
    """The calls that wait for no more than they need, of stages that have no limits."""
    calls = [step for step in dag.steps if type(step) is Call]
    stages = {call.stage for call in calls}
    stages.update([call.otherwise for call in calls if call.otherwise is not None])
    limited = {stage for stage in stages if not is_free(stage, timed=timed)}
    if not limited and not any(map(_after, calls)):
        return calls
    return [
        call
        for call in calls
        if not call.after and call.stage not in limited and call.otherwise not in limited
    ]


def _can_be_sent(call: Call) -> bool:
    """True if a call can go to any worker, with what the driver has of it."""
    if call.annotations or call.stage.placement:
        return False
    return is_plain(call) or sum(map(_weight, (*call.args, *dict(call.kwargs).values()))) < LIGHT


def _weight(template: object) -> int:
    """Bytes of what a call takes along, as far as they can be told without packing it."""
    if type(template) is Slot:
        return 0
    if isinstance(template, Nest):
        return sum(map(_weight, template.items))
    try:
        return int(sizeof(template))
    except Exception:  # it is not ours
        return LIGHT


def _alone(steps: Sequence[Step], free: Sequence[Call]) -> Sequence[Call]:
    """The free calls that have nothing to do with other steps, but for constants."""
    free = [call for call in free if _can_be_sent(call)]
    names = {call.name for call in free}
    others = [s for s in steps if s.name not in names and not isinstance(s, Constant)]
    if not others:
        return free
    constants = {step.name for step in steps if isinstance(step, Constant)}
    beside: dict[str, list[str]] = defaultdict(list)
    for step in steps:
        for name in (*needs_of(step), *step.after):
            if name not in constants:
                beside[step.name].append(name)
                beside[name].append(step.name)
    rest = [step.name for step in others]
    reached = set(rest)
    while rest:
        new = [name for name in beside[rest.pop()] if name not in reached]
        reached.update(new)
        rest.extend(new)
    return [call for call in free if call.name not in reached]


def _alike(steps: Sequence[Step], free: Sequence[Call]) -> Iterable[Sequence[Call]]:
    """The free calls in groups of those with the same surroundings."""
    if len(steps) == len(free):
        return [free]
    others = [s for s in steps if not isinstance(s, Constant)]
    if len(others) == len(free):
        return [free]
    if len(others) - len(free) > _MOST:
        return []
    names = {call.name for call in free}
    bits = {step.name: 1 << k for k, step in enumerate(s for s in others if s.name not in names)}
    before: dict[str, int] = {}
    for step in steps:
        mask = bits.get(step.name, 0)
        for name in (*needs_of(step), *step.after):
            mask |= before[name]
        before[step.name] = mask
    behind: dict[str, int] = defaultdict(int)
    for step in reversed(steps):
        mask = behind[step.name] = behind[step.name] | bits.get(step.name, 0)
        if mask:
            for name in (*needs_of(step), *step.after):
                behind[name] |= mask
    alike: dict[Surroundings, list[Call]] = defaultdict(list)
    for call in free:
        alike[before[call.name], behind[call.name]].append(call)
    return alike.values()


def _in_order(steps: Sequence[Step], owner: Mapping[str, Step]) -> list[Step]:
    """The steps, with regions in the place of their calls, each behind all that it needs."""
    by_name = {step.name: owner.get(step.name, step) for step in steps}
    done: set[str] = set()
    ordered: list[Step] = []
    for step in steps:
        rest = [by_name[step.name]]
        while rest:
            made = rest[-1]
            if made.name not in done:
                lacks = [by_name[n] for n in (*needs_of(made), *made.after)]
                lacks = [each for each in lacks if each.name not in done]
                if lacks:
                    rest.extend(reversed(lacks))
                    continue
                done.add(made.name)
                ordered.append(made)
            rest.pop()
    return ordered
