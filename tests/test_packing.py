"""Values that are packed, and opened where they are asked for, by several threads at once."""

from __future__ import annotations

import pickle
import sys
import threading

import pytest

from flowgraph.runtime import pickling
from flowgraph.runtime.code import Parcel
from flowgraph.runtime.outcome import Outcome


def copied(value):
    return pickle.loads(pickle.dumps(value))


def read(subject):
    return subject.value if isinstance(subject, Outcome) else subject.open()


@pytest.mark.parametrize("make", [Outcome, lambda value: Parcel(value, pickling.dumps)])
def test_a_value_stays_what_it_is_however_often_it_is_packed_and_opened(make):
    subject = make([1, 2, 3])
    for _ in range(3):
        subject = copied(subject)
        subject.seal()
        assert read(subject) == [1, 2, 3]
        assert read(copied(subject)) == [1, 2, 3]
        assert read(subject) == [1, 2, 3]


@pytest.mark.parametrize("make", [Outcome, lambda value: Parcel(value, pickling.dumps)])
@pytest.mark.parametrize("line", range(20))
def test_a_value_is_not_lost_when_it_is_opened_while_it_is_packed(make, line):
    """As if another thread had its turn at that very line of the packing."""
    arrived = copied(make([1, 2, 3]))
    lines = iter(range(1000))

    def trace(frame, event, _):
        if not frame.f_code.co_filename.endswith(("outcome.py", "code.py")):
            return None
        if event == "line" and next(lines) == line:
            assert read(arrived) == [1, 2, 3]
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        data = pickle.dumps(arrived)
    finally:
        sys.settrace(before)
    assert read(pickle.loads(data)) == [1, 2, 3]


@pytest.mark.parametrize("make", [Outcome, lambda value: Parcel(value, pickling.dumps)])
def test_many_threads_open_and_pack_the_same_value(make):
    wrong = []
    for _ in range(200):
        subject = copied(make(list(range(50))))
        start = threading.Barrier(4)

        def work(k, subject=subject, start=start):
            start.wait(30)
            for _ in range(5):
                value = read(subject) if k % 2 else read(copied(subject))
                if value != list(range(50)):
                    wrong.append(value)
                subject.seal()

        threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert not wrong
