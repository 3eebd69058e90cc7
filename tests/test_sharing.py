"""Calls of a region that are few: whether they are shared, or made by one worker."""

from __future__ import annotations

import pickle
from dataclasses import replace
from math import inf

import pytest

from flowgraph import Graph
from flowgraph.backends.foreman import Foreman
from flowgraph.backends.roster import Roster
from flowgraph.backends.rule import Narrow, Rule
from flowgraph.runtime.call import Slot
from flowgraph.runtime.code import Code, Control, Parcel, Stage
from flowgraph.runtime.onecall import OneCall
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.place import Place
from flowgraph.runtime.region import Region
from flowgraph.runtime.work import perform

RULE = Rule(workers=2, seconds=5e-3, worth=1.6e-3)
WIDTH = 4


def calls_of(*needs):
    return tuple(
        OneCall(0, k, f"n{k}", tuple(map(Slot, range(len(each)))), (), each)
        for k, each in enumerate(needs)
    )


def stencil(steps):
    """Each call but the first ones reads its column's and its neighbours' of before."""
    near = [range(max(0, x - 1), min(WIDTH, x + 2)) for x in range(WIDTH)]
    later = [
        tuple(WIDTH * step + x for x in near[column])
        for step in range(steps - 1)
        for column in range(WIDTH)
    ]
    return [()] * WIDTH + later


def one_more(*values):
    return 1 + sum(values)


class Site:
    """A foreman of calls for two workers, of which each took so many seconds."""

    def __init__(self, *needs, pace, rule=RULE):
        calls = calls_of(*needs)
        last = len(calls) - 1
        code = Code((Stage("one_more", one_more, None, None, False),), pickle.dumps, pickle.dumps)
        self.control = Control(code)
        region = Region(
            task=0,
            node=0,
            name="n0",
            stage="one_more",
            gives=(last,),
            givers=(Place(last, f"n{last}", "one_more"),),
            stages={0: "one_more"},
            calls=Parcel(calls, pickle.dumps),
        )
        self.foreman = Foreman(self.control, region, [], rule, travels=True)
        self.pace = pace
        self.make(*self.next())

    def next(self):
        """All that is handed out now."""
        handed = []
        while (stint := self.foreman.next()) is not None:
            handed.append(stint)
        return handed

    def make(self, *handed):
        for stint, known in handed:
            # What a stint took is said: were it cut off where it stalls, less would be ready.
            outcome = perform(self.control, replace(stint, seconds=inf), known)
            outcome.value.busy = self.pace * len(stint.slots)
            assert self.foreman.take(stint, Outcome(outcome.value))


def sizes(handed):
    return [len(stint.slots) for stint, _ in handed]


def test_a_narrow_graph_of_quick_calls_goes_to_one_worker():
    """Each call of the next step would wait for the other worker's."""
    site = Site(*stencil(10), pace=4e-4)
    assert sizes(site.next()) == [38]


def test_a_narrow_graph_of_slow_calls_is_shared():
    site = Site(*stencil(10), pace=2e-3)
    assert sizes(site.next()) == [2, 1]


def test_one_worker_goes_on_until_there_is_enough_for_others():
    """Pairs of quick calls, each of both before, and many that read the last two."""
    pairs = [(k, k + 1) for k in range(0, 18, 2) for _ in range(2)]
    site = Site((), (), *pairs, *[(18, 19)] * 40, tuple(range(20, 60)), pace=4e-4)
    first = site.next()
    assert sizes(first) == [18]
    site.make(*first)
    assert sizes(site.next()) == [13, 13]


def test_a_stint_is_long_while_there_is_much_to_do():
    """And short towards the end, so that all workers end together."""
    rule = Rule(workers=2, seconds=5e-3, worth=1.6e-3, long=50e-3)
    site, seen = Site(*[()] * 200, tuple(range(200)), pace=8e-3, rule=rule), []
    while handed := site.next():
        seen.append(max(sizes(handed)))
        site.make(*handed)
    assert seen[0] == max(seen) == 7
    assert max(seen[-4:]) <= 2


def test_what_little_is_left_goes_to_one_worker():
    site = Site(*[()] * 6, tuple(range(6)), pace=2e-4)
    assert len(site.next()) == 1


def test_a_single_worker_shares_with_nobody():
    site = Site(*stencil(10), pace=2e-3, rule=Rule(workers=1, seconds=1, worth=1e-3))
    assert sizes(site.next()) == [39]


def test_a_claim_ends_where_others_had_better_help():
    calls = calls_of((), *[(0,)] * 5, *[(k,) for k in range(1, 6)])
    few = Roster(Parcel(calls, pickle.dumps), [], gives=(10,), travels=True)
    assert few.claim(100, Narrow(4, 100, 1)).slots == [0]
    many = Roster(Parcel(calls, pickle.dumps), [], gives=(10,), travels=True)
    assert sorted(many.claim(100, Narrow(5, 100, 1)).slots) == list(range(11))


def chains(count, length):
    """Chains behind one call, and one that reads all their ends."""
    calls = [()]
    for _ in range(count):
        calls += [(0,), *[(k,) for k in range(len(calls), len(calls) + length - 1)]]
    return [*calls, tuple(range(length, count * length + 1, length))]


@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("workers", [2, 4, 8])
def test_long_chains_go_to_workers_of_their_own(workers, far):
    """Few calls are ready, but much hangs on each, and no chain needs another one."""
    rule = Rule(workers=workers, seconds=50e-3, worth=30e-3, far=far)
    site = Site(*chains(4, 10), pace=10e-3, rule=rule)
    assert sizes(site.next()) == {2: [20, 20], 4: [10] * 4, 8: [10] * 4}[workers]


def test_a_narrow_stint_of_few_calls_is_no_longer_than_others():
    """They may be slow, behind many that were quick: then others are to help soon."""
    rule = Rule(workers=2, seconds=50e-3, worth=30e-3, far=True)
    site = Site(*[()] * 20, tuple(range(20)), pace=1e-4, rule=rule)
    ((stint, _),) = site.next()
    assert stint.seconds == 50e-3
    site = Site(*stencil(100), pace=1e-3, rule=rule)
    ((stint, _),) = site.next()
    assert stint.seconds == pytest.approx(0.3)


def test_short_chains_stay_together():
    rule = Rule(workers=4, seconds=50e-3, worth=30e-3, far=True)
    site = Site(*chains(4, 2), pace=2e-3, rule=rule)
    assert sizes(site.next()) == [9]


def test_what_is_little_waits_for_the_stint_under_way_on_a_cluster():
    rule = Rule(workers=2, seconds=50e-3, worth=30e-3, far=True)
    site = Site(*[()] * 8, tuple(range(8)), pace=2e-3, rule=rule)
    ((stint, _),) = site.next()
    site.foreman.give_back(stint, frozenset(stint.slots[-2:]))
    assert site.foreman.next() is None
    assert site.foreman.waits
    assert site.foreman.next(hurry=True) is not None


@pytest.mark.parametrize("steps", [1, 2, 30])
def test_a_stencil_is_right(steps, backend):
    def column(x, *parents):
        return (x + sum(parents)) % 65_521

    g, nodes, values = Graph("stencil"), [], []
    for k, parents in enumerate(stencil(steps)):
        nodes.append(g.task(column, k, *[nodes[p] for p in parents]))
        values.append(column(k, *[values[p] for p in parents]))
    ends = nodes[-WIDTH:]
    run = backend.run(g, *ends)
    assert [run[end] for end in ends] == values[-WIDTH:]
