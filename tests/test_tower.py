"""Small values come to a cluster's driver with the reports of their tasks; others are fetched."""

from __future__ import annotations

import pytest

from flowgraph import Graph, StageError
from flowgraph.backends import news
from flowgraph.backends.tower import Tower


@pytest.fixture
def fetched(monkeypatch):
    """The names of the targets that were asked for."""
    seen = []
    fetch = Tower._fetch

    def spy(self, futures, look):
        seen.extend(key[0].split("-")[0] for key in futures)
        return fetch(self, futures, look)

    monkeypatch.setattr(Tower, "_fetch", spy)
    return seen


def test_only_large_values_are_fetched(client, fetched):
    g = Graph("sizes")
    small, large = g.task(str.upper, "x"), g.task(bytes, 100_000, name="large")
    run = g.run(small, large, scheduler=client)
    assert run.value == ("X", bytes(100_000))
    assert fetched == ["bytes"]
    assert run.stats.completed == 2


def test_partitions_come_alone_or_are_fetched(client, fetched):
    g = Graph("parts")
    assert g.run(g.items(range(10)).map(str), scheduler=client).value == [str(k) for k in range(10)]
    assert not fetched
    long = g.run(g.items(range(100_000)).map(abs), scheduler=client)
    assert long.value == list(range(100_000))
    assert fetched


def test_a_value_that_others_read_too_comes_once(client, fetched):
    g = Graph("read")
    node = g.task(abs, -3)
    run = g.run(node, g.task(pow, node, 2), scheduler=client)
    assert run.value == (3, 9)
    assert (run.stats.completed, len(run.attempts)) == (2, 2)
    assert not fetched


def test_a_failure_and_what_cannot_be_unpickled_here_are_told_as_ever(client):
    g = Graph("fails")
    good, bad = g.task(abs, -1), g.task(int, "x")
    run = g.run(good, bad, scheduler=client, on_error="collect")
    assert run[good] == 1
    with pytest.raises(StageError, match="invalid literal"):
        run[bad]


def test_what_came_before_a_failure_stays_with_the_run(client):
    g = Graph("early")
    good = g.task(abs, -1)
    bad = g.task(int, "x", after=good)
    with pytest.raises(StageError) as caught:
        g.run(good, bad, scheduler=client)
    assert caught.value.run[good] == 1


def test_a_report_that_goes_astray_costs_a_question(client, fetched, monkeypatch):
    call = news._Ear.__call__
    monkeypatch.setattr(news._Ear, "__call__", lambda self, event: None)
    g = Graph("deaf")
    assert g.run(g.task(abs, -1), scheduler=client).value == 1
    assert fetched == ["abs"]
    monkeypatch.setattr(news._Ear, "__call__", call)
