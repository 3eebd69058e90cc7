"""The graph as a value: frozen steps, each after those it needs.

A step that a user declared comes from `flowgraph.declare.steps`; the passes
replace some of them by the ones here.  A Dag prints as text that reads like a
small program.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, cast

from flowgraph.compiler.steps import Group, Region, callees, needs_of
from flowgraph.compiler.text import line_of
from flowgraph.declare.steps import Call

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from flowgraph.declare.stage import Stage
    from flowgraph.declare.steps import Step

__all__ = ["Dag", "fresh"]

_CALLS: Final = frozenset({Call})
_after: Final = attrgetter("after")
_needs: Final = attrgetter("needs")


@dataclass(frozen=True)
class Dag:
    """Steps in an order they could run, and the names whose values are wanted."""

    name: str
    steps: tuple[Step, ...]
    targets: tuple[str, ...]

    @cached_property
    def kinds(self) -> frozenset[type[Step]]:
        """The types of its steps: a pass sees by them that it has nothing to do."""
        return frozenset(map(type, self.steps))

    @property
    def has_only_calls(self) -> bool:
        """True if all its steps are single calls, as in many a large graph."""
        return self.kinds == _CALLS

    @cached_property
    def stages(self) -> frozenset[Stage[..., Any]]:
        """The stages that its steps may call, and those of steps that are gone.

        Few, where there may be a hundred thousand steps: a pass asks once for all of them.
        """
        if not self.has_only_calls:
            return frozenset(chain.from_iterable(map(callees, self.steps)))
        calls = cast("tuple[Call, ...]", self.steps)
        others = [call.otherwise for call in calls if call.otherwise is not None]
        return frozenset([call.stage for call in calls]).union(others)

    def by_name(self) -> dict[str, Step]:
        """Each step under its name, also those that share a task."""
        found: dict[str, Step] = {step.name: step for step in self.steps}
        for step in self.steps:
            if isinstance(step, Group):
                found.update((member.name, member) for member in step.members)
            elif isinstance(step, Region):
                found.update((call.name, call) for call in step.calls)
        return found

    def uses(self) -> Counter[str]:
        """How often each step is read, waited for or wanted."""
        steps = self.steps
        needs = map(_needs if self.has_only_calls else needs_of, steps)
        read = chain.from_iterable(needs)
        return Counter(chain(self.targets, read, chain.from_iterable(map(_after, steps))))

    def with_steps(self, steps: Iterable[Step]) -> Dag:
        """The same graph with other steps, which call the same stages, or some of them."""
        made = Dag(self.name, tuple(steps), self.targets)
        if "stages" in self.__dict__:
            made.__dict__["stages"] = self.stages
        return made

    def __str__(self) -> str:
        lines = [f"  {line_of(step)}" for step in self.steps]
        return "\n".join((f"graph {self.name}", *lines, f"  return {', '.join(self.targets)}"))


def fresh(name: str, taken: Container[str]) -> str:
    """A name for a step of the compiler's that no other step has."""
    while name in taken:
        name += "'"
    return name
