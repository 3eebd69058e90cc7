"""The graph as a value: frozen steps, each after those it needs.

A step that a user declared comes from `flowgraph.declare.steps`; the passes
replace some of them by the ones here.  A Dag prints as text that reads like a
small program.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flowgraph.declare.steps import (
    MISSING,
    Call,
    Collect,
    Count,
    Each,
    Fold,
    Pack,
    Parameter,
    Source,
    Step,
)
from flowgraph.runtime.call import Nest, Slot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flowgraph.declare.stage import Stage
    from flowgraph.runtime.cuts import Cuts

__all__ = ["Chain", "Constant", "Dag", "Gathered", "Series", "stages_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant(Step):
    """A parameter with its value."""

    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered(Step):
    """A collection as one list without its failed items; ``needs[0]`` is the collection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain(Step):
    """Item-wise stages that run as one task per partition, and what comes of the items.

    ``needs[0]`` is the collection, the others are values that links read.
    """

    links: tuple[Each, ...]
    end: Fold | Count | None = None
    cuts: Cuts | None = None
    levels: tuple[int, ...] = ()
    """Partial results on each level of a reduction's tree, the partitions first."""
    lane: str | None = None
    """Tasks with the same lane run one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series(Step):
    """Single calls that run as one task, one after the other; the last gives the value."""

    calls: tuple[Call, ...]
    lane: str | None = None


@dataclass(frozen=True, slots=True)
class Dag:
    """Steps in an order they could run, and the names whose values are wanted."""

    name: str
    steps: tuple[Step, ...]
    targets: tuple[str, ...]

    def by_name(self) -> dict[str, Step]:
        """Each step under its name."""
        return {step.name: step for step in self.steps}

    def uses(self) -> Counter[str]:
        """How often each step is read, waited for or wanted."""
        uses = Counter(self.targets)
        for step in self.steps:
            uses.update(needs_of(step))
            uses.update(step.after)
        return uses

    def with_steps(self, steps: Iterable[Step]) -> Dag:
        """The same graph with other steps."""
        return replace(self, steps=tuple(steps))

    def __str__(self) -> str:
        lines = [f"  {_line(step)}" for step in self.steps]
        return "\n".join((f"graph {self.name}", *lines, f"  return {', '.join(self.targets)}"))


def needs_of(step: Step) -> tuple[str, ...]:
    """The steps whose values are read, also by a chain's reduction for its initial value."""
    if isinstance(step, Chain) and isinstance(step.end, Fold):
        return (*step.needs, *step.end.needs[1:])
    return step.needs


def stages_of(step: Step) -> tuple[Stage[..., Any], ...]:
    """The stages that a step calls, in order."""
    if isinstance(step, (Call, Each, Fold)):
        return (step.stage,)
    if isinstance(step, Series):
        return tuple(call.stage for call in step.calls)
    if isinstance(step, Chain):
        end = (step.end.stage,) if isinstance(step.end, Fold) else ()
        return (*(link.stage for link in step.links), *end)
    return ()


def members(step: Step) -> tuple[Step, ...]:
    """The declared steps that a fused step stands for."""
    if isinstance(step, Series):
        return step.calls
    if isinstance(step, Chain):
        return (*step.links, *(() if step.end is None else (step.end,)))
    return (step,)


def _line(step: Step) -> str:
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
        case Collect() | Count() | Gathered():
            return f"{type(step).__name__.lower()}({step.needs[0]})"
        case Series():
            return " ; ".join(map(_call, step.calls)) + _tail(lane=step.lane)
        case Chain():
            parts = [step.needs[0], *map(_link, step.links)]
            if step.end is not None:
                parts.append("count" if isinstance(step.end, Count) else _link(step.end))
            levels = "→".join(map(str, step.levels))
            cuts = None if step.cuts is None else len(step.cuts)
            return " | ".join(parts) + _tail(partitions=cuts, tree=levels or None, lane=step.lane)
    return type(step).__name__.lower()


def _call(step: Call | Each | Fold) -> str:
    if isinstance(step, Call):
        inside = [_argument(arg, step.needs) for arg in step.args]
        inside += [f"{key}={_argument(arg, step.needs)}" for key, arg in step.kwargs]
        return f"{step.stage.name}({', '.join(inside)})"
    return f"{step.needs[0]} | {_link(step)}"


def _link(step: Each | Fold) -> str:
    if isinstance(step, Fold):
        start = "" if step.initial is MISSING else f", {_argument(step.initial, step.needs)}"
        return f"reduce({step.stage.name}{start})"
    inside = [step.stage.name, *(_argument(arg, step.needs) for arg in step.args)]
    inside += [f"{key}={_argument(arg, step.needs)}" for key, arg in step.kwargs]
    return f"{step.op}({', '.join(inside)})"


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
