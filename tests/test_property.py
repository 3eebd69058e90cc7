"""Laws that hold for random graphs: all backends, and the plain evaluator, agree."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dask
import pytest
from hypothesis import HealthCheck, given, settings
from oracle import ends
from strategies import Case, cases

from flowgraph import SkippedError, StageError
from flowgraph.compiler.abreast import abreast
from flowgraph.compiler.batches import Shape
from flowgraph.compiler.coarsen import coarsen
from flowgraph.compiler.dag import Dag
from flowgraph.compiler.freeze import bind
from flowgraph.compiler.fuse import fuse
from flowgraph.compiler.gather import gather
from flowgraph.compiler.keyed import keyed
from flowgraph.compiler.limits import limits
from flowgraph.compiler.partition import partition
from flowgraph.compiler.prune import prune
from flowgraph.compiler.realign import realign
from flowgraph.compiler.steps import Chain, members
from flowgraph.compiler.tree import tree
from flowgraph.compiler.validate import validate
from flowgraph.declare.steps import Call, Each, Fold
from flowgraph.testing import run_plain, values_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowgraph import Run

# The cluster's own thread draws random numbers too, while a strategy is at work in this one.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the .random. module inside strategies")

MANY = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
FEW = settings(MANY, max_examples=15)


@pytest.fixture
def handed_out(monkeypatch):
    """All single calls that can be are handed out in stints, however few."""
    monkeypatch.setattr("flowgraph.compiler.regions.MANY", 0)


def plain(case: Case) -> Any:
    """The value, or the error."""
    try:
        return run_plain(case.graph, *case.targets, params=case.params)
    except (StageError, SkippedError) as error:
        return error


def plain_errors(case: Case) -> set[str]:
    """What the nodes fail of, each by itself."""
    nodes = [case.graph[step.name] for step in case.dag().steps]
    alone = (plain(replace(case, targets=(node,))) for node in nodes)
    return {str(error) for error in alone if isinstance(error, StageError)}


def run(case: Case, scheduler: Any, **options: Any) -> Run:
    workers = 2 if isinstance(scheduler, str) else None
    return case.graph.run(
        *case.targets, params=case.params, scheduler=scheduler, workers=workers, **options
    )


# Values


def agrees_with_plain(case: Case, scheduler: Any) -> None:
    """A backend gives what the functions give; every owed call is made and noted once."""
    wanted = plain(case)
    if isinstance(wanted, StageError):
        with pytest.raises(StageError) as caught:
            run(case, scheduler)
        # Of nodes that do not need one another, any may be the first to fail.
        assert str(caught.value) in {str(wanted), *plain_errors(case)}
        return
    done = run(case, scheduler)
    if isinstance(wanted, SkippedError):
        with pytest.raises(SkippedError) as skipped:
            done.value  # noqa: B018
        assert str(skipped.value) == str(wanted)
    else:
        assert done.value == wanted
    assert done.ok
    stats = done.stats
    completed, _, without = ends(bound(case))
    assert (stats.completed, stats.skipped) == (completed, without)
    assert (stats.failed, stats.cancelled, stats.retried) == (0, 0, 0)
    assert sum(record.count for record in done.attempts) == stats.total
    every_task_reported(done)


def every_task_reported(done: Run) -> None:
    """Each task reported, whatever became of it, and is counted once.

    All but the last tokens of lanes: nobody waits for them, so nobody runs them.
    """
    account = done._account
    wanted = {key for target in done._kept.targets for key in target.keys}
    tasks = {number for number, task in enumerate(account.tasks) if task.key in wanted}
    waiting = list(tasks)
    while waiting:
        needs = set(account.tasks[waiting.pop()].needs) - tasks
        tasks |= needs
        waiting += needs
    # On a cluster the tokens of lanes are held to the end, so the last ones run, too.
    reported = {number for number, _ in account.bundles}
    assert reported >= tasks
    others = reported - tasks
    assert all(account.tasks[number].key[0].startswith("token-") for number in others)
    for (number, part), bundle in account.bundles.items():
        assert (number, part) == (bundle.task, bundle.part)


@MANY
@given(cases())
def test_sync_agrees_with_plain(case):
    agrees_with_plain(case, "sync")


@MANY
@given(cases())
def test_threads_agree_with_plain(case):
    agrees_with_plain(case, "threads")


@FEW
@given(cases())
def test_processes_agree_with_plain(case):
    agrees_with_plain(case, "processes")


@FEW
@given(case=cases())
def test_cluster_agrees_with_plain(client, case):
    agrees_with_plain(case, client)


@MANY
@given(case=cases())
def test_sync_agrees_where_calls_are_handed_out(handed_out, case):
    agrees_with_plain(case, "sync")


@MANY
@given(case=cases())
def test_threads_agree_where_calls_are_handed_out(handed_out, case):
    agrees_with_plain(case, "threads")


@FEW
@given(case=cases())
def test_processes_agree_where_calls_are_handed_out(handed_out, case):
    agrees_with_plain(case, "processes")


@FEW
@given(case=cases())
def test_cluster_agrees_where_calls_are_handed_out(handed_out, client, case):
    agrees_with_plain(case, client)


@FEW
@given(cases())
def test_dask_alone_agrees_with_plain(case):
    """The Dask graph is all there is to a plan: any of Dask's own schedulers runs it."""
    wanted = plain(case)
    plan = case.graph.compile(*case.targets, params=case.params, workers=2)
    if isinstance(wanted, (StageError, SkippedError)):
        with pytest.raises((StageError, SkippedError)):
            dask.get(plan.dask, plan.keys)
    else:
        values = dask.get(plan.dask, plan.keys)
        assert (values[0] if len(values) == 1 else values) == wanted


# Failures


def account(case: Case, scheduler: Any) -> dict[str, Any]:
    """All that must not depend on where a run with failures ran."""
    done = run(case, scheduler, on_error="collect")
    stats = done.stats
    assert (stats.completed, stats.failed, stats.skipped, stats.cancelled) == (
        *ends(bound(case)),
        0,
    )
    assert all(min(row.completed, row.failed, row.skipped) >= 0 for row in done.stages)
    assert done.ok == (stats.failed == 0)
    assert len(done.errors) == stats.failed
    every_task_reported(done)
    names = ("total", "completed", "failed", "skipped", "cancelled", "retried")
    return {
        "values": [value_at(done, name) for name in case.dag().targets],
        "errors": sorted(map(repr, map(seen, done.errors))),
        "stats": {name: getattr(stats, name) for name in names},
        "stages": [(row.stage, *(getattr(row, name) for name in names)) for row in done.stages],
    }


def value_at(done: Run, name: str) -> Any:
    try:
        return seen(done[name])
    except (StageError, SkippedError) as error:
        return seen(error)


def seen(value: Any) -> Any:
    """An error by what it tells, since no two are equal."""
    if isinstance(value, StageError):
        kinds = tuple(type(error).__name__ for error in value.errors)
        return value.stage, value.index, value.attempts, kinds, str(value.__cause__)
    if isinstance(value, SkippedError):
        return value.node, value.because
    if isinstance(value, dict):
        return {key: seen(item) for key, item in value.items()}
    return type(value)(map(seen, value)) if type(value) in (list, tuple) else value


@MANY
@given(cases(failing=True))
def test_threads_fail_as_sync_does(case):
    assert account(case, "threads") == account(case, "sync")


@FEW
@given(cases(failing=True))
def test_processes_fail_as_sync_does(case):
    assert account(case, "processes") == account(case, "sync")


@FEW
@given(case=cases(failing=True))
def test_cluster_fails_as_sync_does(client, case):
    assert account(case, client) == account(case, "sync")


# Passes


def bound(case: Case) -> Dag:
    return bind(prune(validate(case.dag())), case.params)


def unfused(dag: Dag) -> Dag:
    """The same graph with each fused step as the declared steps that it stands for."""
    return dag.with_steps(part for step in dag.steps for part in members(step))


PASSES: dict[str, Callable[[Dag], Dag]] = {
    "prune": prune,
    "keyed": keyed,
    "realign": lambda dag: realign(dag, Shape(2)),
    "gather": gather,
    "fuse": fuse,
    "coarsen": lambda dag: coarsen(dag, Shape(2)),
    "abreast": lambda dag: abreast(dag, 1),
    "partition": lambda dag: partition(dag, Shape(2)),
    "tree": tree,
    "limits": lambda dag: limits(dag, 2),
}


@MANY
@given(cases())
def test_each_pass_keeps_meaning_and_is_pure_and_idempotent(case):
    """What is wanted stays the same; twice is as good as once; the given graph is left alone."""
    wanted = plain(case)
    dag = bound(case)
    for name, a_pass in PASSES.items():
        text, steps = str(dag), dag.steps
        made = a_pass(dag)
        assert (str(dag), dag.steps) == (text, steps), name
        assert a_pass(made) == made, name
        validate(made)
        if not isinstance(wanted, (StageError, SkippedError)):
            values = values_of(unfused(made))
            found = tuple(values[target] for target in made.targets)
            assert (found[0] if len(found) == 1 else found) == wanted, name
        dag = made
    kinds = {type(step) for step in dag.steps}
    assert not kinds & {Call, Each, Fold}
    assert all(step.cuts is not None for step in dag.steps if isinstance(step, Chain))


@FEW
@given(case=cases())
def test_compiling_twice_gives_the_same_plan_but_for_its_keys(case):
    first, second = (
        case.graph.compile(*case.targets, params=case.params, workers=3) for _ in range(2)
    )
    assert first.explain() == second.explain()
    assert not first.dask.keys() & second.dask.keys()
    assert [job.needs for job in first.jobs] == [job.needs for job in second.jobs]
