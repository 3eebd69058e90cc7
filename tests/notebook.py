"""What tests of the runtime share: a clock they set, a task's notebook, a stage in a chain."""

from __future__ import annotations

import pickle
import signal
from contextlib import contextmanager
from typing import Any, NamedTuple

from flowgraph.runtime.attempt import Site
from flowgraph.runtime.bind import bind
from flowgraph.runtime.code import Code, Control, Stage
from flowgraph.runtime.link import Link
from flowgraph.runtime.scope import Scope


class Clock:
    """Stands still until somebody sleeps or sets it; notes every wait."""

    def __init__(self) -> None:
        self.time = 0.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds


class Flag:
    """Says whether a run is over."""

    def __init__(self) -> None:
        self.up = False

    def is_set(self) -> bool:
        return self.up


class Note(NamedTuple):
    """A record without its times; of parts of a reduction, however many, the count is 0."""

    node: int
    first: int
    last: int
    count: int
    attempt: int
    outcome: int


def new_control(*stages: Stage, **options: Any) -> Control:
    return Control(Code(stages, pickle.dumps, pickle.dumps), **options)


def new_scope(clock: Clock | None = None, task: int = 1, **options: Any) -> Scope:
    return Scope(new_control(**options), task, clock or Clock())


def notes(scope: Scope) -> list[Note]:
    return [Note(*row[:3], max(row[3], 0), *row[4:6]) for row in scope.bundle().records()]


def new_site(function=None, retry=None, *, node=7, count=1, in_order=False) -> Site:
    return Site(Stage("work", function, retry, None, in_order), node, "step", count)


def new_link(operation, function, retry=None, *, node=7, clock=None) -> Link:
    site = new_site(function, retry, node=node)
    now = (clock or Clock()).now
    return Link(site, operation, bind(operation, function, [], {}), now)


def mapped(function):
    """What fills a list with the results of a block."""
    return lambda done, block: done.extend(map(function, block))


@contextmanager
def ctrl_c(handler: Any = signal.default_int_handler):
    """With this handler of SIGINT: a shell switches it off for tests in the background."""
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
