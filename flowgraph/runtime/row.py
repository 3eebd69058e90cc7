"""Calls as they were declared, which can be made as they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

__all__ = ["Declared", "Linked", "Row"]


class Declared(Protocol):
    """A call as it was declared.  No two are equal."""

    def __hash__(self) -> int: ...
    @property
    def stage(self) -> Any: ...
    @property
    def args(self) -> tuple[Any, ...]: ...
    @property
    def kwargs(self) -> tuple[tuple[str, Any], ...]: ...
    @property
    def needs(self) -> tuple[Hashable, ...]:
        """What slots stand for: other calls of the row, and what it reads."""


class Linked:
    """A call with what it needs itself, rather than its name.

    Parameters
    ----------
    stage : object
        What `Row.functions` has the function of.
    args, kwargs : tuple
        Templates.
    needs : tuple
        What slots stand for.
    """

    __slots__ = ("args", "kwargs", "needs", "stage")

    def __init__(
        self,
        stage: Any,
        args: tuple[Any, ...],
        needs: tuple[Hashable, ...] = (),
        kwargs: tuple[tuple[str, Any], ...] = (),
    ) -> None:
        self.stage = stage
        self.args = args
        self.kwargs = kwargs
        self.needs = needs


class Row(NamedTuple):
    """Calls that owe nothing but a call of a function, each behind those that it needs."""

    calls: Sequence[Declared]
    reads: Sequence[Hashable]
    """What calls name the inputs by."""
    numbers: Sequence[int]
    """The numbers of the calls' nodes, as records have them."""
    functions: Mapping[Any, Callable[..., Any]]
    """What is called for each stage."""
