"""What a run promises, on every backend."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
import traceback
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from journal import Journal

from flowgraph import (
    FlowgraphError,
    Graph,
    Retry,
    SchedulerError,
    SkippedError,
    StageError,
    StageTimeout,
    stage,
)
from flowgraph.backends import local
from flowgraph.compiler import shipping
from flowgraph.testing import run_plain

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
    "class of this module": Point,
    "object of it": Point(1, 2),
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


def test_functions_of_this_module_come_back(backend):
    """Their module is not there on a worker, so they travel with their code."""
    g = Graph("functions")
    one, (other, sealed) = backend.run(
        g, g.task(same, add_one), g.items([add_one, len]).map(same)
    ).value
    assert (one.__name__, one(1), other(2), sealed) == ("add_one", 2, 3, len)


def test_large_bytes_come_and_go(backend):
    given = bytes(range(250)) * 20_000
    g = Graph("bytes")
    made = g.task(given.replace, b"\x00", b"")
    run = backend.run(g, made, g.items([made, made]).map(len))
    assert run.value == (given.replace(b"\x00", b""), [4_980_000] * 2)


@stage(retry=1)
def halved(x):
    return x if x < 2 else halved(x // 2)


def test_a_stage_that_calls_a_stage_travels(backend):
    """A stage of the user's module goes by value, also one that calls itself."""
    g = Graph("halves")
    items = g.items([5, 1]).map(lambda x: halved(x) + 1)
    assert backend.run(g, g.task(halved, 9), items).value == (1, [2, 2])


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


def test_what_a_generator_function_gives_to_a_map_becomes_a_list(backend):
    def upto(n, *more):
        yield from range(n)
        yield from more

    g = Graph("iterators")
    mapped = g.items([1, 2]).map(upto, 7)
    pairs = g.items([(1, 5), (0,)])
    targets = (mapped, pairs.starmap(upto), pairs.starmap(upto, 7))
    expected = ([[0, 7], [0, 1, 7]], [[0, 5], []], [[0, 5, 7], [7]])
    assert backend.run(g, *targets).value == expected
    assert run_plain(g, *targets) == expected


def test_other_iterators_of_a_map_are_left_alone_as_by_run_plain():
    g = Graph("iterators")
    mapped = g.items([[1], [2]]).map(iter)
    unpacked = mapped.map(next)
    assert g.run(mapped, scheduler="sync").value[0].__next__() == 1
    assert run_plain(g, mapped)[0].__next__() == 1
    assert g.run(unpacked, scheduler="sync").value == run_plain(g, unpacked) == [1, 2]


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


def test_a_join_of_ten_thousand_parents_in_one_list(backend):
    # Dask's own scheduler takes some milliseconds for each task of a cluster.
    many = 1_000 if backend.name == "distributed" else 10_000
    g = Graph("wide")
    node = g.task(sum, [g.task(abs, -k) for k in range(many)])
    run = backend.run(g, node)
    assert run.value == sum(range(many))
    assert run.stats.completed == many + 1


def test_a_node_many_times_in_one_list(backend):
    g = Graph("again")
    first = g.task(int, 1)
    parameters = [g.param(f"p{k}", default=k) for k in range(100)]
    assert backend.run(g, g.task(len, [first] * 10_000 + parameters)).value == 10_100


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
    removed = g.task(mark.unlink, after=[items, written])
    assert backend.run(g, items, removed).value == (["here"] * 3, None)
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
    done = g.task(same, 7)
    items = g.items(range(10)).map(fails_at, done)
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
    assert error.run[done] == 7
    assert not error.run.ok
    assert error.run.stats.failed == 1
    with pytest.raises((StageError, SkippedError)):
        _ = error.run[items]


def test_nothing_new_starts_after_the_first_failure(backend, tmp_path):
    """What runs ends at once; on a cluster, which nobody can tell, with its partition."""

    def count_then_fail(k):
        if k == 0:
            raise ValueError("first")
        time.sleep(0.002)
        attempts_at(tmp_path, "all")

    g = Graph("stop")
    with pytest.raises(StageError) as caught:
        backend.run(g, g.items(range(5_000)).map(count_then_fail))
    stats = caught.value.run.stats
    assert stats.total == 5_000
    assert stats.cancelled > 0
    partition = 625  # the first ones, of 5000 items for two workers
    most = 2 * partition if backend.name == "distributed" else partition // 2
    assert size_at_rest(tmp_path / "attempts-all") <= most


def size_at_rest(path: Path) -> int:
    """Size of a file to which calls of 2 ms add, when none has for a long time."""
    size, since = -1, time.monotonic()
    while time.monotonic() - since < 0.3:
        found = path.stat().st_size if path.exists() else 0
        if found != size:
            size, since = found, time.monotonic()
        time.sleep(0.01)
    return size


def test_what_comes_after_a_failed_task_is_not_run(backend, tmp_path):
    g = Graph("reader")
    failed = g.task(fails_at, 1, 1)
    reader = g.task(attempts_at, tmp_path, "reader", after=failed)
    with pytest.raises(StageError):
        backend.run(g, reader)
    assert not (tmp_path / "attempts-reader").exists()


# on_error="collect"


def keep_even(k: int) -> bool:
    if k == 1:
        raise ValueError("one")
    return k % 2 == 0


def split(k: int) -> list[int]:
    if k == 4:
        raise ValueError("four")
    return [k] * (k % 3)


def test_collect_keeps_order_and_length(backend):
    """A failed item keeps its place, item-wise stages pass it through, whole readers miss it."""
    g = Graph("collect")
    items = g.items(range(8)).map(fails_at, 3)
    later = items.map(fails_at, 5).map(same)
    kept = later.filter(keep_even)
    spread = items.flat_map(split)
    wanted = {
        "items": items,
        "collected": later.collect(),
        "kept": kept,
        "spread": spread,
        "list": g.task(list, later),
        "broadcast": g.items([0]).map(lambda _, whole: whole, later),
        "count": kept.count(),
        "sum": later.reduce(lambda a, b: a + b, 100),
    }
    run = backend.run(g, *wanted.values(), on_error="collect")
    assert not run.ok
    value = {key: shown(run[node]) for key, node in wanted.items()}
    assert value == {
        "items": [0, 1, 2, "3", 4, 5, 6, 7],
        "collected": [0, 1, 2, "3", 4, "5", 6, 7],
        "kept": [0, "1", 2, "3", 4, "5", 6],
        "spread": [1, 2, 2, "3", "4", 5, 5, 7],
        "list": [0, 1, 2, 4, 6, 7],
        "broadcast": [[0, 1, 2, 4, 6, 7]],
        "count": 4,
        "sum": 120,
    }
    assert sorted(str(error.index) for error in run.errors) == ["1", "3", "4", "5"]
    stats = run.stats
    # Stages that take 8 items (items, later twice, kept, spread), one and two calls.
    assert stats.total == 5 * 8 + 1 + 2
    # Item 3 skips four later stages, item 5 two.
    assert (stats.failed, stats.skipped, stats.cancelled) == (4, 6, 0)


def shown(value: Any) -> Any:
    """A failed item by its index."""
    if isinstance(value, list):
        return [shown(item) for item in value]
    return str(value.index) if isinstance(value, StageError) else value


def test_items_after_a_flat_map_have_tuples_for_an_index(backend):
    g = Graph("tuples")
    items = g.items(["ab", "cd"]).flat_map(list).map(fails_at, "d")
    (error,) = backend.run(g, items, on_error="collect").errors
    assert error.index == (1, 1)


def test_a_failed_task_makes_what_needs_it_skipped(backend):
    g = Graph("skip")
    failed = g.task(fails_at, 1, 1)
    fine = g.task(fails_at, 1, 2)
    reader = g.task(same, [failed], name="reader")
    later = g.task(same, 1, after=reader, name="later")
    items = g.items(range(3)).map(named, k=failed)
    from_it = g.items(failed).map(same)
    joined = g.fork_join({"a": failed, "b": fine})
    run = backend.run(g, failed, fine, reader, later, items, from_it, joined, on_error="collect")
    assert run[fine] == 1
    with pytest.raises(StageError) as caught:
        _ = run[failed]
    assert isinstance(caught.value.__cause__, KeyError)
    for node in (reader, later, items, from_it, joined):
        with pytest.raises(SkippedError, match="fails_at") as skipped:
            _ = run[node]
        assert (skipped.value.node, skipped.value.because) == (node.name, "fails_at")
    with pytest.raises(StageError):
        _ = run.value
    with pytest.raises(KeyError, match="no target"):
        _ = run["nothing"]
    stats = run.stats
    assert (stats.failed, stats.completed) == (1, 1)
    assert stats.skipped == 2 + 3 + 1
    assert stats.total == 8


def test_nothing_to_reduce_is_a_failure(backend):
    g = Graph("empty")
    nothing = g.items([1, 3]).filter(lambda k: k % 2 == 0)
    run = backend.run(g, nothing.reduce(max), nothing.reduce(min, 5), on_error="collect")
    with pytest.raises(StageError, match="nothing to reduce"):
        _ = run["max"]
    assert run["min"] == 5
    assert (run.stats.completed, run.stats.failed) == (3, 1)


# Time


def sleeps(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_an_attempt_that_takes_too_long_is_left_behind(backend):
    """It ends with a TimeoutError, and its slot is free at once."""
    g = Graph("timeout")
    items = g.items([0, 30, 0.001]).map(stage(sleeps, timeout=0.2))
    task = g.task(stage(sleeps, timeout=0.2, name="alone"), 30)
    begun = time.perf_counter()
    run = backend.run(g, items, task, on_error="collect")
    assert time.perf_counter() - begun < 10
    zero, error, little = run[items]
    assert (zero, little) == (0, 0.001)
    for failed in (error, *run.errors):
        assert isinstance(failed.__cause__, StageTimeout)
        assert isinstance(failed.__cause__, TimeoutError)
        assert (failed.__cause__.stage, failed.__cause__.seconds) == (failed.stage, 0.2)
    assert sorted(error.stage for error in run.errors) == ["alone", "sleeps"]
    assert sum(record.outcome == "timed out" for record in run.attempts) == 2


def test_a_timeout_is_an_oserror_that_retries_see(backend, tmp_path):
    @stage(timeout=0.5, retry=Retry(1, delays=[0], on=OSError))
    def slow_once(k):
        if attempts_at(tmp_path, k) == 1:
            time.sleep(30)
        return k

    g = Graph("slow once")
    run = backend.run(g, g.items(range(2)).map(slow_once), g.task(slow_once, "task"))
    assert run.value == ([0, 1], "task")
    assert run.stats.retried == 3


# Exceptions of all sorts


def leaves(kind: type[BaseException], *args: Any) -> None:
    raise kind(*args)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration])
def test_exceptions_that_end_programs_are_failures_too(backend, kind):
    if kind is KeyboardInterrupt and backend.name == "sync":
        pytest.skip("in the main thread it is the user's Ctrl-C")
    g = Graph("leaves")
    task = g.task(leaves, kind)
    items = g.items([kind, None]).map(lambda k: k and leaves(k))
    run = backend.run(g, task, items, on_error="collect")
    first, second = run[items]
    assert second is None
    causes = [first.__cause__, *(error.__cause__ for error in run.errors)]
    assert {type(cause) for cause in causes} == {kind}
    assert run.stats.failed == 2


def test_ctrl_c_reaches_the_caller_on_sync():
    g = Graph("interrupt")
    with pytest.raises(KeyboardInterrupt):
        g.run(g.task(signal.raise_signal, signal.SIGINT), scheduler="sync")


@pytest.mark.parametrize(("kind", "args"), [(OddError, (3, "bad")), (LockedError, ("locked",))])
def test_no_exception_is_lost_on_its_way(backend, kind, args):
    """Class, message and traceback arrive, whatever pickle makes of the exception."""
    g = Graph("odd")
    with pytest.raises(StageError) as caught:
        backend.run(g, g.task(leaves, kind, *args))
    cause = caught.value.__cause__
    text = "".join(traceback.format_exception(cause))
    text += getattr(cause, "traceback_text", "")
    assert kind.__name__ in text
    assert str(kind(*args)) in str(cause)
    assert "in leaves" in text
    assert "raise kind(*args)" in text
    if backend.name in ("sync", "threads"):
        assert type(cause) is kind


def raises_from() -> None:
    try:
        leaves(KeyError, "inner")
    except KeyError as error:
        raise ValueError("outer") from error


def test_what_an_exception_was_raised_from_comes_along(backend):
    g = Graph("from")
    with pytest.raises(StageError) as caught:
        backend.run(g, g.task(raises_from))
    cause = caught.value.__cause__
    assert type(cause) is ValueError
    assert type(cause.__cause__) is KeyError
    assert cause.__cause__.args == ("inner",)


def test_a_value_that_cannot_be_pickled_is_its_stages_failure(backend):
    g = Graph("lock")
    locks = g.items([1, 2]).map(lambda k: threading.Lock() if k == 1 else k)
    run = backend.run(g, locks, on_error="collect")
    first, second = run.value
    assert second == 2
    if backend.name in ("sync", "threads"):
        assert run.ok
    else:
        assert isinstance(first, StageError)
        assert (run.stats.completed, run.stats.failed) == (1, 1)


# Progress


def test_progress_counts_up_to_all_calls(backend):
    told = []
    g = Graph("progress")
    items = g.items(range(50)).map(fails_at, 9)
    unknown = g.items(g.task(list, "abc")).map(same)
    backend.run(g, items, unknown, on_error="collect", progress=told.append)
    by_stage = {name: [p for p in told if p.stage == name] for name in ("fails_at", "list", "same")}
    for name, successful, failed in (("fails_at", 49, 1), ("list", 1, 0), ("same", 3, 0)):
        counts = [p.completed for p in by_stage[name]]
        assert counts == sorted(counts)
        last = by_stage[name][-1]
        assert (last.successful, last.failed) == (successful, failed)
    assert {p.total for p in by_stage["fails_at"]} == {50}
    assert by_stage["same"][0].total is None


def test_progress_that_raises_ends_the_run(backend):
    def stop(progress):
        raise ZeroDivisionError(progress.stage)

    g = Graph("progress")
    with pytest.raises(ZeroDivisionError, match="same"):
        backend.run(g, g.items(range(50)).map(same), progress=stop)


# Numbers


def test_attempts_are_counted_not_guessed(backend, tmp_path):
    def fails_once(k):
        if attempts_at(tmp_path, k) == 1:
            raise OSError
        return k

    g = Graph("attempts")
    items = g.items(range(5)).map(stage(fails_once, retry=Retry(1, delays=[0])))
    run = backend.run(g, items, g.task(abs, -1))
    assert [(row.stage, row.attempts) for row in run.stages] == [("fails_once", 10), ("abs", 1)]
    assert run.stages[0].mean == run.stages[0].total_time / 10
    assert run.stats.mean_time == run.stats.total_time / 11


def test_every_record_names_its_stage_item_and_worker(backend):
    g = Graph("records")
    items = g.items(range(6)).map(sleeps_a_little)
    run = backend.run(g, items, g.task(same, 0))
    slow = [record for record in run.attempts if record.stage == "sleeps_a_little"]
    assert sorted(record.items for record in slow) == [(k, k) for k in range(6)]
    assert all(record.count == record.attempt == 1 for record in slow)
    assert all(0.004 < record.end - record.start < 5 for record in slow)
    assert all(record.worker and record.outcome == "ok" for record in run.attempts)
    (single,) = [record for record in run.attempts if record.stage == "same"]
    assert single.items is None
    assert run.stats.success_rate == 1
    assert run.stats.total_time == pytest.approx(
        sum(r.end - r.start for r in run.attempts), abs=1e-3
    )
    assert 0 < run.stats.efficiency <= 1.01
    assert run.stats.workers == (1 if backend.name == "sync" else 2)


def sleeps_a_little(k: int) -> int:
    time.sleep(0.005)
    return k


def test_work_is_done_where_the_backend_says(backend):
    g = Graph("where")
    (pid, thread) = backend.run(g, g.task(lambda: (os.getpid(), threading.get_ident()))).value
    here = (os.getpid(), threading.get_ident())
    match backend.name:
        case "sync":
            assert (pid, thread) == here
        case "threads":
            assert pid == here[0]
            assert thread != here[1]
        case _:
            assert pid != here[0]


def test_all_errors_of_a_run_have_one_root(backend):
    g = Graph("root")
    with pytest.raises(FlowgraphError):
        backend.run(g, g.task(fails_at, 1, 1))


class Ticket:
    """Arrives as something that cannot be pickled again."""

    def __reduce__(self):
        return threading.Lock, ()


def tickets():
    return [Ticket(), 1]


def test_what_the_driver_cannot_send_to_a_process_is_a_failure():
    """The list that a stage gave is cut in the driver; each slice is reported by its task."""
    g = Graph("tickets")
    kept = g.items(g.task(tickets)).map(str)
    run = g.run(kept, scheduler="processes", workers=2, on_error="collect")
    assert [error.index for error in run.errors] == [0]
    with pytest.raises(StageError, match="item 0"):
        g.run(kept, scheduler="processes", workers=2)


def numbers_for_all():
    return list(range(1000))


def test_what_stays_in_the_driver_is_not_pickled(monkeypatch):
    """Work that calls no stage is done there: a list, its slices aside, goes nowhere."""
    pickled = []

    def dump(value, /, protocol=None, buffer_callback=None):
        pickled.append(type(value).__name__)
        return shipping.dumps(value, protocol, buffer_callback)

    g = Graph("list")
    kept = g.items(g.task(numbers_for_all)).map(abs).collect()
    monkeypatch.setattr("flowgraph.runtime.pickling._dump", dump)
    monkeypatch.setattr("flowgraph.runtime.pickling.use", lambda _: None)
    assert g.run(kept, scheduler="processes", workers=2).value == list(range(1000))
    assert set(pickled) == {"Partition"}


@pytest.mark.parametrize("on_error", ["raise", "collect"])
def test_a_run_for_which_no_process_can_be_started_blames_no_stage(monkeypatch, on_error):
    def refuse(files):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("flowgraph.backends.process._start", refuse)
    g = Graph("none")
    node = g.task(abs, -1)
    with pytest.raises(SchedulerError, match="could not be started"):
        # A size that no other test has warmed up.
        g.run(node, scheduler="processes", workers=7, on_error=on_error)


@pytest.mark.parametrize("place", ["threads", "processes"])
def test_whoever_ends_a_task_finds_the_next_one(place, monkeypatch):
    """So many are handed over; those behind the workers' wait where all can take them."""
    at_once = []
    original = local.get_async

    def watched(submit, workers, *args, **kwargs):
        at_once.append(workers)
        return original(submit, workers, *args, **kwargs)

    monkeypatch.setattr(local, "get_async", watched)
    g = Graph("many")
    run = g.run(g.items(range(20)).map(abs), scheduler=place, workers=2)
    assert run.value == list(range(20))
    assert at_once == [4]


@pytest.mark.parametrize("place", ["threads", "processes"])
@pytest.mark.parametrize("single", [False, True])
def test_who_fails_begins_nothing_more(place, single, tmp_path):
    """Nor does anybody else: what was handed over stays undone."""
    journal = Journal(tmp_path)

    def work(k):
        if k == 0:
            journal.wait("held")
            journal.note("failed")
            raise ValueError(k)
        if k == 1:
            journal.note("held")
            journal.wait("failed")
            time.sleep(0.3)
        else:
            journal.note("begun", k)

    g = Graph("ends")
    if single:
        for k in range(40):
            g.task(work, k)
    else:
        g.items(range(40)).map(work)
    with pytest.raises(StageError, match="work") as caught:
        g.run(scheduler=place, workers=2)
    assert str(caught.value.__cause__) == "0"
    time.sleep(0.4)
    assert journal.items("begun") == []
