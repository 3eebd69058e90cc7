"""What fails, and how often: every final failure is told once, where it happened."""

from __future__ import annotations

import os
import threading

import pytest

from conftest import backend_named
from flowgraph import Graph, SkippedError, StageError, stage
from flowgraph.runtime.chain import ChainPart
from flowgraph.runtime.code import Control
from flowgraph.runtime.cuts import Cuts
from flowgraph.runtime.failure import Skip
from flowgraph.runtime.heads import Slice
from flowgraph.runtime.place import Place
from flowgraph.runtime.report import FAILED, SKIPPED
from flowgraph.runtime.scope import Scope
from flowgraph.runtime.work import lost

# Lanes


def none_of(*bad: int):
    def checked(k: int) -> int:
        if k in bad:
            raise ValueError(k)
        return k

    return checked


def test_a_lane_only_orders(backend):
    """A failed sequential task says nothing on the others of its stage, but on what follows it."""
    step = stage(none_of(0), sequential=True)
    g = Graph("lane")
    zero, seven, nine = (g.param(f"p{k}", default=k) for k in (0, 7, 9))
    failed = g.task(step, zero, name="failed")
    fine = g.task(step, seven, name="fine")
    later = g.task(step, nine, name="later", after=failed)
    run = backend.run(g, failed, fine, later, on_error="collect")
    assert run[fine] == 7
    assert isinstance(error_of(run, "later"), SkippedError)
    assert (run.stats.completed, run.stats.failed, run.stats.skipped) == (1, 1, 1)


def error_of(run, name: str) -> StageError | SkippedError | None:
    try:
        run[name]
    except (StageError, SkippedError) as error:
        return error
    return None


# Reductions


def no(left: int, right: int) -> int:
    raise ValueError("no")


def test_a_failed_reduction_is_one_failure_however_many_of_its_parts_fail(backend):
    g = Graph("fold")
    total = g.items(range(500)).map(abs).reduce(no)
    run = backend.run(g, total, g.task(abs, total), on_error="collect")
    assert isinstance(error_of(run, total.name), StageError)
    (error,) = run.errors
    assert (error.stage, error.index, str(error.__cause__)) == ("no", None, "no")
    rows = {row.stage: (row.total, row.completed, row.failed, row.skipped) for row in run.stages}
    assert rows == {"abs": (501, 500, 0, 1), "no": (1, 0, 1, 0)}


def test_a_failed_reduction_ends_the_run_that_says_so(backend):
    g = Graph("fold")
    with pytest.raises(StageError) as caught:
        backend.run(g, g.items(range(500)).map(abs).reduce(no))
    run = caught.value.run
    assert not run.ok
    assert [error.stage for error in run.errors] == ["no"]
    assert run.stats.failed == 1


def test_nothing_is_called_for_a_reduction_that_failed():
    """Neither are the items behind the failure in its own partition."""
    called = []
    g = Graph("fold")
    with pytest.raises(StageError):
        g.run(g.items(range(5000)).map(called.append).reduce(no), scheduler="sync")
    assert len(called) < 10


# Processes that die


def die_at(k: int, at: int) -> int:
    if k == at:
        os._exit(3)
    return k


def add(left: int, right: int) -> int:
    return left + right


def rows_of(run) -> dict[str, tuple[int, ...]]:
    return {
        row.stage: (row.total, row.completed, row.failed, row.skipped, row.cancelled)
        for row in run.stages
    }


def test_the_items_of_a_lost_partition_fail_at_its_first_stage():
    g = Graph("lost")
    items = g.items(range(8)).map(die_at, 3).map(abs)
    run = g.run(items, items.collect(), scheduler="processes", workers=2, on_error="collect")
    lost = [error.index for error in run.errors]
    assert 3 in lost
    assert {error.stage for error in run.errors} == {"die_at"}
    fine = [k for k in range(8) if k not in lost]
    n = len(lost)
    assert rows_of(run) == {"die_at": (8, 8 - n, n, 0, 0), "abs": (8, 8 - n, 0, n, 0)}
    for value in run.value:
        assert [v for v in value if not isinstance(v, StageError)] == fine
        assert sorted(v.index for v in value if isinstance(v, StageError)) == sorted(lost)


def test_what_is_counted_or_combined_misses_the_items_of_a_lost_partition():
    g = Graph("lost")
    items = g.items(range(64)).map(die_at, 3).map(abs)
    ends = (items.reduce(add), items.count())
    for end in ends:
        run = g.run(end, scheduler="processes", workers=2, on_error="collect")
        lost = [error.index for error in run.errors]
        assert 3 in lost
        fine = [k for k in range(64) if k not in lost]
        assert run.value == (sum(fine) if end is ends[0] else len(fine))
        assert rows_of(run)["abs"] == (64, len(fine), 0, len(lost), 0)
        assert rows_of(run).get("add", (1, 1, 0, 0, 0)) == (1, 1, 0, 0, 0)


def test_a_reduction_whose_process_dies_fails_once():
    g = Graph("lost")
    total = g.items(range(64)).reduce(lambda a, b: os._exit(3))
    run = g.run(total, scheduler="processes", workers=2, on_error="collect")
    assert isinstance(error_of(run, total.name), StageError)
    assert len(run.errors) == 1
    assert (run.stats.total, run.stats.failed) == (1, 1)


def test_of_fused_tasks_that_are_lost_the_first_failed():
    g = Graph("lost")
    node = g.task(abs, g.task(die_at, 3, 3))
    run = g.run(node, scheduler="processes", workers=2, on_error="collect")
    assert [error.stage for error in run.errors] == ["die_at"]
    assert rows_of(run) == {"die_at": (1, 0, 1, 0, 0), "abs": (1, 0, 0, 1, 0)}
    error = error_of(run, node.name)
    assert isinstance(error, SkippedError)
    assert error.because == "die_at"


def test_each_lost_item_has_an_error_of_its_own():
    """Else each would add its note to all the others'."""
    g = Graph("lost")
    items = g.items(range(2000)).map(die_at, 3)
    run = g.run(items, scheduler="processes", workers=2, on_error="collect")
    assert len(run.errors) > 1
    assert {len(error.__cause__.__notes__) for error in run.errors} == {1}


def test_a_partition_of_unknown_length_is_lost_as_one_call():
    """As on a cluster, where nobody knows what the task would have read."""
    part = ChainPart(
        task=0, node=1, name="b", stage="b", reads=1, links=None, end="list",
        head=Slice(0, Cuts((1,))), owes=(Place(0, "a", "a"), Place(1, "b", "b")),
    )  # fmt: skip
    scope = Scope(Control(None), 0)
    outcome = lost(scope, part, ValueError("gone"), "unknown")
    assert outcome.missing == Skip("a")
    assert [(row[0], row[3], row[5]) for row in scope.bundle().records()] == [
        (0, 1, FAILED),
        (1, 1, SKIPPED),
    ]


# What cannot be pickled


def locks(k: int) -> list:
    return [k, threading.Lock(), threading.Lock()]


def let_through(item: object) -> bool:
    return True


@pytest.mark.parametrize("name", ["processes", "distributed"])
def test_a_call_whose_value_cannot_leave_is_taken_back_once(name, request):
    """However many items it made; a filter that let them through is not to blame."""
    backend = backend_named(name, request)
    g = Graph("locks")
    spread = g.items([1, 2]).flat_map(locks, name="spread").filter(let_through)
    made = g.items([1]).map(lambda _: threading.Lock(), name="made").filter(let_through)
    run = backend.run(g, spread, made, on_error="collect")
    assert [v if isinstance(v, int) else v.index for v in run[spread]] == [
        1, (0, 1), (0, 2), 2, (1, 1), (1, 2),
    ]  # fmt: skip
    assert sorted(str(error.index) for error in run.errors) == ["(0, 1)", "(1, 1)", "0"]
    assert {error.stage for error in run.errors} == {"locks", "made"}
    assert rows_of(run) == {
        "locks": (2, 0, 2, 0, 0),
        "made": (1, 0, 1, 0, 0),
        "let_through": (7, 7, 0, 0, 0),
    }


def test_a_part_of_a_reduction_that_cannot_leave_fails_it():
    g = Graph("locks")
    total = g.items(range(200)).reduce(lambda a, b: threading.Lock(), name="total")
    run = g.run(total, scheduler="processes", workers=2, on_error="collect")
    assert len(run.errors) == 1
    assert rows_of(run) == {"total": (1, 0, 1, 0, 0)}
