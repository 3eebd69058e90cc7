"""Coroutine stages: the items of a partition wait side by side on an event loop.

Consecutive coroutine stages of a chain are one segment: each item goes through
all of them in a task of its own.  A gate for each stage says how many attempts
may be made at once; an item keeps its place at one gate until it has one at
the next, so that a slow stage holds up those before it, and gives it back
while it waits for a retry.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from itertools import accumulate, chain, compress
from typing import TYPE_CHECKING, Any, Final

from flowgraph.runtime.attempt import is_late, next_delay, outcome_of, own_frames_off
from flowgraph.runtime.call import listed
from flowgraph.runtime.entrance import Entrance
from flowgraph.runtime.failure import Failure
from flowgraph.runtime.loop import limited, run_on_loop
from flowgraph.runtime.positions import Kept, Spread, at, cut, indices
from flowgraph.runtime.report import OK
from flowgraph.runtime.scope import here

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from flowgraph.runtime.attempt import Site
    from flowgraph.runtime.bind import Operation
    from flowgraph.runtime.partition import Partition
    from flowgraph.runtime.positions import Index, Where
    from flowgraph.runtime.scope import Scope
    from flowgraph.runtime.sink import Sink

__all__ = ["AsyncLink", "Waiting"]


class _Out:
    """Stands for an item that a filter did not let through."""


_OUT: Final = _Out()

Gate = Entrance | asyncio.Semaphore
"""What limits the attempts of a stage."""


class AsyncLink:
    """A coroutine stage of a chain, ready to be called.

    Parameters
    ----------
    site : Site
        The stage and its node.
    operation : str
        What its results mean.
    call : callable
        Takes an item, gives what is to be awaited.
    slots : int
        Attempts at once.
    """

    __slots__ = ("_call", "operation", "site", "slots")

    def __init__(
        self, site: Site, operation: Operation, call: Callable[[Any], Awaitable[Any]], slots: int
    ) -> None:
        self.site = site
        self.operation = operation
        self.slots = slots
        self._call = call

    async def attempt(
        self, item: Any, check: Callable[[], object]
    ) -> tuple[Any, BaseException | None]:
        """What one attempt gives or raises, unless the run is over: see `limited`."""
        stage = self.site.stage
        value, error = await limited(lambda: self._call(item), stage.timeout, stage.name, check)
        if error is not None:
            return None, own_frames_off(error)
        return self._settled(item, value)

    def _settled(self, item: Any, value: Any) -> tuple[Any, BaseException | None]:
        """What goes on of an item."""
        try:
            if self.operation == "filter":
                return (item if value else _OUT), None
            if self.operation == "flat_map":
                return list(value), None
            if self.operation == "values":
                return (item[0], listed(value)), None
        except Exception as error:
            return None, error
        return value, None


class Waiting:
    """One partition on its way through coroutine stages.

    Parameters
    ----------
    scope : Scope
        The task's notebook.
    links : sequence of AsyncLink
        The stages, in order; only the last may be a flat_map.
    sink : Sink
        Takes what comes out, once all is done.
    """

    def __init__(self, scope: Scope, links: Sequence[AsyncLink], sink: Sink) -> None:
        self._scope = scope
        self._links = links
        self._sink = sink
        self._worker = here()
        self._turns = asyncio.Lock()

    def run(self, part: Partition) -> None:
        """Take all items of a partition through the stages."""
        results = list(part.values)
        run_on_loop(self._all(results, part.where), self._scope)
        begin = 0
        for k in [*(k for k, v in enumerate(results) if type(v) is Failure), len(results)]:
            if begin < k:
                self._give(results[begin:k], cut(part.where, begin, k))
            if k < len(results):
                self._sink.fail(results[k], at(part.where, k))
            begin = k + 1

    def _give(self, results: list[Any], where: Where) -> None:
        """Hand on what items became that did not fail."""
        kept = [result is not _OUT for result in results]
        if not all(kept):
            results, where = list(compress(results, kept)), Kept(where, kept)
        if self._links[-1].operation == "flat_map":
            ends = list(accumulate(map(len, results)))
            results, where = list(chain.from_iterable(results)), Spread(where, ends)
        self._sink.take(results, where)

    async def _all(self, results: list[Any], where: Where) -> None:
        """Replace each item in ``results`` by what it becomes."""
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        running: set[asyncio.Task[None]] = set()
        todo = enumerate(indices(where, len(results)))
        context = copy_context()  # an item must not see what another one sets

        async def one(k: int, index: Index) -> None:
            results[k] = await self._item(gates, results[k], index)

        def begin() -> bool:
            for k, index in () if over.done() else todo:
                if type(results[k]) is Failure:
                    self._skip(self._links, index)
                    continue
                task = loop.create_task(one(k, index), context=context.copy())
                running.add(task)
                task.add_done_callback(ended)
                return True
            return False

        def ended(task: asyncio.Task[None]) -> None:
            running.discard(task)
            error = asyncio.CancelledError() if task.cancelled() else task.exception()
            if over.done():
                return
            if error is not None:
                over.set_exception(error)
            elif not running:
                over.set_result(None)

        entrance = Entrance(self._links[0].slots, begin)
        gates: list[Gate] = [entrance]
        gates += [asyncio.Semaphore(link.slots) for link in self._links[1:]]
        entrance.fill()
        try:
            if running:
                await over
        finally:
            if over.done() and not over.cancelled():
                over.exception()  # it may have come together with the end of the run
            over.cancel()
            # They are left to end by themselves: a coroutine may take its time over it.
            for task in running:
                task.cancel()

    async def _item(self, gates: Sequence[Gate], item: Any, index: Index) -> Any:
        """What an item becomes; it has its place at the first gate."""
        for depth, link in enumerate(self._links):
            if depth:
                await gates[depth].acquire()
                gates[depth - 1].release()
            item = await self._attempts(link, gates[depth], item, index)
            if item is _OUT:
                break
            if type(item) is Failure:
                self._skip(self._links[depth + 1 :], index)
                break
        gates[depth].release()
        return item

    async def _attempts(
        self, link: AsyncLink, gate: Gate, item: Any, index: Index
    ) -> Any | Failure:
        """What an item becomes at one stage, or its failure after the last attempt."""
        scope, site = self._scope, link.site
        errors: list[BaseException] = []
        since, noted = 0.0, (0, 0)
        while True:
            if site.pace is not None:
                # A time each, and only one waits for it: else a loop that was
                # held up would let all start at once whose times have gone by.
                async with self._turns:
                    await asyncio.sleep(site.pace.reserve(scope.now()))
            begun = scope.now()
            if not errors:
                since = begun
            elif is_late(site.stage, errors, begun - since):
                scope.change(noted, outcome_of(errors[-1], final=True))
                return self._failed(site, index, errors)
            value, error = await link.attempt(item, scope.check)
            ended = scope.now()
            count = len(errors) + 1
            if error is None:
                scope.note(site.node, index, index, 1, count, OK, begun, ended)
                return value
            errors.append(error)
            delay = next_delay(site.stage, errors, ended - since)
            outcome = outcome_of(error, final=delay is None)
            noted = scope.mark()
            scope.note(site.node, index, index, 1, count, outcome, begun, ended)
            if delay is None:
                return self._failed(site, index, errors)
            if site.stage.in_order:
                await asyncio.sleep(delay)
            else:
                gate.release()
                await asyncio.sleep(delay)
                await gate.acquire()

    def _failed(self, site: Site, index: Index, errors: list[BaseException]) -> Failure:
        """The failure of an item, told."""
        failure = site.failure(index, errors)
        failure.worker = self._worker
        self._scope.fail(failure)
        return failure

    def _skip(self, links: Sequence[AsyncLink], index: Index) -> None:
        """Note the calls that an item owes and that are not made."""
        for link in links:
            self._scope.skip(link.site.node, index)
