"""The user's code and data are opened where they are used, and once."""

from __future__ import annotations

import hashlib
import pickle
import threading
from collections import OrderedDict

import pytest

from flowgraph.runtime import code as code_module
from flowgraph.runtime import pickling
from flowgraph.runtime.code import Code, Parcel, Stage

PATIENCE = 30
opened = []
"""What was unpickled, in order."""
gate = threading.Event()
inside = threading.Event()


@pytest.fixture(autouse=True)
def worker(monkeypatch):
    """As in a fresh worker: no tables, no driver's pickler; gates shut."""
    monkeypatch.setattr(pickling, "_dump", pickling._plain)
    monkeypatch.setattr(code_module, "_loaded", OrderedDict())
    opened.clear()
    gate.clear()
    inside.clear()


def open_counted(name):
    opened.append(name)
    return Counted(name)


class Counted:
    def __init__(self, name):
        self.name = name

    def __call__(self):
        return self.name

    def __reduce__(self):
        return open_counted, (self.name,)


def open_slowly():
    """Only the first to come has to wait."""
    opened.append("slow")
    if len(opened) == 1:
        inside.set()
        assert gate.wait(PATIENCE)
    return 7


class Slow:
    def __reduce__(self):
        return open_slowly, ()


def open_badly():
    opened.append("bad")
    raise ImportError("not here")


class Foreign:
    def __reduce__(self):
        return open_badly, ()


def sent(thing):
    return pickle.loads(pickle.dumps(thing))


def refuse(value, **options):
    raise AssertionError("nothing was to be pickled")


def table(*functions, name="load"):
    return tuple(Stage(name, function, None, None, False) for function in functions)


def packed(*functions, fallback=pickle.dumps):
    return pickle.dumps(Code(table(*functions), pickle.dumps, fallback))


# Parcels


def test_in_one_process_a_parcel_is_the_value():
    value = [1]
    assert Parcel(value, refuse).open() is value
    parcel = Parcel(value, pickle.dumps)
    parcel.seal()
    assert parcel.open() is value


def test_a_value_is_packed_once_by_who_made_the_parcel():
    calls = []

    def pack(value):
        calls.append(value)
        return pickle.dumps(value)

    parcel = Parcel([1], pack)
    assert parcel.seal() is parcel.seal()
    assert sent(parcel).open() == [1]
    assert calls == [[1]]


def test_a_value_that_cannot_be_packed_is_an_error_of_the_seal():
    with pytest.raises(AssertionError, match="nothing was to be pickled"):
        Parcel(1, refuse).seal()


def test_a_parcel_that_is_handed_on_stays_shut_and_is_opened_once():
    parcel = sent(sent(Parcel(Counted("a"), pickle.dumps)))
    assert opened == []
    assert parcel.open() is parcel.open()
    assert opened == ["a"]


def test_an_opened_parcel_holds_its_value_once_and_can_be_sent_on():
    parcel = sent(Parcel(Counted("a"), pickle.dumps))
    assert parcel._state[0] is pickling.CLOSED
    value = parcel.open()
    assert parcel._state == (value, None)
    assert sent(parcel).open().name == "a"


def test_a_parcel_that_cannot_be_opened_says_so_each_time():
    parcel = sent(Parcel(Foreign(), pickle.dumps))
    for _ in range(2):
        with pytest.raises(ImportError, match="not here"):
            parcel.open()


def test_two_threads_may_open_a_parcel_at_once():
    parcel, values = sent(Parcel(Slow(), pickle.dumps)), []
    thread = threading.Thread(target=lambda: values.append(parcel.open()))
    thread.start()
    assert inside.wait(PATIENCE)
    assert parcel.open() == 7  # while the other one is at it
    gate.set()
    thread.join(PATIENCE)
    assert values == [7]


# Tables


def test_in_the_drivers_process_a_table_is_what_was_given():
    stages = table(len)
    assert Code(stages, refuse, refuse).stages() is stages


def test_a_table_is_packed_by_value_by_the_driver():
    code = Code(table(len), lambda value: pickle.dumps((value[0].name,)), pickle.dumps)
    assert pickle.loads(code.seal()) == ("load",)
    assert sent(code).stages() == ("load",)


def test_a_table_arrives_whole_and_is_known_by_the_hash_of_its_bytes():
    code = Code(table(len, abs), pickle.dumps, pickle.dumps)
    there = sent(code)
    assert there.digest == hashlib.sha256(code.seal()).hexdigest()
    assert there.stages() == code.stages()


def test_a_table_is_opened_once_a_process_when_a_task_runs():
    data = packed(Counted("a"))
    tables = [pickle.loads(data) for _ in range(3)]
    assert opened == []
    assert len({id(code.stages()) for code in tables}) == 1
    assert opened == ["a"]


def test_other_code_has_another_table():
    first, second = pickle.loads(packed(Counted("a"))), pickle.loads(packed(Counted("b")))
    assert (first.stages()[0].function(), second.stages()[0].function()) == ("a", "b")


def test_a_table_that_cannot_be_opened_is_not_kept():
    code = pickle.loads(packed(Foreign()))
    for _ in range(2):
        with pytest.raises(ImportError, match="not here"):
            code.stages()
    assert opened == ["bad", "bad"]


def test_tables_that_were_not_used_for_longest_go_first(monkeypatch):
    monkeypatch.setattr(code_module, "_KEPT", 2)
    data = {name: packed(Counted(name)) for name in "abc"}
    for name in "ababcabcc":
        pickle.loads(data[name]).stages()
    #                   a b are kept; c drops a, a drops b, b drops c, c drops a
    assert opened == ["a", "b", "c", "a", "b", "c"]
    pickle.loads(data["b"]).stages()  # was used before c, which does not make it younger
    pickle.loads(data["a"]).stages()
    pickle.loads(data["b"]).stages()
    assert opened[6:] == ["a"]


def test_threads_that_come_at_once_open_a_table_once():
    data, stages = packed(Slow()), []

    def load():
        stages.append(pickle.loads(data).stages())

    first = threading.Thread(target=load)
    first.start()
    assert inside.wait(PATIENCE)
    others = [threading.Thread(target=load) for _ in range(4)]
    for thread in others:
        thread.start()
    gate.set()
    for thread in (first, *others):
        thread.join(PATIENCE)
    assert opened == ["slow"]
    assert len(stages) == 5
    assert len(set(map(id, stages))) == 1


# What pickles on a worker


def by_hand(value, protocol=None, buffer_callback=None):
    return b"by hand"


def test_a_worker_pickles_by_the_drivers_means_what_plain_pickle_cannot():
    code = pickle.loads(packed(len, fallback=by_hand))
    with pytest.raises((AttributeError, pickle.PicklingError)):
        pickling.dumps(lambda: 1)
    code.stages()
    assert pickling.dumps(lambda: 1) == b"by hand"
    assert pickle.loads(pickling.dumps([1])) == [1]


def test_a_driver_in_the_same_process_goes_on_pickling_its_own_way():
    pickling.use(by_hand)
    pickle.loads(packed(len, fallback=refuse)).stages()
    assert pickling.dumps(1) == b"by hand"
