"""One stage of a fused chain: how it is called on a block, and what becomes of the results.

==========  =================================  ================================
operation   call on a block                    results
==========  =================================  ================================
map         ``map(f, block)``                  the new items
starmap     ``starmap(f, block)``              the new items
filter      ``map(truth, map(f, block))``      a mask on the items
flat_map    ``drawn(map(f, block))``           lists to put end to end
==========  =================================  ================================

All of them run at the speed of a list comprehension, and an exception leaves
the results of the items before the culprit in place.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, chain, compress, islice, repeat, starmap
from operator import truth
from typing import TYPE_CHECKING, Any, Final, Literal

from flowgraph.runtime.attempt import is_interrupt, own_frames_off
from flowgraph.runtime.positions import Kept, Spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from flowgraph.runtime.attempt import Site
    from flowgraph.runtime.positions import Where
    from flowgraph.runtime.watch import Watch

__all__ = ["DRAWN", "Link", "Operation", "Stream", "bind"]

Operation = Literal["map", "starmap", "filter", "flat_map"]

DRAWN: Final = 2048
"""Items drawn from a flat_map's generator at a time."""


@dataclass(slots=True)
class Stream:
    """What one item gave to a flat_map, when it is too long to draw whole."""

    head: list[Any]
    rest: Iterator[Any]

    def draw(self) -> list[Any]:
        """The next items; empty at the end."""
        return list(islice(self.rest, DRAWN))


class Link:
    """A stage of a chain, ready to be called.

    Parameters
    ----------
    site : Site
        The stage and its node.
    operation : str
        What the results mean.
    call : callable
        Turns an iterable of items into an iterator of results; see `bind`.
    watch : Watch, optional
        Keeps the stage's time limit.
    """

    __slots__ = ("_call", "_operation", "site", "watch")

    def __init__(
        self,
        site: Site,
        operation: Operation,
        call: Callable[[Iterable[Any]], Iterator[Any]],
        watch: Watch | None = None,
    ) -> None:
        self.site = site
        self.watch = watch
        self._operation = operation
        self._call = call

    def extend(self, done: list[Any], block: Sequence[Any]) -> BaseException | None:
        """Append the results of a block to ``done`` until a call fails.

        Returns
        -------
        BaseException or None
            The error of item ``len(done)``; None when all went well.
        """
        if self.watch is not None:
            error = self.watch.extend(done, self._call, block)
            levels = 2
        else:
            error, levels = None, 1
            try:
                done.extend(self._call(block))
            except BaseException as raised:
                if is_interrupt(raised):
                    raise
                error = raised
        if error is not None:
            return own_frames_off(error, levels)
        if len(done) < len(block) and not (done and type(done[-1]) is Stream):
            # It ended the map unseen and is lost, with its traceback.
            return StopIteration(f"raised by stage '{self.site.stage.name}'")
        return None

    def draw(self, drawn: list[Any], stream: Stream) -> BaseException | None:
        """Append the next items of a stream to ``drawn``; none at its end.

        Returns
        -------
        BaseException or None
            What the function raised; None when all went well.
        """
        try:
            drawn.extend(stream.draw() if self.watch is None else self.watch.call(stream.draw))
        except BaseException as raised:
            if is_interrupt(raised):
                raise
            return own_frames_off(raised, 2)
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
        return results, where

    @property
    def keeps_places(self) -> bool:
        """True if item k of the result was made of item k."""
        return self._operation in ("map", "starmap")


def bind(
    operation: Operation, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
) -> Callable[[Iterable[Any]], Iterator[Any]]:
    """What calls a function on each item, with further arguments that stay the same.

    Examples
    --------
    >>> list(bind("map", pow, [2], {})([3, 4]))
    [9, 16]
    >>> list(bind("filter", str.isalpha, [], {})(["a", "1"]))
    [True, False]
    """
    if operation == "starmap":
        if args:
            extra = tuple(args)
            spread = partial(_spread_call, function, extra, kwargs)
            return lambda block: map(spread, block)
        bound = partial(function, **kwargs) if kwargs else function
        if inspect.isgeneratorfunction(function):
            return lambda block: map(list, starmap(bound, block))
        return lambda block: starmap(bound, block)
    bound = partial(function, **kwargs) if kwargs else function
    repeats = [repeat(arg) for arg in args]
    if operation == "filter":
        return lambda block: map(truth, map(bound, block, *repeats))
    if operation == "flat_map":
        return lambda block: _drawn(map(bound, block, *repeats))
    if inspect.isgeneratorfunction(function):
        return lambda block: map(list, map(bound, block, *repeats))
    return lambda block: map(bound, block, *repeats)


def _spread_call(
    function: Callable[..., Any],
    extra: tuple[Any, ...],
    kwargs: dict[str, Any],
    item: Iterable[Any],
) -> Any:
    return function(*item, *extra, **kwargs)


def _drawn(results: Iterable[Any]) -> Iterator[Sequence[Any] | Stream]:
    """What a flat_map's function gave for each item; ends after one that is too long to draw."""
    for produced in results:
        kind = type(produced)
        if kind is list or kind is tuple:
            yield produced
            continue
        rest = iter(produced)
        head = list(islice(rest, DRAWN))
        if len(head) < DRAWN:
            yield head
        else:
            yield Stream(head, rest)
            return
