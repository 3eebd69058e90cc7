"""Dataclasses that nobody changes, made in half of the time of frozen ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

__all__ = ["record"]

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """A dataclass of keyword arguments, whose objects nobody changes: a type checker sees to it.

    Python's own frozen dataclasses set each attribute by a call: a step takes twice as long to
    make, a task three times, and a graph may have a hundred thousand of either.

    Examples
    --------
    >>> @record
    ... class Point:
    ...     x: int
    ...     y: int = 0
    >>> Point(x=1)
    Point(x=1, y=0)
    """
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls)
