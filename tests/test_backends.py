"""What a run promises, on every backend."""

from __future__ import annotations

import math
import threading
import time
import traceback
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flowgraph import (
    Graph,
    Retry,
    SkippedError,
    StageError,
    stage,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# Values


def same(value: Any) -> Any:
    return value


def named(value: Any, **_: Any) -> Any:
    return value


@dataclass
class Point:
    x: int
    y: int


class OddError(Exception):
    """Its constructor does not take what it makes of itself."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{reason} ({code})")
        self.code = code


class LockedError(Exception):
    """Cannot be pickled."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


VALUES = {
    "key": ("inc-123", 0),
    "task": (len, "abc"),
    "nested task": [(sum, [1, 2]), {"k": (len, "abc")}],
    "name of a node": "same",
    "name of another": "items",
    "callable": len,
    "None": None,
    "empty": (),
    "sets": [{1, 2}, frozenset("ab")],
    "function of this module": named,
    "class of this module": Point,
    "object of it": Point(1, 2),
    "bytes": bytes(5_000_000),
}


@pytest.mark.parametrize("kind", VALUES)
def test_any_value_goes_in_and_comes_out_as_it_is(backend, kind):
    """A value is data, whatever Dask would take it for: as constant, item, result and parameter."""
    value = VALUES[kind]
    g = Graph("values")
    constant = g.task(same, value)
    again = g.task(same, constant)
    items = g.items([value, value]).map(same)
    bound = g.task(same, g.param("p"))
    broadcast = g.items([0]).map(lambda _, held: held, [again])
    run = backend.run(g, again, items, bound, broadcast, params={"p": value})
    assert run.value == (value, [value, value], value, [[value]])


def test_nan_stays_nan(backend):
    g = Graph("nan")
    assert math.isnan(backend.run(g, g.task(same, math.nan)).value)


def test_an_exception_that_is_returned_is_a_value(backend):
    g = Graph("returned")
    plain = g.task(ValueError, "x")
    odd = g.task(OddError, 3, "bad")
    run = backend.run(g, plain, g.items([plain]).map(same), g.task(type, odd))
    value, (item,), kind = run.value
    assert run.ok
    assert (type(value), value.args) == (ValueError, ("x",))
    assert (type(item), item.args) == (ValueError, ("x",))
    assert kind.__name__ == "OddError"


def test_lambdas_and_closures_are_stages(backend):
    by = 3
    g = Graph("closures")
    tripled = g.items(range(4)).map(lambda x: x * by)

    def shifted(x):
        return x + by

    total = tripled.map(shifted).reduce(lambda a, b: a + b)
    assert backend.run(g, total).value == 30
    assert backend.run(g, g.task(partial(pow, exp=2), by)).value == 9


def test_an_iterator_becomes_a_list(backend):
    g = Graph("iterators")
    run = backend.run(g, g.task(lambda: (x * x for x in range(3))), g.task(iter, [1, 2]))
    assert run.value == ([0, 1, 4], [1, 2])


# Size and shape


def test_a_chain_of_ten_thousand_tasks(backend):
    g = Graph("chain")
    node = g.task(int, 0)
    for _ in range(9_999):
        node = g.task(add_one, node)
    run = backend.run(g, node)
    assert run.value == 9_999
    assert run.stats.completed == 10_000


def add_one(x):
    return x + 1


def test_a_join_of_ten_thousand_parents(backend):
    g = Graph("join")
    first = g.task(int, 1)
    parents = [first, *(g.items(range(50)).map(add_one).collect() for _ in range(3))]
    few = g.task(len, parents)
    many = g.task(len, [first] * 5_000 + [g.param(f"p{k}", default=k) for k in range(5_000)])
    assert backend.run(g, few, many).value == (4, 10_000)


def test_ten_thousand_tasks_in_one_list(backend):
    g = Graph("wide")
    node = g.task(sum, [g.task(abs, -k) for k in range(10_000)])
    run = backend.run(g, node)
    assert run.value == sum(range(10_000))
    assert run.stats.completed == 10_001


def test_a_generator_of_a_hundred_thousand_items_is_counted(backend):
    g = Graph("stream")
    count = g.items([60_000, 40_000]).flat_map(numbers).count()
    run = backend.run(g, count)
    assert run.value == 100_000
    assert run.stats.completed == 2


def numbers(n: int) -> Iterator[int]:
    yield from range(n)


# Order


def test_no_barrier_between_stages(backend, tmp_path):
    """The first item ends its last stage while a slow item is in its first."""
    gate = tmp_path / "gate"
    g = Graph("overlap")

    def first(k):
        if k == 39:  # waits for what only the absence of a barrier lets come
            until = time.monotonic() + 20
            while backend_is_parallel and not gate.exists():
                if time.monotonic() > until:
                    raise TimeoutError("no item came through")
                time.sleep(0.005)
        return k

    def last(k):
        gate.touch()
        return k

    backend_is_parallel = backend.name != "sync"
    firsts = g.items(range(40)).map(first)
    run = backend.run(g, firsts, firsts.map(last))  # both wanted, so they are not fused
    assert run.value == (list(range(40)), list(range(40)))
    ends = [record.end for record in run.attempts if record.stage == "first"]
    starts = [record.start for record in run.attempts if record.stage == "last"]
    assert min(starts) < max(ends)


def test_a_sequential_stage_takes_one_item_at_a_time_in_order(backend, tmp_path):
    log = tmp_path / "log"

    def alone(k):
        with log.open("a") as file:
            file.write(f"{k} begins\n")
        time.sleep(0.001)
        with log.open("a") as file:
            file.write(f"{k} ends\n")
        return k

    g = Graph("sequential")
    items = g.items(range(30)).map(same).map(stage(alone, sequential=True))
    assert backend.run(g, items).value == list(range(30))
    wanted = [f"{k} {what}" for k in range(30) for what in ("begins", "ends")]
    assert log.read_text().splitlines() == wanted


def test_a_sequential_stage_waits_for_its_retries(backend, tmp_path):
    log = tmp_path / "log"

    @stage(sequential=True, retry=Retry(1, delays=[0.01]))
    def flaky(k):
        attempt = attempts_at(tmp_path, k)
        with log.open("a") as file:
            file.write(f"{k}.{attempt} ")
        if attempt == 1 and k % 2:
            raise OSError(k)
        return k

    g = Graph("sequential")
    run = backend.run(g, g.items(range(6)).map(flaky))
    assert log.read_text() == "0.1 1.1 1.2 2.1 3.1 3.2 4.1 5.1 5.2 "
    assert run.stats.retried == 3


def test_after_waits_without_passing_a_value(backend, tmp_path):
    mark = tmp_path / "mark"

    def write():
        time.sleep(0.02)
        mark.write_text("here")

    g = Graph("after")
    written = g.task(write)
    items = g.items(range(3)).map(lambda k: mark.read_text())
    assert backend.run(g, g.task(mark.read_text, after=written)).value == "here"
    g.task(mark.unlink, after=[items, written], name="unlink")
    assert backend.run(g, g["unlink"] if hasattr(g, "__getitem__") else g.nodes["unlink"]).ok
    assert not mark.exists()


# Retries


def attempts_at(folder: Path, item: Any) -> int:
    """How often this was called for an item, in whatever process."""
    path = folder / f"attempts-{item}"
    with path.open("a") as file:
        file.write("x")
    return path.stat().st_size


def test_flaky_stages_are_tried_as_often_everywhere(backend, tmp_path):
    def flaky(k):
        if attempts_at(tmp_path, k) <= k % 4:
            raise OSError(f"item {k}")
        return k

    g = Graph("flaky")
    items = g.items(range(40)).map(stage(flaky, retry=Retry(2, delays=[0.001])))
    run = backend.run(g, items, on_error="collect")
    sizes = [(tmp_path / f"attempts-{k}").stat().st_size for k in range(40)]
    assert sizes == [min(k % 4 + 1, 3) for k in range(40)]
    stats = run.stats
    assert (stats.total, stats.completed, stats.failed, stats.retried) == (40, 30, 10, 50)
    values = [v if isinstance(v, int) else None for v in run.value]
    assert values == [k if k % 4 < 3 else None for k in range(40)]
    assert sorted(error.index for error in run.errors) == list(range(3, 40, 4))
    assert all(error.attempts == len(error.errors) == 3 for error in run.errors)
    assert {str(error.__cause__) for error in run.errors} == {f"item {k}" for k in range(3, 40, 4)}


def test_a_task_is_tried_again_only_for_the_errors_asked_for(backend, tmp_path):
    def fails(error):
        attempts_at(tmp_path, type(error).__name__)
        raise error

    retried = stage(fails, retry=Retry(3, delays=[0], on=(OSError, KeyError)))
    g = Graph("on")
    nodes = [g.task(retried, error) for error in (OSError(), ValueError(), KeyError())]
    run = backend.run(g, *nodes, on_error="collect")
    kinds = ("OSError", "ValueError", "KeyError")
    assert [(tmp_path / f"attempts-{kind}").stat().st_size for kind in kinds] == [4, 1, 4]
    assert (run.stats.failed, run.stats.retried) == (3, 6)


def test_a_generator_that_fails_half_way_gives_no_item_twice(backend, tmp_path):
    def some(k):
        attempt = attempts_at(tmp_path, k)
        for j in range(5_000):
            if j == 4_000 and attempt == 1:
                raise OSError("half-way")
            yield k * 5_000 + j

    g = Graph("half-way")
    items = g.items(range(3)).flat_map(stage(some, retry=Retry(1, delays=[0.001]))).map(same)
    count, total = items.count(), items.reduce(max)
    run = backend.run(g, items, count, total)
    assert run.value == (list(range(15_000)), 15_000, 14_999)
    rows = {row.stage: row for row in run.stages}
    assert (rows["some"].completed, rows["some"].retried) == (3, 3)
    assert rows["same"].completed == 15_000


# on_error="raise"


def fails_at(k: int, at: int) -> int:
    if k == at:
        raise KeyError(f"item {k}")
    return k


def test_the_first_failure_ends_the_run(backend):
    g = Graph("raise")
    done = g.task(same, 42, name="done")
    items = g.items(range(10)).map(fails_at, 7, after_done(g, done))
    with pytest.raises(StageError) as caught:
        backend.run(g, done, items)
    error = caught.value
    assert (error.stage, error.index, error.attempts) == ("fails_at", 7, 1)
    cause = error.__cause__
    assert type(cause) is KeyError
    assert cause.args == ("item 7",)
    assert "fails_at" in [frame.name for frame in traceback.extract_tb(cause.__traceback__)]
    (note,) = cause.__notes__
    for part in ("stage 'fails_at'", "item 7", "attempt 1", f"on {error.worker}"):
        assert part in note
    assert error.run[done] == 42
    assert not error.run.ok
    assert error.run.stats.failed == 1
    with pytest.raises((StageError, SkippedError)):
        _ = error.run[items]


def after_done(g: Graph, done: Any) -> Any:
    raise NotImplementedError
