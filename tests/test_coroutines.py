"""Items wait side by side in coroutine stages, and come out as from plain Python."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from contextvars import ContextVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from notebook import new_scope, notes
from waiting import BEFORE, Flaky, new_link, turns, waited

from flowgraph import Retry
from flowgraph.runtime.entrance import Entrance
from flowgraph.runtime.failure import Failure
from flowgraph.runtime.report import FAILED, OK, RETRIED, SKIPPED
from flowgraph.runtime.scope import Halt

# The law

FUNCTIONS = {
    "map": lambda x: x + 1,
    "filter": lambda x: x % 3,
    "flat_map": lambda x: range(10 * x, 10 * x + x % 4),
}
STAGES = st.tuples(
    st.lists(st.tuples(st.sampled_from(["map", "filter"]), st.integers(0, 5)), max_size=3),
    st.tuples(st.sampled_from(list(FUNCTIONS)), st.integers(0, 5)),
).map(lambda stages: [*stages[0], stages[1]])


def failing(value, seed):
    """How many attempts fail: after 1 the second one succeeds, of 2 there is no third."""
    return max((value * 7 + seed) % 6 - 3, 0)


def plain(stages, items):
    """Position and value of all that comes out, and how many calls had which outcome."""
    out, counts = [], Counter()
    for k, value in enumerate(items, 100):
        if value is BEFORE:
            out.append((k, Failure))
            counts[SKIPPED] += len(stages)
            continue
        for depth, (op, seed) in enumerate(stages):
            counts[RETRIED] += failing(value, seed) > 0
            if failing(value, seed) > 1:
                counts[FAILED] += 1
                counts[SKIPPED] += len(stages) - depth - 1
                out.append((k, Failure))
                break
            counts[OK] += 1
            made = FUNCTIONS[op](value)
            if op == "filter" and not made:
                break
            if op == "flat_map":
                out += [((k, j), each) for j, each in enumerate(made)]
                break
            value = made if op == "map" else value
        else:
            out.append((k, value))
    return out, counts


UNIQUE = st.lists(st.integers(0, 40) | st.just(BEFORE), max_size=12, unique_by=id)


@settings(deadline=None)
@given(STAGES, UNIQUE, st.integers(1, 3), st.booleans())
def test_items_come_out_as_from_plain_python(stages, items, slots, in_order):
    scope = new_scope()
    links = [
        new_link(
            op,
            Flaky(FUNCTIONS[op], lambda value, seed=seed: failing(value, seed)),
            Retry(1, delays=[0]),
            slots=slots,
            in_order=in_order,
        )
        for op, seed in stages
    ]
    wanted, counts = plain(stages, items)
    assert waited(links, items, scope) == wanted
    made = Counter()
    for note in notes(scope):
        made[note.outcome] += note.count
    assert +made == +counts


async def add(left, right):
    return left + right


def test_what_a_coroutine_gets_of_an_item_is_what_a_function_gets():
    assert waited([new_link("starmap", add)], [(1, 2), (3, 4)]) == [(100, 3), (101, 7)]
    link = new_link("values", Flaky(lambda x: -x))
    assert waited([link], [("a", 1), ("b", 2)]) == [(100, ("a", -1)), (101, ("b", -2))]


def test_a_coroutine_that_gives_a_flat_map_no_items_has_failed_and_is_tried_again():
    scope, work = new_scope(), Flaky(lambda x: x)
    assert waited([new_link("flat_map", work, Retry(1, delays=[0]))], [5], scope) == [
        (100, Failure)
    ]
    assert [note.outcome for note in notes(scope)] == [RETRIED, FAILED]


# Side by side


class Together:
    """Notes how many are inside; each waits there for so many others."""

    def __init__(self, awaited):
        self.awaited = awaited
        self.inside = self.most = 0
        self.enough = None

    async def __call__(self, item):
        self.enough = self.enough or asyncio.Event()
        self.inside += 1
        self.most = max(self.most, self.inside)
        if self.inside == self.awaited:
            self.enough.set()
        await self.enough.wait()
        await turns()
        self.inside -= 1
        return item


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_as_many_attempts_as_there_are_slots_are_made_at_once(slots):
    work = Together(slots)
    out = waited([new_link("map", work, slots=slots)], range(8))
    assert out == [(100 + k, k) for k in range(8)]
    assert work.most == slots


def test_a_slow_stage_holds_up_those_before_it():
    log = []

    async def quick(item):
        log.append(f"quick {item}")
        return item

    async def slow(item):
        await turns()
        log.append(f"slow {item}")

    waited([new_link("map", quick, slots=1), new_link("map", slow, slots=1)], range(4))
    for k in range(2):  # one is in the slow stage, and one has come to its gate
        assert log.index(f"quick {k + 2}") > log.index(f"slow {k}")


@pytest.mark.parametrize(("in_order", "log"), [(False, [0, 1, 0, 2]), (True, [0, 0, 1, 2])])
def test_an_item_that_waits_for_a_retry_gives_its_place_back_unless_in_order(in_order, log):
    work = Flaky(str, lambda item: item == 0)
    link = new_link("map", work, Retry(1, delays=[0]), slots=1, in_order=in_order)
    assert [value for _, value in waited([link], range(3))] == ["0", "1", "2"]
    assert work.log == log


# The entrance


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_each_item_has_a_context_of_its_own(slots):
    """Whoever ends begins the next item, and must not hand on what it has set."""
    name = ContextVar("name", default="nobody")

    async def work(item):
        before = name.get()
        name.set(f"item {item}")
        await turns(item % 3)
        return before, name.get()

    out = [value for _, value in waited([new_link("map", work, slots=slots)], range(9))]
    assert out == [("nobody", f"item {k}") for k in range(9)]


def test_nothing_is_begun_by_one_who_goes_on_after_the_end():
    begun, ended = [], threading.Event()

    async def work(item):
        begun.append(item)
        if item:
            raise ValueError(item)
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            await turns()
        ended.set()

    with pytest.raises(Halt):
        waited([new_link("map", work, slots=2)], range(9), new_scope(halts=True))
    assert ended.wait(30)
    waited([new_link("map", Flaky(str))], [3])  # what is due on the loop has happened by then
    assert begun == [0, 1]


def test_items_that_are_cancelled_before_they_begin_fail_the_task():
    """By a stage that cancels all that there is on the loop."""

    async def work(item):
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            if "one" in task.get_coro().__qualname__:
                task.cancel()
        await turns()

    with pytest.raises(asyncio.CancelledError):
        waited([new_link("map", work, slots=3)], range(9))


def test_an_entrance_has_as_many_places_as_are_given_back():
    """Who is cancelled while a place is handed to him hands it on."""

    async def scene():
        todo = [3, 2]
        entrance = Entrance(1, lambda: todo and todo.pop())
        entrance.fill()
        waits = [asyncio.create_task(entrance.acquire()) for _ in range(2)]
        await turns(2)
        waits[0].cancel()
        await turns(2)
        entrance.release()  # to the second one, as the first is gone
        waits[1].cancel()
        await turns(2)
        assert all(task.cancelled() for task in waits)
        assert todo == []  # it was handed on to the next item
        entrance.release()
        await entrance.acquire()

    asyncio.run(scene())
