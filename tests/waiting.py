"""What tests of coroutine stages share: a stage that fails as told, and its run on the loop."""

from __future__ import annotations

import asyncio
from collections import Counter

from notebook import new_scope, new_site

from flowgraph.runtime.bind import bind_one
from flowgraph.runtime.code import Stage
from flowgraph.runtime.coroutines import AsyncLink, Waiting
from flowgraph.runtime.failure import Failure
from flowgraph.runtime.partition import Partition
from flowgraph.runtime.positions import at
from flowgraph.runtime.sink import Keeping

BEFORE = Failure("early", "early", 0, 1, "host", ())


def new_link(operation, function, retry=None, *, node=7, slots=100, timeout=None, in_order=False):
    site = new_site(function, retry, node=node)
    site.stage = Stage("work", function, retry, timeout, in_order, None, True)
    return AsyncLink(site, operation, bind_one(operation, function, [], {}), slots)


def waited(links, items, scope=None):
    """What comes out: (position, value) of each item."""
    sink = Keeping()
    part = Partition(list(items), range(100, 100 + len(items)), BEFORE in items)
    Waiting(scope or new_scope(), links, sink).run(part)
    part = sink.result()
    values = [type(value) if isinstance(value, Failure) else value for value in part.values]
    return [(at(part.where, k), value) for k, value in enumerate(values)]


async def turns(count=50):
    """Let all others come as far as they can."""
    for _ in range(count):
        await asyncio.sleep(0)


class Flaky:
    """Fails for each item as often as ``failures`` says; later items are done sooner."""

    def __init__(self, function, failures=lambda item: 0, log=None):
        self.function = function
        self.failures = failures
        self.tried = Counter()
        self.log = [] if log is None else log

    async def __call__(self, item):
        self.log.append(item)
        await turns(3 - item % 4)
        self.tried[item] += 1
        if self.tried[item] <= self.failures(item):
            raise ValueError(item)
        return self.function(item)
