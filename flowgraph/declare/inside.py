"""What is inside a value that a user gave: nodes, and containers that must be copied."""

from __future__ import annotations

from collections import deque
from dataclasses import fields, is_dataclass
from itertools import chain, groupby, islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from flowgraph.declare.node import Handle
from flowgraph.runtime.call import PLAIN

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["CONTAINERS", "hiding", "holds_node", "worth_a_look"]

CONTAINERS: Final = (
    *(list, tuple, dict, set, frozenset, deque, MappingProxyType),
    *map(type, ({}.keys(), {}.values(), {}.items())),
)
"""Where nodes are looked for: found in the first three, refused in the others."""

_MAPPINGS: Final = (dict, MappingProxyType)
_LOOKED_INTO: Final = (Handle, *CONTAINERS)
_SAMPLE: Final = 500
"""Values that tell what others may be like."""
_SMALL: Final = 1 << 40
"""A million of which are added up without big numbers."""


def holds_node(value: Any) -> bool:
    """True if a node is in a value, at any depth of containers.

    Examples
    --------
    >>> from flowgraph.declare.graph import Declarations
    >>> holds_node({("a", Declarations("photos").param("folder"))})
    True
    """
    seen: dict[int, Any] = {}  # with the values: else an id could come again for another one
    rest = [value]
    while rest:
        value = rest.pop()
        if isinstance(value, Handle):
            return True
        if id(value) in seen:
            continue
        if is_dataclass(value):
            seen[id(value)] = value
            rest += _fields(value)
        elif isinstance(value, CONTAINERS):
            seen[id(value)] = value
            parts: list[Any] = [value]
            if isinstance(value, _MAPPINGS):
                parts.append(value.values())
            for inside in parts:
                if worth_a_look(inside):
                    rest.extend([item for item in inside if isinstance(item, _LOOKED_INTO)])
    return False


def hiding(values: Iterable[Any]) -> str | None:
    """The class of an object among many values that has a node in a field; None if none has.

    Only the first ones are looked at, as it takes microseconds each: others are like them.
    """
    for value in islice(values, _SAMPLE):
        if type(value) not in PLAIN and is_dataclass(value) and holds_node(value):
            return type(value).__name__
    return None


def worth_a_look(values: Collection[Any]) -> bool:
    """False if neither a node nor anything that must be copied is among the values.

    By their types, which are few: the values themselves may be millions.
    """
    if len(values) > _SAMPLE and _are_numbers(values):
        return False
    kinds = {kind for kind, _ in groupby(values, type)}  # a set of all asks each for its hash
    if kinds <= PLAIN:
        return False
    looked_into = {kind for kind in kinds if issubclass(kind, _LOOKED_INTO)}
    if looked_into == {tuple}:  # such as the pairs of a starmap: one level more
        pairs = values if kinds == looked_into else [v for v in values if type(v) is tuple]
        inside = set(map(type, chain.from_iterable(pairs)))
        return any(issubclass(kind, _LOOKED_INTO) for kind in inside)
    return bool(looked_into)


def _fields(value: Any) -> list[Any]:
    """What a dataclass's object has in its fields; none of a class, or where it will not say."""
    if isinstance(value, type):
        return []
    try:
        return [getattr(value, field.name) for field in fields(value)]
    except Exception:  # it may be the user's code
        return []


def _are_numbers(values: Collection[Any]) -> bool:
    """True if many values can be added up, as nodes and containers cannot; at a third of the price.

    Not tried unless the first ones are small numbers of one type: anything else that is
    added to a number may run code of the user's, and large ones take long.
    """
    sample = list(islice(values, _SAMPLE))
    kind = type(sample[0])
    if kind not in (int, float) or any(type(value) is not kind for value in sample):
        return False
    if kind is int and max(map(abs, sample)) > _SMALL:
        return False
    try:
        return type(sum(values)) is kind
    except Exception:
        return False
