"""What is inside a value that a user gave: nodes, and containers that must be copied."""

from __future__ import annotations

import math
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
_ENOUGH: Final = 5000
"""Objects that are looked into to tell whether nodes hide in a list of them, about."""
_SMALL: Final = 1 << 40
"""A million of which are added up without big numbers."""


def holds_node(value: Any, seen: dict[int, Any] | None = None, most: float = math.inf) -> bool:
    """True if a node is in a value, at any depth of containers and of dataclasses in them.

    Parameters
    ----------
    value : object
        What to look into.
    seen : dict, optional
        Objects that were looked into before, by their ids; added to.
    most : float
        How many are looked into, at most.

    Examples
    --------
    >>> from flowgraph.declare.graph import Declarations
    >>> holds_node({("a", Declarations("photos").param("folder"))})
    True
    """
    # With the objects: else an id could come again for another one.
    seen = {} if seen is None else seen
    rest = [value]
    while rest and len(seen) < most:
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
                rest += _objects(inside)
    return False


def hiding(values: Iterable[Any]) -> str | None:
    """The class of an object among many values that has a node in a field; None if none has.

    Only the first ones are looked at, and so much in them: others are like them.
    """
    seen: dict[int, Any] = {}
    for value in islice(values, _SAMPLE):
        for each in _objects(value if isinstance(value, tuple) else (value,)):
            if holds_node(each, seen, _ENOUGH):
                return type(each).__name__
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


def _objects(values: Iterable[Any]) -> list[Any]:
    """The objects of dataclasses among the first of many values."""
    return [v for v in islice(values, _SAMPLE) if type(v) not in PLAIN and is_dataclass(v)]


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
