"""How dataclasses that nobody changes are pickled: by their values alone.

What Python does for frozen ones with slots asks for the fields of the class each time, on
both sides: of a trivial task that takes longer than the call.  For others with slots it
makes a dict of their names.
"""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["reduced"]

_set: Final = object.__setattr__
_names: Final[dict[type, tuple[str, ...]]] = {}
"""The fields of each class that was pickled or unpickled."""
_values: Final[dict[type, attrgetter[tuple[Any, ...]]]] = {}
"""What reads them."""


def reduced(thing: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """What pickle makes a dataclass of two fields or more from; to be its ``__reduce__``.

    Examples
    --------
    >>> import pickle
    >>> from flowgraph.runtime.pace import Beat
    >>> pickle.loads(pickle.dumps(Beat(0.5, rests=True)))
    Beat(interval=0.5, first=0.0, rests=True)
    """
    kind = type(thing)
    read = _values.get(kind)
    if read is None:
        read = _values[kind] = attrgetter(*_names_of(kind))
    return _remade, (kind, *read(thing))


def _remade(kind: type[Any], *values: Any) -> Any:
    made = object.__new__(kind)
    for name, value in zip(_names.get(kind) or _names_of(kind), values, strict=True):
        _set(made, name, value)
    return made


def _names_of(kind: type[Any]) -> tuple[str, ...]:
    names = _names[kind] = tuple([field.name for field in fields(kind)])
    return names
