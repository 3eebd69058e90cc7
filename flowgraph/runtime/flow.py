"""The hot loop: takes the items of a partition through a fused chain of stages.

Items go in blocks.  First one item goes through all stages, unless a `Gait` tells
how it went with others of the chain; as long as a block takes less than a
millisecond the next one is two to four times as long, and a block that takes
several is followed by a shorter one.  So slow items are timed one by one with one
item's data in memory, and cheap ones cost what a list comprehension costs.  Only
an item that fails leaves the block: it is retried, waits and is noted on its own,
and the worker sleeps only when nothing else is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flowgraph.runtime.attempt import is_late, next_delay, outcome_of
from flowgraph.runtime.bind import Stream
from flowgraph.runtime.failure import Failure
from flowgraph.runtime.gait import Gait
from flowgraph.runtime.link import Link, grown
from flowgraph.runtime.positions import Trail, at, cut, only, prefix
from flowgraph.runtime.report import OK
from flowgraph.runtime.single import Postponed, Streaming, Trouble
from flowgraph.runtime.watch import LONG, SLOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowgraph.runtime.free import Free
    from flowgraph.runtime.partition import Partition
    from flowgraph.runtime.positions import Index, Where
    from flowgraph.runtime.scope import Scope
    from flowgraph.runtime.sink import Sink

__all__ = ["Flow"]

_LARGEST: Final = 65_536


Step = tuple[int, "Sequence[Any]", "Where"] | Trouble | Streaming
"""Items that go on to the stage at this depth, or one item on its own."""


class Flow:
    """One partition on its way through a chain.

    Parameters
    ----------
    scope : Scope
        The task's notebook.
    links : sequence of Link
        The stages, in order.
    sink : Sink
        Takes what comes out.
    in_order : bool
        True if an item must be settled before the next begins, retries and all.
    """

    def __init__(
        self, scope: Scope, links: Sequence[Link | Free], sink: Sink, *, in_order: bool = False
    ) -> None:
        self._scope = scope
        self._links = links
        self._sink = sink
        self._in_order = in_order
        self._block = 1
        self._paced = any(isinstance(link, Link) and link.site.pace is not None for link in links)
        self._waiting = Postponed()
        self._aside = 0
        """Streams and late attempts on their way: what is due waits for their end."""

    @property
    def gait(self) -> Gait:
        """What it has come to."""
        chunks = (link.chunk if isinstance(link, Link) else 1 for link in self._links)
        return Gait(self._block, tuple(chunks))

    def begin_with(self, gait: Gait) -> None:
        """Take as many items at once as a flow of the same chain did at its end."""
        self._block = gait.block
        for link, chunk in zip(self._links, gait.chunks, strict=False):
            if isinstance(link, Link):
                link.chunk = chunk

    def run(self, part: Partition) -> None:
        """Take all items of a partition through the chain."""
        values, where = part.values, part.where
        if not part.failed:
            self._blocks(values, where)
        else:
            begin = 0
            for k in [*(k for k, v in enumerate(values) if type(v) is Failure), len(values)]:
                self._blocks(values[begin:k], cut(where, begin, k))
                if k < len(values):
                    self._pass_failure(0, values[k], at(where, k))
                begin = k + 1
        self._finish_waiting()

    def _blocks(self, values: Sequence[Any], where: Where) -> None:
        now = self._scope.now
        size, begin, total = self._block, 0, len(values)
        while begin < total:
            if self._paced:  # one by one, each at its time
                size = 1
            end = begin + size
            if end + size // 2 >= total:  # no crumbs
                end = total
            begun = now()
            self._push(0, values[begin:end], cut(where, begin, end))
            took = now() - begun
            full, begin = end - begin >= size, end
            if took < SLOW and full:  # else its time says nothing of longer ones
                size = min(grown(size, SLOW, took), _LARGEST)
            elif took > LONG:
                size = max(1, int(size * LONG / took))
        self._block = size

    def _push(self, depth: int, values: Sequence[Any], where: Where) -> None:
        """Take a block from a stage to the end of the chain."""
        self._drain([(depth, values, where)])

    def _drain(self, todo: list[Step]) -> None:
        """Do what is to be done, last first; that keeps the items in order."""
        while todo:
            # A step takes some milliseconds, or one slow call.
            self._scope.check()
            if self._waiting and not self._aside:
                self._resume_due()
            step = todo.pop()
            if type(step) is tuple:
                depth, values, where = step
                if depth == len(self._links):
                    self._sink.take(values, where)
                elif values:
                    link = self._links[depth]
                    if isinstance(link, Link):
                        self._call(depth, link, values, where, todo)
                    else:
                        todo.append((depth + 1, *link.settle(values, where)))
            elif type(step) is Streaming:
                self._stream(step, todo)
            else:
                assert type(step) is Trouble
                self._settle(step, todo)

    def _call(
        self, depth: int, link: Link, values: Sequence[Any], where: Where, todo: list[Step]
    ) -> None:
        """Call a stage on a block; what comes next goes onto ``todo``."""
        scope = self._scope
        done: list[Any] = []
        if link.site.pace is not None:  # only now: an item that was due may have been called before
            scope.sleep(link.site.pace.reserve(scope.now()))
        begun = scope.now()
        end = link.extend(done, values)
        ended = scope.now()
        streams = bool(done) and type(done[-1]) is Stream
        k = len(done) - streams
        if k < len(values):
            # The part before item k goes on first, then item k, then the rest.
            rest = k if end.early else k + 1
            if rest < len(values):
                todo.append((depth, values[rest:], cut(where, rest, len(values))))
            if not end.early:
                trouble = Trouble(depth, values[k], at(where, k))
                since = max(begun, end.since) if k else begun
                if streams:
                    todo.append(Streaming(trouble, done.pop(), since, ended - since))
                else:
                    assert end.error is not None
                    self._note_failed(trouble, end.error, since, ended)
                    todo.append(trouble)
                if not k:
                    return
                ended = since
            values, where = values[:k], cut(where, 0, k)
        node, last = link.site.node, at(where, k - 1)
        if end.alone and k > 1:
            scope.note(node, at(where, 0), at(where, k - 2), k - 1, 1, OK, begun, end.since)
            scope.note(node, last, last, 1, 1, OK, end.since, ended)
        else:
            scope.note(node, at(where, 0), last, k, 1, OK, begun, ended)
        todo.append((depth + 1, *link.settle(done, values, where)))

    def _note_failed(
        self, trouble: Trouble, error: BaseException, begun: float, ended: float
    ) -> None:
        trouble.errors.append(error)
        if trouble.since is None:
            trouble.since = begun
        site = self._link(trouble).site
        trouble.delay = next_delay(site.stage, trouble.errors, ended - trouble.since)
        outcome = outcome_of(error, final=trouble.delay is None)
        attempt = len(trouble.errors)
        trouble.noted = self._scope.mark()
        self._scope.note(site.node, trouble.index, trouble.index, 1, attempt, outcome, begun, ended)

    def _settle(self, trouble: Trouble, todo: list[Step]) -> None:
        """After a failed attempt: wait for the next one, or give the item up."""
        if trouble.delay is None:
            self._give_up(trouble)
        elif self._in_order:
            self._scope.sleep(trouble.delay)
            self._again(trouble, todo)
        else:
            due = self._scope.now() + trouble.delay
            self._waiting.add(due, trouble, self._sink.leave_hole())

    def _again(self, trouble: Trouble, todo: list[Step]) -> None:
        """Make another attempt for one item."""
        link, scope = self._link(trouble), self._scope
        item = (trouble.item,)
        done: list[Any] = []
        if link.site.pace is not None:
            scope.sleep(link.site.pace.reserve(scope.now()))
        begun = scope.now()
        assert trouble.since is not None
        if is_late(link.site.stage, trouble.errors, begun - trouble.since):
            scope.change(trouble.noted, outcome_of(trouble.errors[-1], final=True))
            self._give_up(trouble)
            return
        error = link.extend(done, item).error
        ended = scope.now()
        if error is not None:
            self._note_failed(trouble, error, begun, ended)
            todo.append(trouble)
        elif type(done[0]) is Stream:
            todo.append(Streaming(trouble, done[0], begun, ended - begun))
        else:
            index, attempt = trouble.index, len(trouble.errors) + 1
            scope.note(link.site.node, index, index, 1, attempt, OK, begun, ended)
            todo.append((trouble.depth + 1, *link.settle(done, item, only(index))))

    def _give_up(self, trouble: Trouble) -> None:
        failure = self._link(trouble).site.failure(trouble.index, trouble.errors)
        self._scope.fail(failure)
        self._pass_failure(trouble.depth + 1, failure, trouble.index)

    def _pass_failure(self, depth: int, failure: Failure, index: Index) -> None:
        """A failed item owes a call to each stage that is left, and keeps its place."""
        for link in self._links[depth:]:
            if isinstance(link, Link):
                self._scope.skip(link.site.node, index)
            elif link.drops_failures:
                return
        self._sink.fail(failure, index)

    def _link(self, trouble: Trouble) -> Link:
        """The stage at which an item failed."""
        link = self._links[trouble.depth]
        assert isinstance(link, Link)
        return link

    def _stream(self, streaming: Streaming, todo: list[Step]) -> None:
        """Take a long stream on in parts, so that it is never in memory whole.

        If the function fails half-way, what came of its earlier items is
        struck out again: an attempt counts as a whole or not at all.
        """
        trouble, scope = streaming.trouble, self._scope
        link, index = self._link(trouble), trouble.index
        mark, noted = self._sink.begin(), scope.mark()
        begun, ended = streaming.begun, streaming.begun + streaming.seconds
        part, start = streaming.stream.head, 0
        self._aside += 1
        while part:
            self._push(trouble.depth + 1, part, Trail(prefix(index), start))
            start += len(part)
            drawn: list[Any] = []
            since = scope.now()
            error = link.draw(drawn, streaming.stream, ended - begun)
            ended += scope.now() - since
            if error is not None:
                self._aside -= 1
                self._sink.rollback(mark)
                scope.rollback(noted)
                self._note_failed(trouble, error, begun, ended)
                todo.append(trouble)
                return
            part = drawn
        self._aside -= 1
        self._sink.commit(mark)
        scope.note(link.site.node, index, index, 1, len(trouble.errors) + 1, OK, begun, ended)

    def _finish_waiting(self) -> None:
        while (due := self._waiting.next_due()) is not None:
            delay = due - self._scope.now()
            if delay > 0:
                self._scope.sleep(delay)
            self._resume()

    def _resume_due(self) -> None:
        """Make the attempt that is due first, if its time has come."""
        due = self._waiting.next_due()
        if due is not None and due <= self._scope.now():
            self._resume()

    def _resume(self) -> None:
        """Make the attempt that is due first, now."""
        trouble, hole = self._waiting.take()
        main, self._sink = self._sink, hole.sink
        self._aside += 1
        todo: list[Step] = []
        self._again(trouble, todo)
        self._drain(todo)
        self._aside -= 1
        self._sink = main
