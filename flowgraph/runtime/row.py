"""Calls that can be made as they stand, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Declared", "Row"]


class Declared(Protocol):
    """A call as it was declared, or as the plan says it."""

    @property
    def stage(self) -> Any: ...
    @property
    def args(self) -> tuple[Any, ...]: ...
    @property
    def kwargs(self) -> tuple[tuple[str, Any], ...]: ...
    @property
    def needs(self) -> tuple[int, ...]:
        """Places of what slots stand for: inputs of the row first, then its calls."""


class Row(NamedTuple):
    """Calls that owe nothing but a call of a function, each behind those that it needs."""

    calls: Sequence[Declared]
    numbers: Sequence[int]
    """The numbers of the calls' nodes, as records have them."""
    functions: Mapping[Any, Callable[..., Any]]
    """What is called for each stage."""
