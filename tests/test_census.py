"""The number of a cluster's threads is asked for once by runs that follow one another."""

from __future__ import annotations

import asyncio

import pytest

from flowgraph import Graph
from flowgraph.backends import census
from flowgraph.backends.census import recount, threads_of


class Client:
    """A client of a cluster whose threads can be counted."""

    def __init__(self, threads):
        self.threads, self.asked = threads, 0
        self.loop = self.scheduler = self

    def nthreads(self):
        self.asked += 1
        return {"worker": self.threads}

    async def ncores(self):
        return self.nthreads()

    def add_callback(self, function, *args):
        asyncio.run(function(*args))


@pytest.fixture
def clock(monkeypatch):
    times = [100.0]
    monkeypatch.setattr(census.time, "monotonic", lambda: times[0])
    return times


def test_a_count_is_taken_for_true_a_moment(clock):
    client = Client(2)
    assert [threads_of(client), threads_of(client)] == [2, 2]
    assert client.asked == 1
    client.threads = 3
    clock[0] += census._FRESH + 0.1
    assert threads_of(client) == 3


def test_no_threads_are_never_taken_for_true(clock):
    client = Client(0)
    assert threads_of(client) == 0
    client.threads = 4
    assert threads_of(client) == 4


def test_a_run_that_ends_counts_for_the_next_one_unless_that_was_just_done(clock):
    client = Client(2)
    assert threads_of(client) == 2
    recount(client)
    assert client.asked == 1
    clock[0] += census._YOUNG + 0.1
    client.threads = 5
    recount(client)
    clock[0] += census._FRESH - 0.1
    assert threads_of(client) == 5
    assert client.asked == 2


def test_a_scheduler_that_does_not_answer_is_asked_by_the_next_run(clock):
    class Gone(Client):
        async def ncores(self):
            raise OSError("gone")

    client = Gone(2)
    clock[0] += 10
    recount(client)
    assert threads_of(client) == 2


def test_each_client_has_its_own(clock):
    one, other = Client(1), Client(2)
    assert [threads_of(one), threads_of(other), threads_of(one)] == [1, 2, 1]


def test_runs_in_a_row_ask_a_scheduler_once(client, monkeypatch):
    asked = []
    nthreads = type(client).nthreads
    monkeypatch.setattr(type(client), "nthreads", lambda self: asked.append(1) or nthreads(self))
    g = Graph("row")
    node = g.task(abs, -1)
    for _ in range(5):
        assert g.run(node, scheduler=client).value == 1
    assert len(asked) <= 1
