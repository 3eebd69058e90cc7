"""What travels to a cluster by itself: what weighs much and is wanted by several tasks.

A task of Dask's takes along all that it holds, and each to the worker that runs it:
a model of 5 MB that 16 partitions read would travel 16 times.  So it becomes the
value of a task of its own, which a worker that needs it fetches once.  Not by
Dask's ``scatter``: what is scattered is lost with the worker that has it, while a
task is done again.
"""

from __future__ import annotations

import operator
from collections import Counter
from dataclasses import Field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from dask.task_spec import Task, TaskRef

from flowgraph.runtime.code import Parcel
from flowgraph.runtime.freight import Awaited, Freight, carried
from flowgraph.runtime.region import Region

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flowgraph.compiler.plan import Key, Plan
    from flowgraph.runtime.code import Control
    from flowgraph.runtime.work import Work

__all__ = ["Shipment"]

_HEAVY: Final = 1_000_000
"""Bytes that would travel in more than one task, above which they travel by themselves."""
_STINTS: Final = 64
"""Tasks that a region is reckoned as."""


class Shipment:
    """Makes the tasks of a run, and those that bring what several of them take along.

    Parameters
    ----------
    plan : Plan
        What runs; its cargo is sealed.
    control : Control
        What its tasks share.

    Attributes
    ----------
    freight : dict
        The tasks that bring something, under their keys.
    control : Control
        What its tasks share, where something of it travels by itself.
    """

    def __init__(self, plan: Plan, control: Control) -> None:
        self.freight: dict[Key, Task] = {}
        self.control = control
        self._token = plan.token
        self._works: list[Work] = [job.work for job in plan.jobs]
        self._refs: list[tuple[TaskRef, ...]] = [()] * len(plan.jobs)
        self._ship_code(plan)
        self._ship_cargo(plan)

    def task(
        self, key: Key, number: int, refs: Sequence[TaskRef], function: Any, *first: Any
    ) -> Task:
        """The Dask task that calls a function for a job of the plan.

        Parameters
        ----------
        key : tuple of str
            Its name.
        number : int
            Of the job.
        refs : sequence of TaskRef
            The tasks that it needs.
        function : callable
            Takes ``first``, the control, the work and the outcomes of those tasks.
        *first : object
            What it takes before them.
        """
        args = (*first, self.control, self._works[number], *refs)
        freight = self._refs[number]
        if not freight:
            return Task(key, function, *args)
        return Task(key, carried, len(freight), function, *args, *freight)

    def freight_of(self, number: int) -> list[Key]:
        """The tasks that bring what a job's work takes along."""
        return [ref.key for ref in self._refs[number]]

    def _ship_code(self, plan: Plan) -> None:
        data = plan.code.seal()
        tasks = sum([_STINTS if type(job.work) is Region else 1 for job in plan.jobs])
        if len(data) * tasks > _HEAVY:
            ref, parcel = self._add(data)
            self.control = replace(self.control, code=plan.code.within(parcel))
            self._refs = [(ref,)] * len(plan.jobs)

    def _ship_cargo(self, plan: Plan) -> None:
        weights = {id(item.parcel): len(item.parcel.seal()) for item in plan.cargo}
        if max(weights.values(), default=0) * len(plan.jobs) <= _HEAVY:
            return  # whoever has it
        held = [{id(parcel): parcel for parcel in _parcels(work)} for work in self._works]
        uses = Counter(known for parcels in held for known in parcels)
        shipped = {
            id(item.parcel): self._add(item.parcel.seal())
            for item in plan.cargo
            if (count := uses[id(item.parcel)]) > 1 and count * weights[id(item.parcel)] > _HEAVY
        }
        awaited = {known: parcel for known, (_, parcel) in shipped.items()}
        for number, parcels in enumerate(held):
            refs = [shipped[known][0] for known in parcels if known in shipped]
            if refs:
                self._refs[number] += tuple(refs)
                self._works[number] = _changed(self._works[number], awaited)

    def _add(self, data: bytes) -> tuple[TaskRef, Parcel[Any]]:
        """A task that brings these bytes, and the parcel that awaits them."""
        number = len(self.freight)
        ticket = f"{self._token}-{number}"
        key = f"freight-{self._token}", str(number)
        self.freight[key] = Task(key, Freight, ticket, data)
        return TaskRef(key), Awaited(ticket)


def _parcels(thing: Any) -> Iterator[Parcel[Any]]:
    """All parcels in a piece of work."""
    if isinstance(thing, Parcel):
        yield thing
    for part in _parts(thing):
        yield from _parcels(part)


def _changed(thing: Any, parcels: Mapping[int, Parcel[Any]]) -> Any:
    """The thing with some of its parcels replaced, each by the one under its id."""
    if isinstance(thing, Parcel):
        return parcels.get(id(thing), thing)
    if isinstance(thing, tuple):
        made = tuple(_changed(part, parcels) for part in thing)
        return thing if all(map(operator.is_, made, thing)) else made
    changed = {
        field.name: new
        for field, old in zip(_fields(thing), _parts(thing), strict=True)
        if (new := _changed(old, parcels)) is not old
    }
    return replace(thing, **changed) if changed else thing


def _parts(thing: Any) -> Sequence[Any]:
    if isinstance(thing, tuple):
        return thing
    return [getattr(thing, field.name) for field in _fields(thing)]


def _fields(thing: Any) -> Sequence[Field[Any]]:
    return fields(thing) if is_dataclass(thing) and not isinstance(thing, type) else ()
