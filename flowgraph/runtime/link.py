"""One stage of a fused chain: how it is called on a block, and what becomes of the results.

==========  =================================  ================================
operation   call on a block                    results
==========  =================================  ================================
map         a loop; see `bind`                 the new items
starmap     ``starmap(f, block)``              the new items
filter      ``map(truth, map(f, block))``      a mask on the items
flat_map    ``drawn(map(f, block))``           lists to put end to end
values      ``map(f, second parts)``           new second parts of pairs
==========  =================================  ================================

All of them run at the speed of a list comprehension, and an exception leaves
the results of the items before the culprit in place.
"""

from __future__ import annotations

from itertools import accumulate, chain, compress
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from flowgraph.errors.wording import tell_not_iterable
from flowgraph.runtime.attempt import is_interrupt, own_frames_off
from flowgraph.runtime.bind import Stream
from flowgraph.runtime.lookout import lookout
from flowgraph.runtime.positions import Kept, Spread
from flowgraph.runtime.watch import LONG, SLOW, End

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flowgraph.runtime.attempt import Site
    from flowgraph.runtime.bind import Fill, Operation
    from flowgraph.runtime.lookout import Stretch
    from flowgraph.runtime.positions import Where
    from flowgraph.runtime.watch import Watch

__all__ = ["Link", "grown"]

_LOOK: Final = 250e-6
"""Seconds between looks at the clock, where items are quicker than that."""
_LARGEST_CHUNK: Final = 65_536
_FEW: Final = 8
"""Items below which their time says little of those that follow."""


class Link:
    """A stage of a chain, ready to be called.

    Parameters
    ----------
    site : Site
        The stage and its node.
    operation : str
        What the results mean.
    fill : callable
        Appends the results of a block to a list; see `bind`.
    now : callable
        Says what time it is.
    watch : Watch, optional
        Keeps the stage's time limit.
    stretch : Stretch, optional
        Ends a chunk whose items turn slow, by the machine's clock.

    Attributes
    ----------
    chunk : int
        Items between two looks at the clock.
    """

    __slots__ = ("_fill", "_now", "_operation", "_stretch", "chunk", "site", "watch")

    def __init__(
        self,
        site: Site,
        operation: Operation,
        fill: Fill,
        now: Callable[[], float],
        watch: Watch | None = None,
        stretch: Stretch | None = None,
    ) -> None:
        self.site = site
        self.watch = watch
        self._stretch = stretch
        self._operation = operation
        self._fill = fill
        self._now = now
        self.chunk = 1

    def extend(self, done: list[Any], block: Sequence[Any]) -> End:
        """Append the results of a block to ``done`` until a call fails or is slow.

        Returns
        -------
        End
            Its error is that of item ``len(done)``.
        """
        if self.watch is not None:
            end = self.watch.extend(done, self._fill, block)
        else:
            end = self._extend(done, block)
        if end.error is not None:
            if self._operation == "starmap":
                item = block[len(done)]
                tell_not_iterable(end.error, item, "It got", "starmap takes tuples, map any item")
            own_frames_off(end.error)
        elif len(done) < len(block) and not end.early and not (done and type(done[-1]) is Stream):
            # It ended the map unseen and is lost, with its traceback.
            end.error = StopIteration(f"raised by stage '{self.site.stage.name}'")
        return end

    def _extend(self, done: list[Any], block: Sequence[Any]) -> End:
        """The same, in chunks that take so long that looking at the clock costs next to nothing."""
        stretch = self._stretch if len(block) > 1 else None
        if stretch is None:
            return self._in_chunks(done, block, None)
        lookout.watch(stretch)
        try:
            return self._in_chunks(done, block, stretch)
        finally:
            lookout.leave(stretch)
            stretch.stop()

    def _in_chunks(self, done: list[Any], block: Sequence[Any], stretch: Stretch | None) -> End:
        now, fill, chunk, total = self._now, self._fill, self.chunk, len(block)
        begun = since = now()
        had = 0
        while True:
            # No crumbs; and what need not be cut is not copied.
            wanted = total if total - had < 2 * chunk else had + chunk
            items = iter(block[had:wanted] if wanted - had < total else block)
            if stretch is not None:
                stretch.begin(items, since)
            try:
                fill(done, items)
            except BaseException as raised:
                if is_interrupt(raised):
                    raise
                return End(raised, self._last_since(since, len(done) - had))
            early = stretch is not None and stretch.stop()
            have, ended = len(done), now()
            if early and have == had:  # this thread had no turn before it was ended
                since = ended
                continue
            if have == total or (have < wanted and not early) or type(done[-1]) is Stream:
                return End(None, self._last_since(since, max(0, have - had - 1)))
            took = ended - since
            pace = took / (have - had)
            if pace * chunk < _LOOK:
                self.chunk = chunk = min(grown(chunk, _LOOK, pace * chunk), _LARGEST_CHUNK)
            elif pace * chunk > 2 * _LOOK:
                self.chunk = chunk = max(1, int(_LOOK / pace))
            if stretch is not None and early:
                return End(None, since, early=True, alone=2 * (ended - stretch.ended_at) > took)
            if took >= SLOW or ended - begun >= LONG:
                return End(None, since, early=True)
            since, had = ended, have

    def _last_since(self, since: float, before: int) -> float:
        """When the last call began, with ``before`` others since the clock was looked at.

        They were as quick as ever, if the last one is slow; else all were.
        """
        took = self._now() - since
        return since if took >= SLOW else since + took * before / (before + 1)

    def draw(self, drawn: list[Any], stream: Stream, spent: float) -> BaseException | None:
        """Append the next items of a stream to ``drawn``; none at its end.

        Parameters
        ----------
        drawn : list
            Gets the items.
        stream : Stream
            What to draw from.
        spent : float
            Seconds that this attempt has taken.

        Returns
        -------
        BaseException or None
            What the function raised; None when all went well.
        """
        try:
            watch = self.watch
            drawn.extend(stream.draw() if watch is None else watch.call(stream.draw, spent))
        except BaseException as raised:
            if is_interrupt(raised):
                raise
            return own_frames_off(raised)
        return None

    def settle(
        self, results: list[Any], block: Sequence[Any], where: Where
    ) -> tuple[Sequence[Any], Where]:
        """The items that go on to the next stage, and where they came from."""
        if self._operation == "filter":
            return list(compress(block, results)), Kept(where, results)
        if self._operation == "flat_map":
            ends = list(accumulate(map(len, results)))
            return list(chain.from_iterable(results)), Spread(where, ends)
        if self._operation == "values":
            return list(zip(map(itemgetter(0), block), results, strict=False)), where
        return results, where


def grown(size: int, limit: float, took: float) -> int:
    """How many items to take next, if so many took less than the limit.

    Twice as many; four times, if that is still far from the limit and these were
    not so few that the next ones may well be slower.
    """
    return size * (4 if size >= _FEW and took < limit / 8 else 2)
