"""Steps as text: a graph reads like a small program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowgraph.compiler.steps import (
    Chain,
    Combine,
    Constant,
    Gathered,
    Group,
    Region,
    Series,
    Whole,
    members,
)
from flowgraph.declare.steps import (
    MISSING,
    Batch,
    Call,
    Collect,
    Concat,
    Each,
    Fold,
    Keyed,
    Number,
    Pack,
    Parameter,
    Product,
    Source,
    Take,
    Zip,
)
from flowgraph.runtime.call import Nest, Slot

if TYPE_CHECKING:
    from flowgraph.declare.steps import Step

__all__ = ["line_of"]


def line_of(step: Step) -> str:
    """One step on one line: its name, what it does, what it waits for."""
    after = f"  after {', '.join(step.after)}" if step.after else ""
    return f"{step.name} = {_right_side(step)}{after}"


def _right_side(step: Step) -> str:  # noqa: PLR0911  one line for each kind of step
    match step:
        case Parameter():
            return f"param({'' if step.default is MISSING else _short(step.default)})"
        case Constant():
            return f"constant({_short(step.value)})"
        case Source(items=None):
            return f"items({step.needs[0]})"
        case Source():
            return f"items({len(step.items or ())})"
        case Call() | Each() | Fold():
            return _call(step)
        case Pack():
            return f"pack({_argument(step.template, step.needs)})"
        case Series():
            return " ; ".join(map(_call, step.calls)) + _tail(lanes=step.lanes)
        case Region():
            return f"region of {len(step.calls)}: {_call(step.calls[0])} ; …"
        case Group():
            first = _right_side(step.members[0])
            return f"group of {len(step.members)}: {first} ; …" + _tail(lanes=step.lanes)
        case Chain():
            parts = [step.needs[0], *map(_link, members(step))]
            levels = "→".join(map(str, step.levels))
            cuts = None if step.cuts is None else len(step.cuts)
            return " | ".join(parts) + _tail(partitions=cuts, tree=levels or None, lanes=step.lanes)
        case Zip() | Concat() | Collect() | Gathered():
            return f"{type(step).__name__.lower()}({', '.join(step.needs)})"
        case Whole():
            return f"whole {_right_side(step.of)}"
    return f"{step.needs[0]} | {_link(step)}"


def _call(step: Call | Each | Fold) -> str:
    if not isinstance(step, Call):
        return f"{step.needs[0]} | {_link(step)}"
    called = f"{step.stage.name}({_arguments(step)})"
    if step.condition is MISSING:
        return called
    condition = _argument(step.condition, step.needs)
    otherwise = "" if step.otherwise is None else f" else {step.otherwise.name}"
    return f"{called} if {condition}{otherwise}"


def _link(step: Step) -> str:
    match step:
        case Fold():
            start = "" if step.initial is MISSING else f", {_argument(step.initial, step.needs)}"
            return f"reduce({step.stage.name}{start})"
        case Each():
            return f"{step.op}({', '.join(filter(None, (step.stage.name, _arguments(step))))})"
        case Combine():
            return _link(step.of)
        case Keyed():
            stages = [stage.name for stage in (step.key, step.op, step.value) if stage is not None]
            return f"{'group' if step.op is None else 'reduce'}_by({', '.join(stages)})"
        case Number():
            return "enumerate"
        case Product():
            return f"product({step.needs[1]})"
        case Batch():
            return f"batch({step.size})"
        case Take():
            return f"take({step.count})"
    return type(step).__name__.lower()


def _arguments(step: Call | Each) -> str:
    inside = [_argument(arg, step.needs) for arg in step.args]
    inside += [f"{key}={_argument(arg, step.needs)}" for key, arg in step.kwargs]
    return ", ".join(inside)


def _argument(template: object, needs: tuple[str, ...]) -> str:
    if isinstance(template, Slot):
        return needs[template.position]
    if isinstance(template, Nest):
        shown = ", ".join(_argument(item, needs) for item in template.items[:3])
        return f"[{shown}{', …' if len(template.items) > 3 else ''}]"
    return _short(template)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 30 else f"{text[:27]}…"


def _tail(**facts: object) -> str:
    told = [f"{name} {value}" for name, value in facts.items() if value is not None]
    return f"  [{', '.join(told)}]" if told else ""
