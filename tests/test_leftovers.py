"""The values of a run on a cluster are let go soon, in one message with the next graph."""

from __future__ import annotations

import time

from flowgraph import Graph
from flowgraph.backends import leftovers
from flowgraph.backends.leftovers import leave, let_go


class Loop:
    def __init__(self):
        self.later = []

    def add_callback(self, function, *args):
        function(*args)

    def call_later(self, seconds, function, *args):
        self.later.append((function, args))


class Client:
    def __init__(self):
        self.loop = Loop()


class Future:
    pass


def test_they_are_let_go_a_moment_later():
    client = Client()
    leave(client, [Future()])
    assert len(leftovers._left[client]) == 1
    ((function, args),) = client.loop.later
    function(*args)
    assert client not in leftovers._left


def test_each_client_has_its_own():
    one, other = Client(), Client()
    leave(one, [Future()])
    leave(other, [Future(), Future()])
    let_go(one)
    assert one not in leftovers._left
    assert len(leftovers._left[other]) == 2
    let_go(other)
    let_go(other)


def test_nothing_of_a_run_stays_at_its_client(client):
    g = Graph("brief")
    assert g.run(g.task(abs, -1, name="brief"), scheduler=client).value == 1
    until = time.monotonic() + 30
    while any("abs-" in str(key) for key in list(client.futures)):
        assert time.monotonic() < until
        time.sleep(0.01)
