"""How a task is performed, whatever it is: what ends it, and where its report goes."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notebook import Note, ctrl_c, new_control, new_scope, notes

from flowgraph.errors.wording import mends
from flowgraph.runtime import pickling
from flowgraph.runtime.chain import ChainPart, LinkPlan
from flowgraph.runtime.failure import Failure, Skip
from flowgraph.runtime.heads import Passed
from flowgraph.runtime.light import Token
from flowgraph.runtime.outcome import Outcome
from flowgraph.runtime.partition import Partition
from flowgraph.runtime.place import Place
from flowgraph.runtime.record import record
from flowgraph.runtime.report import FAILED, OK, SKIPPED, read_bundles
from flowgraph.runtime.scope import Halt, here
from flowgraph.runtime.work import Work, lost, perform

NAMES = {"task": 3, "node": 5, "name": "photos", "stage": "load"}


def failure(node):
    return Failure("bad", node, None, 1, "host", (ValueError("why"),))


@record
class Doing(Work):
    """Does what the test says."""

    do: object

    def run(self, scope, inputs):
        return self.do(scope, inputs)


# What ends it


def test_a_task_reports_beside_its_value():
    def do(scope, inputs):
        scope.skip(9, 2)
        return Outcome(inputs)

    first = Outcome(1)
    outcome = perform(new_control(), Doing(**NAMES, do=do), first)
    assert outcome.value == (first,)
    assert (outcome.bundle.task, outcome.bundle.worker) == (3, here())
    assert [row[0] for row in outcome.bundle.records()] == [9]


def test_a_task_that_is_stopped_tells_its_first_failure():
    first = failure("photos")

    def do(scope, inputs):
        scope.failures.append(first)
        scope.fail(failure("later"))

    outcome = perform(new_control(halts=True), Doing(**NAMES, do=do))
    assert (outcome.value, outcome.missing, outcome.stage) == (None, first, "load")
    assert outcome.bundle.failures[0] is first


def raises(error):
    def do(scope, inputs):
        raise error

    return Doing(**NAMES, do=do)


def test_a_task_that_is_stopped_without_a_failure_is_skipped():
    assert perform(new_control(), raises(Halt())).missing == Skip("photos")


@pytest.mark.parametrize("kind", [ImportError, SystemExit, RecursionError])
def test_nothing_but_an_interrupt_is_raised_through_dask(kind):
    error = kind("x")
    outcome = perform(new_control(), raises(error))
    assert outcome.missing.errors == (error,)
    assert outcome.bundle.failures == (outcome.missing,)
    assert [row[:6] for row in outcome.bundle.records()] == [(5, -1, -1, 1, 1, FAILED)]
    with ctrl_c(), pytest.raises(KeyboardInterrupt):
        perform(new_control(), raises(KeyboardInterrupt()))


def test_a_task_that_was_lost_is_a_failure_of_its_node_on_that_worker():
    scope, error = new_scope(), ConnectionError()
    outcome = lost(scope, Token(**NAMES), error, "far:1")
    failed = outcome.missing
    assert (failed.stage, failed.node, failed.index, failed.worker) == (
        *("load", "photos", None),
        "far:1",
    )
    assert (failed.attempts, failed.errors) == (1, (error,))
    assert scope.failures == [failed]
    assert notes(scope) == [Note(5, -1, -1, 1, 1, FAILED)]


PLACES = (
    Place(1, "read", "load"),
    Place(2, "big", "is_big", "filter"),
    Place(5, "photos", "shrink"),
)


def test_of_the_calls_that_a_lost_task_owes_the_first_failed_and_the_others_are_skipped():
    """What it had noted before is struck out: it is lost as a whole."""
    scope, error = new_scope(), ConnectionError()
    scope.note(1, None, None, 1, 1, OK, 0.0, 0.0)
    scope.failures.append(failure("earlier"))
    outcome = lost(scope, Token(**NAMES, owes=PLACES), error, "far:1")
    assert notes(scope) == [
        Note(1, -1, -1, 1, 1, FAILED),
        Note(2, -1, -1, 1, 0, SKIPPED),
        Note(5, -1, -1, 1, 0, SKIPPED),
    ]
    (failed,) = scope.failures
    assert (failed.stage, failed.node, failed.errors) == ("load", "read", (error,))
    assert outcome.missing == Skip("read")  # not its own node's failure


def chain_of(items, end="list"):
    part = Partition(items, range(100, 100 + len(items)), any(map(is_failure, items)))
    work = ChainPart(**NAMES, links=None, end=end, head=Passed(), reads=1, owes=PLACES)
    return work, Outcome(part)


def is_failure(item):
    return isinstance(item, Failure)


@given(st.lists(st.booleans(), max_size=9))
def test_of_a_lost_partition_each_item_failed_that_had_not_failed_before(earlier):
    before = failure("before")
    scope = new_scope()
    work, had = chain_of([before if bad else k for k, bad in enumerate(earlier)])
    outcome = lost(scope, work, ConnectionError(), "far:1", [had])
    if all(earlier):  # no item is left to blame: it counts as one call
        assert outcome.missing == Skip("read")
        return
    assert [item is before for item in outcome.value.values] == earlier
    assert [f.index for f in scope.failures] == [
        100 + k for k, bad in enumerate(earlier) if not bad
    ]
    assert {(f.stage, f.node) for f in scope.failures} == {("load", "read")}
    assert len({id(f.errors[0]) for f in scope.failures}) == len(scope.failures)
    counts = {(note.node, note.outcome): note.count for note in notes(scope)}
    assert counts.pop((1, FAILED)) == earlier.count(False)
    assert counts.pop((1, SKIPPED), 0) == earlier.count(True)
    assert counts == {(2, SKIPPED): len(earlier), (5, SKIPPED): len(earlier)}


@pytest.mark.parametrize(("end", "value"), [("count", 0), (LinkPlan(0, 9, "sum", "map"), ())])
def test_nothing_is_counted_or_combined_of_a_lost_partition(end, value):
    work, had = chain_of([1, 2], end)
    outcome = lost(new_scope(), work, ConnectionError(), "far:1", [had])
    assert (outcome.value, outcome.missing) == (value, None)


def test_a_module_that_the_users_code_lacks_is_told_with_the_mend():
    outcome = lost(new_scope(), Token(**NAMES), ModuleNotFoundError("no", name="photo"), "far:1")
    assert mends(outcome.missing.errors[0]) == [
        "Worker far:1 lacks module 'photo', which the graph's code imports: "
        "install it on every worker."
    ]


@pytest.mark.parametrize(
    ("owes", "end", "maker"),
    [
        ((), "list", "photos"),
        (PLACES[:2], "list", "read"),  # a filter only lets a value through
        (PLACES, "list", "photos"),
        (PLACES[:2], "count", "read"),
        (PLACES[:2], LinkPlan(0, 5, "photos", "map"), "photos"),  # a part of a reduction
    ],
)
def test_who_made_the_value_of_a_task(owes, end, maker):
    work = ChainPart(**NAMES, links=None, end=end, head=Passed(), owes=owes)
    assert work.maker.name == maker


# Where reports go


class Heard:
    """A line to the driver that keeps what is said."""

    def __init__(self):
        self.said = []

    def report(self, run, bundle, receipt):
        self.said += read_bundles(bundle)

    def stop(self):
        return None


def sealed(monkeypatch, wanted, **options):
    """The outcome of a task of two items, one of which cannot be pickled."""
    monkeypatch.setattr(pickling, "_dump", pickle.dumps)

    def do(scope, inputs):
        scope.note(5, 4, 5, 2, 1, OK, 0.0, 0.0)
        return Outcome(Partition([1, lambda: 2], range(4, 6)), stage="load")

    return perform(new_control(**options), Heavy(**NAMES, do=do, seals=wanted))


class Heavy(Doing):
    """As a task that calls stages."""

    light = False


@pytest.mark.parametrize("options", [{"seals": True}, {"line": Heard()}])
def test_the_ok_of_a_value_that_cannot_leave_is_taken_back(monkeypatch, options):
    outcome = sealed(monkeypatch, True, **options)
    bundle = outcome.bundle or options["line"].said[-1]
    (lost_call,) = bundle.lost
    assert (lost_call.node, lost_call.call, lost_call.partial) == (5, 5, False)
    assert (lost_call.failure.stage, lost_call.failure.index) == ("load", 5)
    assert bundle.failures == ()
    assert pickle.loads(pickle.dumps(outcome)).value.successes() == [1]


def test_a_value_that_cannot_leave_after_its_task_has_reported_is_told_by_who_reads_it(monkeypatch):
    line = Heard()
    outcome = sealed(monkeypatch, False, line=line)
    assert line.said[-1].lost == ()
    arrived = pickle.loads(pickle.dumps(outcome))
    perform(new_control(line=line), Token(**NAMES), arrived)
    (lost_call,) = line.said[-1].lost
    assert (lost_call.node, lost_call.call) == (5, 5)


@pytest.mark.parametrize(("wanted", "options"), [(False, {"line": Heard()}), (True, {})])
def test_a_value_that_stays_where_it_is_is_not_pickled(monkeypatch, wanted, options):
    outcome = sealed(monkeypatch, wanted, **options)
    assert outcome._state[1] is None
    assert outcome.missing is None
    assert outcome.value.values[0] == 1


def test_where_the_driver_gets_no_outcomes_each_task_reports_itself():
    line = Heard()
    control = new_control(line=line)
    first = perform(control, Token(task=0, node=0, name="n", stage="s"))
    outcome = perform(control, Token(**NAMES), first)
    assert outcome.bundle is None
    assert [bundle.task for bundle in line.said] == [0, 3]
