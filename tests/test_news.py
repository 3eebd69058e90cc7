"""A client subscribes once for runs that follow one another, and leaves later."""

from __future__ import annotations

import time

import pytest

from flowgraph.backends import news
from flowgraph.backends.news import listen


class Loop:
    """Calls at once; what is to be called later waits here."""

    def __init__(self):
        self.later = []

    def add_callback(self, function, *args):
        function(*args)

    def call_later(self, seconds, function, *args):
        self.later.append((function, args))

    def go_on(self):
        waiting, self.later = self.later, []
        for function, args in waiting:
            function(*args)


class Client:
    """What is asked of a client."""

    def __init__(self):
        self.loop = Loop()
        self.scheduler_comm = object()
        self.told = []

    def subscribe_topic(self, topic, handler):
        self.told.append("subscribe")
        self.handler = handler

    def unsubscribe_topic(self, topic):
        self.told.append("unsubscribe")


@pytest.fixture
def client():
    return Client()


def test_runs_in_a_row_share_a_subscription(client):
    for run in ("a", "b", "c"):
        with listen(client, run) as heard:
            client.handler((0.0, {"run": run, "bundle": b"x", "receipt": b""}))
            client.handler((0.0, {"run": "another's", "bundle": b"y", "receipt": b""}))
            assert heard.get_nowait() == (b"x", b"")
            assert heard.empty()
    assert client.told == ["subscribe"]
    assert len(client.loop.later) == 1


def test_it_leaves_when_there_was_no_run_for_a_while(client, monkeypatch):
    with listen(client, "a"):
        pass
    client.loop.go_on()
    assert client.told == ["subscribe"]  # it was not long enough
    monkeypatch.setattr(news, "_LINGER", 0.0)
    time.sleep(0.01)
    client.loop.go_on()
    assert client.told == ["subscribe", "unsubscribe"]
    assert not client.loop.later
    with listen(client, "b"):
        pass
    assert client.told == ["subscribe", "unsubscribe", "subscribe"]


def test_it_stays_during_a_run(client, monkeypatch):
    monkeypatch.setattr(news, "_LINGER", 0.0)
    with listen(client, "a"):
        pass
    with listen(client, "long"):
        client.loop.go_on()
        assert client.told == ["subscribe"]
    client.loop.go_on()
    assert client.told == ["subscribe", "unsubscribe"]


def test_on_a_new_connection_it_subscribes_anew(client):
    with listen(client, "a"):
        pass
    client.scheduler_comm = object()
    with listen(client, "b"):
        pass
    assert client.told == ["subscribe", "subscribe"]
