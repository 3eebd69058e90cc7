"""Stop flags: who is stopped, and who is not."""

from __future__ import annotations

import gc
import os
import pickle

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import integers

from flowgraph.backends.stop import CELLS, StopFlags, stop_flags
from flowgraph.runtime import child


@pytest.fixture
def flags():
    made = StopFlags()
    yield made
    os.close(made.file)


@pytest.fixture
def worker(flags, monkeypatch):
    """This process, as if it were a worker of the flags'."""
    monkeypatch.setattr(child, "_cells", None)
    child.attach(flags.file)


def test_signal_arrives_as_a_flag(flags, worker):
    signal, other = flags.new(), flags.new()
    flag = pickle.loads(pickle.dumps(signal))
    assert isinstance(flag, child.Flag)
    assert not flag.is_set()
    signal.set()
    assert signal.is_set()
    assert flag.is_set()
    assert not other.is_set()


def test_cell_is_used_again_without_mixing_up_the_runs(flags, worker):
    """A process may still be busy for the run before, whichever way that one ended."""
    stopped, finished = flags.new(), flags.new()
    old = [pickle.loads(pickle.dumps(signal)) for signal in (stopped, finished)]
    stopped.set()
    stopped.release()
    finished.release()
    later = [flags.new() for _ in range(CELLS)]
    new = [pickle.loads(pickle.dumps(signal)) for signal in later]
    assert not any(flag.is_set() for flag in new)
    assert [flag.is_set() for flag in old] == [True, False]
    stopped.set()
    finished.set()
    assert not any(flag.is_set() for flag in new)
    later[0].set()
    assert [flag.is_set() for flag in new].count(True) == 1


def test_no_cell_is_handed_out_twice(flags):
    signals = [flags.new() for _ in range(CELLS)]
    with pytest.raises(RuntimeError, match="wait for one of them"):
        flags.new()
    signals[3].release()
    signals[3].release()
    signals.append(flags.new())
    with pytest.raises(RuntimeError):
        flags.new()


def test_forgotten_signal_gives_its_cell_back(flags):
    for _ in range(CELLS + 1):
        flags.new()
        gc.collect(0)


def test_flags_of_a_process_are_the_same_for_all_pools():
    assert stop_flags() is stop_flags()


class Runs(RuleBasedStateMachine):
    """Runs begin, are stopped and end in any order, on three cells."""

    def __init__(self):
        super().__init__()
        self.flags = StopFlags()
        while len(self.flags._free) > 3:
            self.flags._free.pop()
        self.under_way = []
        self.stopped = []

    @precondition(lambda self: len(self.under_way) < 3)
    @rule()
    def begin(self):
        signal = self.flags.new()
        flag = child.Flag(self.flags.cells, signal._cell, signal._number)
        self.under_way.append((signal, flag))

    @precondition(lambda self: self.under_way)
    @rule(which=integers(0, 2))
    def stop(self, which):
        signal, flag = self.under_way[which % len(self.under_way)]
        signal.set()
        self.stopped.append(flag)

    @precondition(lambda self: self.under_way)
    @rule(which=integers(0, 2))
    def end(self, which):
        signal, _ = self.under_way.pop(which % len(self.under_way))
        signal.release()

    @invariant()
    def runs_under_way_are_stopped_if_they_were(self):
        for signal, flag in self.under_way:
            assert flag.is_set() == signal.is_set() == (flag in self.stopped)

    @invariant()
    def stopped_runs_stay_stopped(self):
        assert all(flag.is_set() for flag in self.stopped)

    def teardown(self):
        os.close(self.flags.file)


TestRuns = Runs.TestCase
TestRuns.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
