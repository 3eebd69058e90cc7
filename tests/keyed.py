"""A keyed operation in a notebook of its own, and what one pass over a dict gives."""

from __future__ import annotations

from contextlib import ExitStack

from notebook import Clock, new_control

from flowgraph.runtime.code import Stage
from flowgraph.runtime.keyed import Combiner, KeyedPlan, Keying
from flowgraph.runtime.merge import MergeKeys
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.scope import Scope


def first(item):
    return item[0]


def second(item):
    return item[1]


def joined(left, right):
    return f"({left} {right})"


async def awaited(left, right):
    return joined(left, right)


def halved(left, right):
    """Associative: the order is kept, however it is grouped."""
    return left + right


async def halved_later(left, right):
    return left + right


def stage(function, retry=None, *, timeout=None, is_coroutine=False):
    return Stage(function.__name__, function, retry, timeout, False, None, is_coroutine)


class Keyed:
    """A keyed operation of these functions, with the task's notebook."""

    def __init__(  # noqa: PLR0913  each of a stage's sides
        self, key=first, op=halved, value=second, *, retry=None, timeout=None, **options
    ):
        self.clock = Clock()
        coroutine = op in (awaited, halved_later)
        op_stage = stage(op or halved, retry, timeout=timeout, is_coroutine=coroutine)
        stages = [stage(key, retry), op_stage, stage(value or second, retry)]
        self.control = new_control(*stages, **options)
        self.scope = Scope(self.control, 1, self.clock)
        self.plan = KeyedPlan(7, "by", 0, op and 1, value and 2)

    def combiner(self, count=0):
        return Combiner(self.scope, ExitStack(), self.plan, count=count)

    def taken(self, *blocks):
        """The table of a partition that comes in blocks."""
        sink = Keying(self.combiner())
        for block in blocks:
            sink.take(block, range(len(block)))
        return sink.result()

    def merged(self, *tables, last=False):
        work = MergeKeys(
            task=3, node=7, name="by", stage="first", reads=len(tables), keyed=self.plan, last=last
        )
        return work.run(self.scope, [Outcome(table) for table in tables])


def one_pass(items, op=halved):
    table = {}
    for key, value in items:
        table[key] = op(table[key], value) if key in table else value
    return table


def same(table, wanted):
    """Equal, with the same keys in the same order: of 1, True and 1.0 the first one that came."""
    assert [(type(key), key, value) for key, value in table.items()] == [
        (type(key), key, value) for key, value in wanted.items()
    ]
