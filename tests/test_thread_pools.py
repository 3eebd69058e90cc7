"""Threads stay for the next run, unless something of a run may stay in them."""

from __future__ import annotations

import gc
import os
import threading

import pytest

from flowgraph import Graph, StageError
from flowgraph.backends import threads
from flowgraph.backends.threads import thread_pool
from flowgraph.runtime.calm import no_collections


@pytest.fixture(autouse=True)
def _none_idle(monkeypatch):
    monkeypatch.setattr(threads, "_idle", type(threads._idle)())


def thread(_):
    return threading.current_thread()


def used():
    g = Graph("used")
    nodes = [g.task(thread, k) for k in range(4)]
    return set(g.run(*nodes, scheduler="threads", workers=2).value)


def test_the_next_run_has_the_same_threads():
    with thread_pool(2) as first:
        pass
    with thread_pool(2) as second:
        assert second is first
    assert len(used() | used() | used()) <= 2


def test_a_run_at_the_same_time_has_its_own():
    with thread_pool(2) as first, thread_pool(2) as second:
        assert second is not first
    assert len(threads._idle) == 2


def test_a_run_of_another_size_has_its_own():
    with thread_pool(2) as two:
        pass
    with thread_pool(3) as three:
        assert three is not two
    with thread_pool(2) as again:
        assert again is two


def test_no_more_than_a_few_wait():
    with thread_pool(1) as first:
        pass
    for size in range(2, 8):
        with thread_pool(size):
            pass
    assert [size for size, _ in threads._idle] == [4, 5, 6, 7]
    with pytest.raises(RuntimeError):
        first.submit(int)


def test_what_hangs_in_a_failed_run_holds_up_no_other():
    leave = threading.Event()

    def hangs(_):
        leave.wait(30)

    def fails(_):
        raise ValueError

    g = Graph("fails")
    nodes = [g.task(hangs, 1), g.task(fails, 2)]
    with pytest.raises(StageError):
        g.run(*nodes, scheduler="threads", workers=2)
    assert not threads._idle
    assert used()
    leave.set()


# The collector while a graph is compiled


def test_there_are_no_collections_meanwhile():
    assert gc.isenabled()
    with no_collections():
        with no_collections():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_collector_that_is_off_stays_off():
    gc.disable()
    try:
        with no_collections():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_process_that_is_forked_meanwhile_collects():
    with no_collections():
        child = os.fork()
        if not child:
            os._exit(0 if gc.isenabled() else 1)
        assert not gc.isenabled()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_an_error_turns_it_on_again():
    with pytest.raises(KeyError), no_collections():
        raise KeyError
    assert gc.isenabled()
