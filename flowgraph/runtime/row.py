"""Calls as they were declared, which can be made as they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Declared", "Row"]


class Declared(Protocol):
    """A call as it was declared."""

    @property
    def name(self) -> str: ...
    @property
    def needs(self) -> tuple[str, ...]: ...
    @property
    def args(self) -> tuple[Any, ...]: ...
    @property
    def kwargs(self) -> tuple[tuple[str, Any], ...]: ...
    @property
    def stage(self) -> Any: ...


class Row(NamedTuple):
    """Calls that owe nothing but a call of a function, each behind those that it needs."""

    calls: Sequence[Declared]
    reads: tuple[str, ...]
    """The names of the inputs."""
    numbers: Sequence[int]
    """The numbers of the calls' nodes, as records have them."""
    functions: Mapping[Any, Callable[..., Any]]
    """What is called for each stage."""
