"""One call with all its attempts, by a clock that does not wait."""

from __future__ import annotations

import signal
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notebook import Clock, Flag, Note, ctrl_c, new_scope, new_site, notes

from flowgraph import Retry, StageTimeout
from flowgraph.errors.wording import mends
from flowgraph.runtime.attempt import attempt, is_interrupt, next_delay, outcome_of
from flowgraph.runtime.failure import Failure
from flowgraph.runtime.report import FAILED, OK, RETRIED, TIMED_OUT, TIMED_OUT_RETRIED
from flowgraph.runtime.scope import Halt, here
from flowgraph.runtime.setting import ignore_signal


class Script:
    """A call that does what it is told: raise what is an exception, return what is not."""

    def __init__(self, *acts):
        self.acts = list(acts)

    def __call__(self):
        act = self.acts.pop(0)
        if isinstance(act, BaseException):
            raise act
        return act


class ThroughWatch:
    """In the place of a time limit."""

    def __init__(self):
        self.calls = []

    def call(self, call):
        self.calls.append(call)
        return call()


def waits(*delays, **options):
    return Retry(len(delays), delays=delays, **options)


# The calls


def test_a_success_is_the_value_and_one_record():
    scope, value = new_scope(), object()
    assert attempt(scope, new_site(), lambda: value) is value
    assert notes(scope) == [Note(7, -1, -1, 1, 1, OK)]


def test_attempts_are_numbered_and_wait_as_the_policy_says():
    clock = Clock()
    scope = new_scope(clock)
    script = Script(ValueError(), KeyError(), "third time")
    assert attempt(scope, new_site(retry=waits(2, 5, 9)), script) == "third time"
    assert clock.waits == [2, 5]
    assert [note[3:] for note in notes(scope)] == [(1, 1, RETRIED), (1, 2, RETRIED), (1, 3, OK)]


def test_after_the_last_attempt_there_is_a_failure_with_all_errors():
    clock = Clock()
    scope = new_scope(clock)
    errors = ValueError(1), ValueError(2), ValueError(3)
    failed = attempt(scope, new_site(retry=waits(2, 5)), Script(*errors))
    assert isinstance(failed, Failure)
    assert failed.errors == errors
    assert (failed.stage, failed.node, failed.index, failed.attempts) == ("work", "step", None, 3)
    assert failed.worker == here()
    assert clock.waits == [2, 5]
    assert [note.outcome for note in notes(scope)] == [RETRIED, RETRIED, FAILED]


def test_records_hold_the_calls_and_not_the_waits():
    clock = Clock()
    scope, script = new_scope(clock), Script(ValueError(), 1)

    def call():
        clock.time += 3
        return script()

    attempt(scope, new_site(retry=waits(10)), call)
    first, second = [row[6:] for row in scope.bundle().records()]
    assert (first[1], second[1]) == (3, 3)
    assert second[0] - first[0] == pytest.approx(13)


def test_a_call_that_counts_none_counts_only_its_failed_attempts():
    """A merge of a reduction is a part of a call; what failed was one all the same."""
    scope = new_scope()
    site = new_site(retry=waits(0), count=0)
    attempt(scope, site, Script(ValueError(), 1))
    attempt(scope, site, Script(ValueError(), ValueError()))
    outcomes = [(note.count, note.outcome) for note in notes(scope)]
    assert outcomes[:2] == [(1, RETRIED), (0, OK)]
    assert outcomes[2:] == [(1, RETRIED), (1, FAILED)]


def test_a_time_limit_gets_every_attempt():
    watch, script = ThroughWatch(), Script(ValueError(), 1)
    assert attempt(new_scope(), new_site(retry=waits(0)), script, watch) == 1
    assert watch.calls == [script, script]


def test_the_end_of_the_run_ends_a_wait():
    stop = Flag()

    def load():
        stop.up = True
        raise ValueError

    with pytest.raises(Halt):
        attempt(new_scope(stop=stop), new_site(retry=waits(100)), load)


@pytest.mark.parametrize("kind", [Halt, KeyboardInterrupt])
def test_an_interrupt_leaves_the_task_unrecorded_and_is_never_retried(kind):
    scope = new_scope()
    with ctrl_c(), pytest.raises(kind):
        attempt(scope, new_site(retry=waits(0, on=BaseException)), Script(kind(), 1))
    assert notes(scope) == []


# The next attempt


@given(st.integers(0, 9), st.integers(1, 12))
def test_there_are_as_many_retries_as_were_asked_for(retries, failed):
    policy = Retry(retries, wait=1, backoff=3, max_wait=1e9, jitter=False)
    delay = next_delay(new_site(retry=policy).stage, [ValueError()] * failed, 0.0)
    assert delay == (3 ** (failed - 1) if failed <= retries else None)


def test_without_a_policy_there_is_one_attempt():
    assert next_delay(new_site().stage, [ValueError()], 0.0) is None


def test_only_the_last_error_decides():
    stage = new_site(retry=waits(1, 2, on=OSError)).stage
    assert next_delay(stage, [ValueError(), OSError()], 0.0) == 2
    assert next_delay(stage, [OSError(), ValueError()], 0.0) is None


def test_a_condition_that_fails_ends_the_attempts_and_is_told():
    error = ValueError()
    stage = new_site(retry=waits(1, on=lambda error: 1 / 0)).stage
    assert next_delay(stage, [error], 0.0) is None
    told = "The retry condition of stage 'work' raised ZeroDivisionError('division by zero')."
    assert error.__notes__ == mends(error) == [told]


@given(st.lists(st.integers(0, 9), min_size=1), st.integers(0, 9), st.integers(1, 99))
def test_no_attempt_is_begun_at_the_deadline_or_after_it(delays, seconds, deadline):
    clock = Clock()
    scope, begun = new_scope(clock), []

    def call():
        begun.append(clock.time)
        clock.time += seconds
        raise ValueError

    site = new_site(retry=waits(*delays))
    site.stage = replace(site.stage, deadline=deadline)
    errors = attempt(scope, site, call).errors
    assert begun[0] == 0
    assert all(time < deadline for time in begun)
    told = "The deadline of stage 'work' left no time to try again."
    assert getattr(errors[-1], "__notes__", []) == [told] * (len(errors) <= len(delays))
    assert not any(hasattr(error, "__notes__") for error in errors[:-1])


@pytest.mark.parametrize(
    ("error", "retried", "final"),
    [
        (ValueError(), RETRIED, FAILED),
        (TimeoutError(), RETRIED, FAILED),  # the user's own
        (StageTimeout("load", 1), TIMED_OUT_RETRIED, TIMED_OUT),
    ],
)
def test_how_records_call_an_attempt(error, retried, final):
    assert outcome_of(error, final=False) == retried
    assert outcome_of(error, final=True) == final


# Interrupts


def in_a_thread(function, *args):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(function(*args)))
    thread.start()
    thread.join()
    return answers[0]


def test_ctrl_c_reaches_the_main_thread_only():
    with ctrl_c():
        assert is_interrupt(KeyboardInterrupt())
        assert not in_a_thread(is_interrupt, KeyboardInterrupt())


@pytest.mark.parametrize("ignored", [signal.SIG_IGN, ignore_signal])
def test_who_ignores_ctrl_c_can_only_have_raised_it(ignored):
    with ctrl_c(ignored):
        assert not is_interrupt(KeyboardInterrupt())


def test_the_end_of_the_run_reaches_every_thread():
    assert is_interrupt(Halt())
    assert in_a_thread(is_interrupt, Halt())


@pytest.mark.parametrize("kind", [ValueError, SystemExit, GeneratorExit])
def test_all_else_is_the_stages_own(kind):
    assert not is_interrupt(kind())
