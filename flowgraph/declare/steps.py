"""The declared graph as plain, frozen data: what the compiler reads.

Each step names the steps whose values it reads in ``needs``; in its templates
``Slot(k)`` stands for the value of ``needs[k]``.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Final

from flowgraph.runtime.record import record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flowgraph.declare.stage import Stage
    from flowgraph.runtime.bind import Operation

__all__ = [
    "MISSING",
    "Batch",
    "Call",
    "Collect",
    "Collection",
    "Concat",
    "Count",
    "Each",
    "Fold",
    "Keyed",
    "Missing",
    "Number",
    "Pack",
    "Parameter",
    "Product",
    "Source",
    "Step",
    "Take",
    "Zip",
    "kind_of",
    "plain_call",
]


class Missing(enum.Enum):
    """The type of `MISSING`."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
"""Stands for a value that was not given, where None is a value."""


@record
class Step:
    """One node of the graph."""

    name: str
    needs: tuple[str, ...] = ()
    """Steps whose values are read."""
    after: tuple[str, ...] = ()
    """Steps that must have ended before."""
    annotations: tuple[tuple[str, Any], ...] = ()
    """What Dask's scheduler is told of the step's tasks."""


@record
class Parameter(Step):
    """A value bound at run time."""

    default: Any = MISSING
    type: Callable[[str], Any] | None = None
    """Makes a value of the command line's text."""


@record
class Call(Step):
    """One call of a stage."""

    stage: Stage[..., Any]
    args: tuple[Any, ...]
    kwargs: tuple[tuple[str, Any], ...]
    condition: Any = MISSING
    """Template of what must be true for the call to be made."""
    otherwise: Stage[..., Any] | None = None
    """What is called if the condition is false; None for nothing."""


@record
class Pack(Step):
    """A container of values; owes no call."""

    template: Any


@record
class Source(Step):
    """A data-parallel collection."""

    items: Sequence[Any] | None
    """None: the items are what ``needs[0]`` gives."""


@record
class Each(Step):
    """A stage called on each item of the collection ``needs[0]``."""

    op: Operation
    """``values`` calls the stage on the second part of a pair, whose first it keeps."""
    stage: Stage[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = ()


@record
class Fold(Step):
    """The collection ``needs[0]`` combined by a binary stage."""

    stage: Stage[..., Any]
    initial: Any = MISSING


@record
class Keyed(Step):
    """The items of the collection ``needs[0]`` by their keys, in order of first appearance."""

    key: Stage[..., Any]
    op: Stage[..., Any] | None = None
    """Combines the values of a key; None to keep them in a list."""
    value: Stage[..., Any] | None = None
    """What is combined of an item; None for the item itself."""


@record
class Number(Step):
    """Each item of the collection ``needs[0]`` with its place: ``(place, item)``."""


@record
class Product(Step):
    """Each item of the collection ``needs[0]`` with each of the list ``needs[1]``."""


@record
class Zip(Step):
    """The items of several collections side by side."""


@record
class Concat(Step):
    """The items of several collections one after the other."""


@record
class Batch(Step):
    """The items of the collection ``needs[0]`` in lists."""

    size: int


@record
class Take(Step):
    """The first items of the collection ``needs[0]``."""

    count: int


@record
class Collect(Step):
    """The collection ``needs[0]`` as a list, or its pairs as a dict."""

    as_dict: bool = False
    """Without the items that failed."""


@record
class Count(Step):
    """The number of items of the collection ``needs[0]``."""


def plain_call(
    name: str,
    needs: tuple[str, ...],
    stage: Stage[..., Any],
    args: tuple[Any, ...],
    kwargs: tuple[tuple[str, Any], ...] = (),
) -> Call:
    """A call without a condition, made at a third of the price.

    Examples
    --------
    >>> from flowgraph.declare.stage import Stage
    >>> plain_call("n", (), Stage(len), ("abc",)).args
    ('abc',)
    """
    made: Any = _new(Call)
    made.name = name
    made.needs = needs
    made.after = made.annotations = ()
    made.stage = stage
    made.args = args
    made.kwargs = kwargs
    made.condition = MISSING
    made.otherwise = None
    return made  # type: ignore[no-any-return]


_new: Final = object.__new__


Collection = Source | Each | Keyed | Number | Product | Zip | Concat | Batch | Take
"""Steps with items rather than one value."""


_KINDS: Final = {
    Parameter: "param",
    Call: "task",
    Source: "items",
    Fold: "reduce",
    Collect: "collect",
    Count: "count",
    Pack: "join",
    Number: "enumerate",
    Zip: "zip",
    Concat: "concat",
    Product: "product",
    Batch: "batch",
    Take: "take",
}


def kind_of(step: Step) -> str:
    """What kind of node a step is: mostly the name of the method that declared it.

    Examples
    --------
    >>> kind_of(Count(name="n")), kind_of(Source(name="photos", items=[]))
    ('count', 'items')
    """
    if isinstance(step, Call):
        return "task" if step.condition is MISSING else "when"
    if isinstance(step, Each):
        return step.op
    if isinstance(step, Keyed):
        return "group_by" if step.op is None else "reduce_by"
    return _KINDS[type(step)]
