"""The graph as a value: frozen steps, each after those it needs.

A step that a user declared comes from `flowgraph.declare.steps`; the passes
replace some of them by the ones here.  A Dag prints as text that reads like a
small program.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from flowgraph.compiler.steps import Group, Region, needs_of
from flowgraph.compiler.text import line_of
from flowgraph.declare.steps import Call

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from flowgraph.declare.steps import Step

__all__ = ["Dag", "fresh"]

_CALLS: Final = frozenset({Call})


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
        uses = Counter(self.targets)
        for step in self.steps:
            for name in (*needs_of(step), *step.after):  # quicker than update, which takes any kind
                uses[name] += 1
        return uses

    def with_steps(self, steps: Iterable[Step]) -> Dag:
        """The same graph with other steps."""
        return Dag(self.name, tuple(steps), self.targets)

    def __str__(self) -> str:
        lines = [f"  {line_of(step)}" for step in self.steps]
        return "\n".join((f"graph {self.name}", *lines, f"  return {', '.join(self.targets)}"))


def fresh(name: str, taken: Container[str]) -> str:
    """A name for a step of the compiler's that no other step has."""
    while name in taken:
        name += "'"
    return name
