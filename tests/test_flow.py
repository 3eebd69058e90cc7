"""The hot loop, by a clock that stands still unless a stage or a wait sets it."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from notebook import Clock, Flag, new_link, new_scope, new_site, notes

from flowgraph import Graph, Retry
from flowgraph.runtime import bind as bind_module
from flowgraph.runtime import flow as flow_module
from flowgraph.runtime.chain import ChainPart
from flowgraph.runtime.failure import Failure
from flowgraph.runtime.flow import Flow
from flowgraph.runtime.link import Link
from flowgraph.runtime.partition import Partition
from flowgraph.runtime.positions import at
from flowgraph.runtime.report import FAILED, OK, RETRIED, SKIPPED
from flowgraph.runtime.scope import Halt
from flowgraph.runtime.sink import Counting, Keeping


@pytest.fixture
def clock():
    return Clock()


def flow(links, items, *, scope=None, in_order=False, sink=None):
    """What comes out: (position, value) of each item."""
    items = list(items)
    sink = sink or Keeping()
    failed = any(isinstance(item, Failure) for item in items)
    part = Partition(items, range(100, 100 + len(items)), failed)
    Flow(scope or new_scope(), links, sink, in_order=in_order).run(part)
    result = sink.result()
    if not isinstance(result, Partition):
        return result
    values = [type(value) if isinstance(value, Failure) else value for value in result.values]
    return [(at(result.where, k), value) for k, value in enumerate(values)]


class Flaky:
    """Fails for each item as often as ``failures`` says, and notes its calls."""

    def __init__(self, function, failures, log=None):
        self.function = function
        self.failures = failures if callable(failures) else lambda item: failures.get(item, 0)
        self.tried = Counter()
        self.log = [] if log is None else log

    def __call__(self, item):
        self.log.append(item)
        self.tried[item] += 1
        if self.tried[item] <= self.failures(item):
            raise ValueError(item)
        return self.function(item)


# The law: what comes out is what plain Python gives, item by item, whatever fails and waits

FUNCTIONS = {
    "map": lambda x: x + 1,
    "filter": lambda x: x % 3,
    "flat_map": lambda x: iter(range(10 * x, 10 * x + x % 5)),
}
STAGES = st.lists(
    st.tuples(st.sampled_from(list(FUNCTIONS)), st.integers(0, 5)), min_size=1, max_size=4
)


def failing(value, seed):
    """How many attempts fail: after 1 the second one succeeds, of 2 there is no third."""
    return max((value * 7 + seed) % 6 - 3, 0)


def plain(stages, items):
    """Position and value of all that comes out, and how many calls had which outcome."""
    counts = Counter()

    def through(depth, index, value):
        if depth == len(stages):
            return [(index, value)]
        op, seed = stages[depth]
        counts[RETRIED] += failing(value, seed) > 0
        if failing(value, seed) > 1:
            counts[FAILED] += 1
            counts[SKIPPED] += len(stages) - depth - 1
            return [(index, Failure)]
        counts[OK] += 1
        made = FUNCTIONS[op](value)
        if op == "map":
            return through(depth + 1, index, made)
        if op == "filter":
            return through(depth + 1, index, value) if made else []
        begin = index if isinstance(index, tuple) else (index,)
        return [out for j, v in enumerate(made) for out in through(depth + 1, (*begin, j), v)]

    return [out for k, v in enumerate(items) for out in through(0, 100 + k, v)], counts


@settings(deadline=None)
@given(
    STAGES,
    st.lists(st.integers(0, 40), max_size=20, unique=True),
    st.booleans(),
    st.sampled_from([1, 2, 2048]),
)
def test_items_come_out_as_from_plain_python(stages, items, in_order, drawn):
    scope, policy = new_scope(), Retry(1, delays=[1])
    links = [
        new_link(op, Flaky(FUNCTIONS[op], lambda value, seed=seed: failing(value, seed)), policy)
        for op, seed in stages
    ]
    wanted, counts = plain(stages, items)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bind_module, "DRAWN", drawn)  # from here on a result is a stream
        assert flow(links, items, scope=scope, in_order=in_order) == wanted
    made = Counter()
    for note in notes(scope):
        made[note.outcome] += note.count
    assert +made == +counts


# Blocks


def block_sizes(clock, items, seconds, gait=None):
    """Items of each block, when item k takes ``seconds(k)``."""
    return walked(clock, items, seconds, gait)[0]


def walked(clock, items, seconds, gait=None):
    """Items of each block, and the gait at the end."""
    sizes = []

    def fill(done, block):
        for item in block:
            clock.time += seconds(item)
            done.append(item)
        sizes.append(len(done))

    link = Link(new_site(), "map", fill, Clock().now)  # by its own clock each block is quick
    link.chunk = items
    walk = Flow(new_scope(clock), [link], Keeping())
    if gait is not None:
        walk.begin_with(gait)
    walk.run(Partition(range(items), range(items)))
    return sizes, walk.gait


def test_cheap_items_go_in_longer_and_longer_blocks_up_to_a_limit(clock, monkeypatch):
    monkeypatch.setattr(flow_module, "_LARGEST", 64)
    assert block_sizes(clock, 200, lambda k: 0) == [1, 2, 4, 8, 32, 64, 89]


def test_blocks_are_only_doubled_where_they_near_the_limit(clock):
    assert block_sizes(clock, 60, lambda k: 20e-6) == [1, 2, 4, 8, 16, 29]


def test_slow_items_go_one_by_one(clock):
    assert block_sizes(clock, 8, lambda k: 0.1 if k % 2 else 0.002) == [1] * 8


def test_a_block_that_took_long_is_followed_by_a_shorter_one(clock):
    # Eight items of almost 2 ms take almost four times what a block may.
    assert block_sizes(clock, 20, lambda k: 0.0019 * (k >= 7)) == [1, 2, 4, 8, 2, 3]


def test_a_flow_goes_on_at_the_gait_of_another_and_changes_it_where_items_are_slower(clock):
    sizes, gait = walked(clock, 100, lambda k: 20e-6)
    assert (sizes[0], gait.block, gait.chunks) == (1, 64, (100,))
    assert block_sizes(clock, 100, lambda k: 20e-6, gait) == [64, 36]
    sizes, slower = walked(clock, 100, lambda k: 0.002, gait)
    assert sizes[:3] == [64, 1, 1]
    assert slower.block == 1


def test_a_gait_is_for_the_stages_of_one_run(monkeypatch):
    """The first partition of each run begins with one item."""
    seen = []
    monkeypatch.setattr(Flow, "begin_with", lambda self, gait: seen.append(gait))
    g = Graph("squares")
    squares = g.items(range(64)).map(pow, 2)
    for _ in range(2):
        assert g.run(squares, scheduler="sync").value == [k * k for k in range(64)]
    parts = sum(isinstance(job.work, ChainPart) for job in g.compile(squares, workers=1).jobs)
    assert len(seen) == 2 * (parts - 1)  # not the first one of each


def test_a_run_that_is_over_is_left_between_two_blocks():
    stop, seen = Flag(), []

    def see(item):
        seen.append(item)
        stop.up = item == 2
        return item

    with pytest.raises(Halt):
        flow([new_link("map", see)], range(9), scope=new_scope(stop=stop))
    assert seen == [0, 1, 2]


# Retries


def test_others_go_on_while_an_item_waits(clock):
    scope, work = new_scope(clock), Flaky(str, {1: 2, 3: 1})
    out = flow([new_link("map", work, Retry(2, delays=[5]))], range(5), scope=scope)
    assert out == [(100 + k, str(k)) for k in range(5)]
    assert work.log == [0, 1, 2, 3, 4, 1, 3, 1]
    assert clock.waits == [5, 5]


def test_in_order_an_item_is_settled_before_the_next(clock):
    log = []
    first = new_link("map", Flaky(lambda k: k, {1: 2}, log), Retry(2, delays=[5]))
    second = new_link("map", Flaky(lambda k: k, {10: 1}, log), Retry(1, delays=[7]))
    flow([first, new_link("map", lambda k: 10 * k), second], range(3), scope=new_scope(clock),
         in_order=True)  # fmt: skip
    assert log == [0, 0, 1, 1, 1, 10, 10, 2, 20]
    assert clock.waits == [5, 5, 7]


def test_an_item_that_is_due_is_tried_again_before_the_next_block(clock):
    work = Flaky(lambda k: setattr(clock, "time", clock.time + 3), {0: 1})
    flow([new_link("map", work, Retry(1, delays=[5]))], range(5), scope=new_scope(clock))
    assert work.log[:6] == [0, 1, 2, 0, 3, 4]
    assert clock.waits == []


def test_items_that_wait_are_tried_again_in_the_order_of_their_times(clock):
    log = []
    late = new_link("map", Flaky(lambda k: k, {0: 1}, log), Retry(1, delays=[9]))
    soon = new_link("map", Flaky(lambda k: k, {1: 1}, log), Retry(1, delays=[2]))
    flow([late, soon], range(2), scope=new_scope(clock))
    assert log == [0, 1, 1, 1, 0, 0]
    assert clock.waits == [2, 7]


# Failures


def test_a_failed_item_keeps_its_place_and_owes_its_later_calls():
    scope = new_scope()
    links = [
        new_link("map", Flaky(lambda k: k, {2: 1}), node=1),
        new_link("filter", lambda k: True, node=2),
        new_link("map", str, node=3),
    ]
    assert flow(links, range(4), scope=scope)[1:] == [(101, "1"), (102, Failure), (103, "3")]
    (failed,) = scope.failures
    assert (failed.stage, failed.index, failed.attempts) == ("work", 102, 1)
    owed = [(note.node, note.first) for note in notes(scope) if note.outcome == SKIPPED]
    assert owed == [(2, 102), (3, 102)]


def test_what_failed_before_passes_through(clock):
    scope, failed = new_scope(), Failure("early", "early", 0, 1, "host", ())
    links = [new_link("map", str, node=1), new_link("map", int, node=2)]
    out = flow(links, [0, failed, 2, failed, failed, 5], scope=scope)
    values = [value for _, value in out]
    assert values == [0, Failure, 2, Failure, Failure, 5]
    assert [index for index, _ in out] == list(range(100, 106))
    assert scope.failures == []
    owed = [(note.node, note.first) for note in notes(scope) if note.outcome == SKIPPED]
    assert owed == [(node, 100 + k) for k in (1, 3, 4) for node in (1, 2)]


def test_a_stop_iteration_is_a_failure_and_not_the_end():
    work = Flaky(lambda k: next(iter("x" * (k != 3))), {})
    out = flow([new_link("map", work)], range(6))
    assert [value for _, value in out] == ["x", "x", "x", Failure, "x", "x"]


def test_thousands_of_failures_in_one_block_have_their_positions():
    """A filter's block is sliced at each of them."""
    refuse = Flaky(str, dict.fromkeys(range(4096), 1))
    links = [new_link("filter", lambda k: k >= 2047), new_link("map", refuse)]
    scope = new_scope()
    flow(links, range(4096), scope=scope, sink=Counting())
    assert [failed.index for failed in scope.failures] == list(range(2147, 4196))
