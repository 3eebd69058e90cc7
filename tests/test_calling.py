"""Single calls of one task, some of which are tried again: none is lost."""

from __future__ import annotations

import pickle

from hypothesis import given, settings
from hypothesis import strategies as st
from notebook import Clock

from flowgraph import Retry
from flowgraph.runtime.call import Slot
from flowgraph.runtime.calling import Calling
from flowgraph.runtime.code import Code, Control, Stage
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.onecall import OneCall
from flowgraph.runtime.scope import Scope


class Flaky:
    """Fails so often; then gives one more than what it read."""

    def __init__(self, fails):
        self.left = fails

    def __call__(self, *read):
        if self.left:
            self.left -= 1
            raise ValueError("again")
        return 1 + sum(read)


def made(fails, needs):
    """What comes of calls, each with so many failures and its own waits between attempts."""
    stages = tuple(
        Stage(f"f{k}", Flaky(times), Retry(2, wait=1.0 + (7 * k) % 5), None, False)
        for k, times in enumerate(fails)
    )
    control = Control(Code(stages, pickle.dumps, pickle.dumps))
    calls = [
        OneCall(k, k, f"f{k}", tuple(map(Slot, range(len(each)))), (), each)
        for k, each in enumerate(needs)
    ]
    values, missing = {}, {}
    Calling(Scope(control, 0, Clock()), values, missing).make(enumerate(calls))
    return {**values, **missing}


def plain(fails, needs):
    values = []
    for times, each in zip(fails, needs, strict=True):
        read = [values[k] for k in each]
        if None in read or times > 2:
            values.append(None)
        else:
            values.append(1 + sum(read))
    return values


def test_what_waits_for_two_that_are_tried_again_is_made_behind_both():
    """It is held with the one, and so is the other, which came later."""
    needs = [(), (), (0, 1), (1, 2)]
    assert sorted(made([1, 2, 0, 0], needs).items()) == [(0, 1), (1, 1), (2, 3), (3, 5)]


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 14))
    fails = [draw(st.sampled_from([0, 0, 1, 2, 3])) for _ in range(count)]
    needs = [
        tuple(draw(st.lists(st.integers(0, k - 1), max_size=3, unique=True))) if k else ()
        for k in range(count)
    ]
    return fails, needs


@settings(max_examples=300)
@given(graphs())
def test_each_call_is_made_or_has_a_reason(graph):
    found = made(*graph)
    for k, value in enumerate(plain(*graph)):
        if value is None:
            assert type(found[k]) in (Failure, Skip)
        else:
            assert found[k] == value
