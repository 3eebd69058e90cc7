"""The arithmetic of retries, without waiting for any."""

from __future__ import annotations

import math
import pickle
from threading import TIMEOUT_MAX

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowgraph import GraphError, Retry, StageTimeout


def never():
    return 0.0


def always():
    return 1.0


def test_defaults():
    policy = Retry()
    assert (policy.retries, policy.wait, policy.backoff, policy.max_wait) == (3, 0.1, 2.0, 30.0)
    assert (policy.jitter, policy.delays, policy.on) == (True, None, Exception)


def test_waits_grow_by_a_factor_up_to_the_longest():
    policy = Retry(6, wait=1, backoff=3, max_wait=20, jitter=False)
    assert [policy.delay(k) for k in range(6)] == [1, 3, 9, 20, 20, 20]


def test_jitter_adds_at_most_a_quarter_also_to_the_longest():
    policy = Retry(3, wait=2, backoff=10, max_wait=8)
    assert [policy.delay(k, never) for k in range(3)] == [2, 8, 8]
    assert [policy.delay(k, always) for k in range(3)] == [2.5, 10, 10]
    waits = {policy.delay(0) for _ in range(100)}
    assert len(waits) > 50
    assert all(2 <= wait <= 2.5 for wait in waits)


def test_delays_are_exact_and_the_last_one_repeats():
    policy = Retry(5, delays=[0.1, 0.5, 1], wait=99, jitter=True)
    assert [policy.delay(k, always) for k in range(5)] == [0.1, 0.5, 1, 1, 1]


def test_delays_are_kept_as_they_were():
    delays = [1, 2]
    policy = Retry(2, delays=delays)
    delays.clear()
    assert policy.delays == (1, 2)
    assert Retry(2, delays=iter([1, 2])).delays == (1, 2)


@pytest.mark.parametrize(
    ("policy", "longest"),
    [
        (Retry(10, jitter=False), 30),
        (Retry(10, wait=1e308, backoff=1e308, jitter=False), 30),
        (Retry(10, wait=1, backoff=10**300, jitter=False), 30),
        (Retry(10, max_wait=math.inf), TIMEOUT_MAX),
        (Retry(10, max_wait=10**300), TIMEOUT_MAX),
        (Retry(10, delays=[1e300]), TIMEOUT_MAX),
        (Retry(10, wait=0, backoff=1e308), 0),
        (Retry(10, wait=5, backoff=0), 0),
    ],
)
def test_no_number_of_retries_overflows(policy, longest):
    """Nor does any wait exceed what a thread can wait."""
    for retry in (10_000, 10**6, 10**9):
        assert policy.delay(retry) == longest


@given(
    wait=st.floats(0, 1e300),
    backoff=st.floats(0, 1e300),
    max_wait=st.floats(0, math.inf),
    retry=st.integers(0, 10**6),
    luck=st.floats(0, 1),
)
def test_every_wait_is_in_its_bounds(wait, backoff, max_wait, retry, luck):
    policy = Retry(3, wait=wait, backoff=backoff, max_wait=max_wait)
    least, most = policy.delay(retry, never), policy.delay(retry, always)
    assert 0 <= least <= policy.delay(retry, lambda: luck) <= most <= TIMEOUT_MAX
    assert least <= max_wait
    assert most <= least * 1.25 + 1e-300


# Which errors


def test_a_class_and_its_subclasses_are_retried():
    assert Retry(on=OSError).wants(FileNotFoundError())
    assert not Retry(on=OSError).wants(ValueError())


def test_a_timeout_is_an_os_error():
    assert Retry(on=OSError).wants(StageTimeout("load", 1.0))
    assert Retry(on=TimeoutError).wants(StageTimeout("load", 1.0))


def test_a_tuple_of_classes():
    policy = Retry(on=(OSError, KeyError))
    assert policy.wants(KeyError())
    assert not policy.wants(IndexError())


def test_by_default_all_but_what_ends_programs():
    assert Retry().wants(ValueError())
    assert not Retry().wants(SystemExit())
    assert Retry(on=BaseException).wants(SystemExit())


def test_a_predicate_decides_and_may_fail():
    assert Retry(on=lambda error: "again" in str(error)).wants(ValueError("try again"))
    assert Retry(on=lambda error: []).wants(ValueError()) is False
    with pytest.raises(ZeroDivisionError):
        Retry(on=lambda error: 1 / 0).wants(ValueError())


# Mistakes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retries": -1}, "retry=-1 is not possible: it takes an int of at least 0 or a Retry."),
        ({"retries": 2.0}, "retry=2.0 is not possible: it takes an int of at least 0 or a Retry."),
        ({"wait": -0.1}, "Retry wait=-0.1 is not possible: it takes a number of at least 0."),
        ({"wait": "1"}, "Retry wait='1' is not possible: it takes a number of at least 0."),
        ({"wait": True}, "Retry wait=True is not possible: it takes a number of at least 0."),
        ({"wait": math.nan}, "Retry wait=nan is not possible: it takes a number of at least 0."),
        ({"wait": math.inf}, "Retry wait=inf is not possible: it takes a number of at least 0."),
        ({"backoff": -1}, "Retry backoff=-1 is not possible: it takes a number of at least 0."),
        (
            {"backoff": math.inf},
            "Retry backoff=inf is not possible: it takes a number of at least 0.",
        ),
        ({"max_wait": -1}, "Retry max_wait=-1 is not possible: it takes a number of at least 0."),
        (
            {"max_wait": math.nan},
            "Retry max_wait=nan is not possible: it takes a number of at least 0.",
        ),
        (
            {"delays": [1, -1]},
            "Retry delays=[1, -1] is not possible: it takes a list of seconds, each at least 0.",
        ),
        (
            {"delays": 5},
            "Retry delays=5 is not possible: it takes a list of seconds, each at least 0.",
        ),
        (
            {"delays": "12"},
            "Retry delays='12' is not possible: it takes a list of seconds, each at least 0.",
        ),
        (
            {"on": int},
            "Retry on=<class 'int'> is not possible: "
            "it takes an exception class, a tuple of them, or a function of the error.",
        ),
        (
            {"on": (OSError, "x")},
            "Retry on=(<class 'OSError'>, 'x') is not possible: "
            "it takes an exception class, a tuple of them, or a function of the error.",
        ),
        (
            {"on": None},
            "Retry on=None is not possible: "
            "it takes an exception class, a tuple of them, or a function of the error.",
        ),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(GraphError) as caught:
        Retry(**options)
    assert str(caught.value) == message


def test_a_policy_is_plain_data():
    policy = Retry(2, delays=[1], on=(OSError,))
    assert pickle.loads(pickle.dumps(policy)) == policy
    assert hash(policy) == hash(Retry(2, delays=(1,), on=(OSError,)))
    with pytest.raises(AttributeError):
        policy.retries = 3
