"""What becomes of each owed call of a graph with failures: worked out plainly, without running it.

Slow and simple: every function is called once, in order, and its exception
caught.  It knows nothing of partitions, fusing, attempts or records.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import reduce
from inspect import iscoroutinefunction
from itertools import product
from typing import TYPE_CHECKING, Any

from flowgraph.compiler.steps import Constant, Gathered, reads_items
from flowgraph.declare.steps import (
    MISSING,
    Batch,
    Call,
    Collect,
    Concat,
    Count,
    Each,
    Fold,
    Keyed,
    Number,
    Pack,
    Product,
    Source,
    Take,
    Zip,
)
from flowgraph.runtime.call import fill

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowgraph.compiler.dag import Dag
    from flowgraph.declare.steps import Step


@dataclass
class Missing:
    """In the place of a value: its step failed or was skipped."""

    length: int = 1
    """Items that a collection would have had, as far as is known."""
    failed: bool = True
    """False if a condition was false."""


class Bad:
    """In the place of an item that failed."""


def ends(dag: Dag) -> tuple[int, int, int]:
    """How many calls are completed, failed and skipped when everything runs that can.

    Parameters
    ----------
    dag : Dag
        Not fused, with its parameters bound.
    """
    oracle = _Oracle()
    for step in dag.steps:
        oracle.values[step.name] = oracle.value(step)
    return oracle.completed, oracle.failed, oracle.skipped


class _Oracle:
    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.completed = self.failed = self.skipped = 0

    def value(self, step: Step) -> Any:
        # Who reads a collection as one value gets the successes.
        items = len(reads_items(step))
        inputs = [
            self.values[need] if k < items else successes(self.values[need])
            for k, need in enumerate(step.needs)
        ]
        lacking = self.lacking(step)
        match step:
            case Constant():
                return step.value
            case Each():
                return self.each(step, inputs, lacking)
            case Call() | Fold() | Keyed() if lacking:
                self.skipped += 1
                return Missing(failed=lacking.failed)
            case Call():
                return self.task(step, inputs)
            case Fold():
                return self.call(lambda: folded(step, inputs))
            case Keyed():
                return self.call(lambda: keyed(step, successes(inputs[0])))
        if lacking:
            return Missing(length(step, inputs), lacking.failed)
        return made(step, inputs)

    def lacking(self, step: Step) -> Missing | None:
        """What is missing of what a step needs; a failure before a false condition."""
        needed = [self.values[need] for need in step.needs]
        after = [self.values[name] for name in step.after]
        found = [value for value in needed if isinstance(value, Missing)]
        found += [value for value in after if isinstance(value, Missing) and value.failed]
        return min(found, key=lambda missing: not missing.failed, default=None)

    def task(self, step: Call, inputs: list[Any]) -> Any:
        if step.condition is MISSING or fill(step.condition, inputs):
            return self.call(lambda: called(step, inputs))
        if step.otherwise is None:
            self.skipped += 1
            return Missing(failed=False)
        return self.call(lambda: called(replace(step, stage=step.otherwise), inputs))

    def call(self, call: Callable[[], Any], failed: Any = None) -> Any:
        try:
            value = call()
        except Exception:
            self.failed += 1
            return failed or Missing()
        self.completed += 1
        return value

    def each(self, step: Each, inputs: list[Any], lacking: Missing | None) -> Any:
        items = inputs[0]
        if lacking:
            self.skipped += long(items)
            return Missing(long(items), lacking.failed)
        made: list[Any] = []
        for item in items:
            if item is Bad:
                self.skipped += 1
                made.append(Bad)
                continue
            result = self.call(lambda: called(step, inputs, item), failed=Bad)  # noqa: B023
            if result is Bad or step.op in ("map", "starmap"):
                made.append(result)
            elif step.op == "values":
                made.append((item[0], result))
            elif step.op == "filter":
                made += [item] if result else []
            else:
                made += result
        return made


def made(step: Step, inputs: list[Any]) -> Any:
    """What a step makes that calls no stage."""
    match step:
        case Source():
            return list(inputs[0] if step.items is None else step.items)
        case Pack():
            return fill(step.template, inputs)
        case Collect(as_dict=True):
            return dict(successes(inputs[0]))
        case Collect():
            return [Exception() if item is Bad else item for item in inputs[0]]
        case Gathered():
            return inputs[0]
        case Count():
            return len(successes(inputs[0]))
        case Number():
            return [Bad if item is Bad else (k, item) for k, item in enumerate(inputs[0])]
        case Zip():
            return [Bad if Bad in pair else pair for pair in zip(*inputs, strict=True)]
        case Concat():
            return [item for items in inputs for item in items]
        case Product():
            return list(product(successes(inputs[0]), successes(inputs[1])))
        case Batch(size=size):
            good = successes(inputs[0])
            return [good[begin : begin + size] for begin in range(0, len(good), size)]
        case Take(count=count):
            return inputs[0][:count]
    raise NotImplementedError(step)


def length(step: Step, inputs: list[Any]) -> int:
    """Items of a collection that is skipped, as far as is known."""
    match step:
        case Zip():
            return max(map(long, inputs))
        case Concat():
            return sum(map(long, inputs))
        case Batch(size=size):
            return -(-long(inputs[0]) // size)
        case Number() | Take() | Product():
            return long(inputs[0])
    return 1


def long(items: Any) -> int:
    return items.length if isinstance(items, Missing) else len(items)


def called(step: Call | Each, inputs: list[Any], *item: Any) -> Any:
    args = [fill(arg, inputs) for arg in step.args]
    kwargs = {name: fill(arg, inputs) for name, arg in step.kwargs}
    first = item
    if isinstance(step, Each) and step.op in ("starmap", "values"):
        first = item[0] if step.op == "starmap" else item[0][1:]
    value = plain(step.stage.function)(*first, *args, **kwargs)
    # An iterator could be read only once; what fails on the way fails here.
    return list(value) if hasattr(type(value), "__next__") else value


def folded(step: Fold, inputs: list[Any]) -> Any:
    first = [] if step.initial is MISSING else [fill(step.initial, inputs)]
    return reduce(plain(step.stage.function), [*first, *successes(inputs[0])])


def keyed(step: Keyed, items: list[Any]) -> list[Any]:
    groups: dict[Any, list[Any]] = {}
    for item in items:
        groups.setdefault(step.key.function(item), []).append(item)
    if step.op is None:
        return list(groups.items())
    value = step.value.function if step.value else lambda item: item
    op = plain(step.op.function)
    return [(key, reduce(op, map(value, group))) for key, group in groups.items()]


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that gives a value, also of a coroutine function."""
    if not iscoroutinefunction(function):
        return function
    return lambda *args, **kwargs: asyncio.run(function(*args, **kwargs))


def successes(value: Any) -> Any:
    return [v for v in value if v is not Bad] if isinstance(value, list) else value
