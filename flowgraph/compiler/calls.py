"""Single calls as the runtime takes them: one by one, in groups, and in regions."""

from __future__ import annotations

from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from flowgraph.compiler import shipping
from flowgraph.compiler.constants import own_call
from flowgraph.compiler.shipping import Cargo
from flowgraph.compiler.tasks import prefix_of
from flowgraph.declare.arguments import is_plain
from flowgraph.declare.steps import MISSING, Call
from flowgraph.runtime import region
from flowgraph.runtime.abreast import SLOTS
from flowgraph.runtime.calls import Calls
from flowgraph.runtime.code import Later
from flowgraph.runtime.onecall import OneCall
from flowgraph.runtime.pace import FREELY
from flowgraph.runtime.place import Place
from flowgraph.runtime.row import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from flowgraph.compiler.steps import Group, Region, Series
    from flowgraph.compiler.tasks import Tasks
    from flowgraph.declare.stage import Stage
    from flowgraph.runtime.code import Parcel

__all__ = ["lower_group", "lower_region", "lower_series"]

_new: Final = tuple.__new__
"""Makes a named tuple in half of the time."""


def lower_series(tasks: Tasks, step: Series) -> None:
    """The task of calls that run one after the other, of which the last gives the value."""
    calls = _placed(tasks, step.needs, step.calls)
    plain = all(map(_is_plain, step.calls))
    tasks.value(
        step,
        prefix_of(step),
        Calls,
        list(map(tasks.of, step.needs)),
        calls=tasks.drafts.parcel(calls, calls=step.calls, plain=plain),
        beat=FREELY if step.lanes is None else tasks.queues.beat(step.lanes),
        owes=tuple(tasks.drafts.places(step.calls)) if len(calls) > 1 else (),
    )
    if step.lanes is not None:
        tasks.end_batch(step, step.lanes)


def lower_group(tasks: Tasks, step: Group) -> None:
    """The task of calls that share it, each with a value of its own."""
    contents = [call for series in step.members for call in series.calls]
    ends = accumulate([len(series.calls) for series in step.members])
    beat, slots = FREELY, None
    if step.lanes is not None:
        beat, slots = tasks.queues.beat(step.lanes), tasks.queues.share(step.lanes)
    number = tasks.add(
        step,
        prefix_of(step),
        Calls,
        list(map(tasks.of, step.needs)),
        calls=tasks.drafts.parcel(_placed(tasks, step.needs, contents), calls=contents),
        beat=beat,
        slots=SLOTS if slots is None else slots,
        owes=tuple(tasks.drafts.places(contents)),
        gives=tuple([end - 1 for end in ends]),
    )
    tasks.share(step.members, number)


def lower_region(tasks: Tasks, step: Region) -> None:
    """The task that stands for calls that are handed out.

    What most runs in one process never ask for is not made before somebody does:
    the calls as a stint far away gets them, and what may not travel.
    """
    calls = step.calls
    stages = dict.fromkeys([call.stage for call in calls])
    others = dict.fromkeys([call.otherwise for call in calls if call.otherwise is not None])
    numbers = {stage: tasks.drafts.stage(stage) for stage in (*stages, *others)}
    read = tasks.read()
    gives = [k for k, call in enumerate(calls) if call.name in read]
    nodes = tasks.drafts.numbers([call.name for call in calls])
    numbered = Later(partial(_numbered, step, nodes, numbers), shipping.dumps)
    number = tasks.add(
        step,
        prefix_of(step),
        region.Region,
        [tasks.of(need) for need in step.needs],
        calls=numbered,
        gives=tuple(gives),
        givers=tuple([Place(nodes[k], calls[k].name, calls[k].stage.name) for k in gives]),
        stages={numbers[stage]: stage.name for stage in stages},
        row=_row(step, numbered, nodes, numbers),
    )
    doubtful: Later[Any] = Later(partial(_doubtful, calls), shipping.dumps)
    tasks.drafts.carry(Cargo(doubtful, (), calls))
    tasks.share([calls[k] for k in gives], number)


def _row(
    step: Region,
    calls: Parcel[tuple[OneCall, ...]],
    nodes: Sequence[int],
    stages: Mapping[Stage[..., Any], int],
) -> Callable[[], Row] | None:
    """The calls in a row, if nothing is owed for any but a call of its function."""
    if any(stage.timeout is not None or stage.is_coroutine for stage in stages):
        return None
    if [call for call in step.calls if call.condition is not MISSING]:
        return None
    functions = {number: stage.function for stage, number in stages.items()}
    return lambda: Row(calls.open(), nodes, functions)


def _numbered(
    step: Region, nodes: Sequence[int], stages: Mapping[Stage[..., Any], int]
) -> tuple[OneCall, ...]:
    """The calls with numbers for names: of stages, nodes, and places of what they read."""
    names = (*step.needs, *[call.name for call in step.calls])
    place = dict(zip(names, range(len(names)), strict=True)).__getitem__
    # As `_parts_of`, written out: there may be a hundred thousand.
    return tuple(
        [
            _new(
                OneCall,
                (
                    stages[call.stage],
                    node,
                    call.name,
                    *own_call(call),
                    tuple([place(need) for need in call.needs]),
                    True if call.condition is MISSING else call.condition,
                    None if call.otherwise is None else stages[call.otherwise],
                ),
            )
            for node, call in zip(nodes, step.calls, strict=True)
        ]
    )


def _doubtful(calls: Iterable[Call]) -> list[tuple[Any, Any]]:
    """What may not travel; each call is pickled in its stint, here that is only tried."""
    return [(call.args, call.kwargs) for call in calls if not is_plain(call)]


def _is_plain(call: Call) -> bool:
    return call.condition is MISSING and is_plain(call)


def _placed(
    tasks: Tasks, before: tuple[str, ...], calls: Sequence[Call]
) -> tuple[tuple[Any, ...], ...]:
    """The parts of calls that are made in one task, which reads ``before``."""
    if before == calls[0].needs and len(calls) == 1:  # quicker: there may be a hundred thousand
        return (_parts_of(tasks, calls[0], tuple(range(len(before)))),)
    place = {name: k for k, name in enumerate((*before, *[call.name for call in calls]))}
    return tuple(
        [_parts_of(tasks, call, tuple([place[need] for need in call.needs])) for call in calls]
    )


def _parts_of(tasks: Tasks, call: Call, needs: tuple[int, ...]) -> tuple[Any, ...]:
    """The parts of a `OneCall`, which finds what it needs in these places."""
    return (
        tasks.drafts.stage(call.stage),
        tasks.drafts.number(call.name),
        call.name,
        *own_call(call),
        needs,
        True if call.condition is MISSING else call.condition,
        None if call.otherwise is None else tasks.drafts.stage(call.otherwise),
    )
