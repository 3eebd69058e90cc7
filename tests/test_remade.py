"""Frozen dataclasses are pickled by their values."""

from __future__ import annotations

import copy
import pickle

import cloudpickle
import pytest

from flowgraph.backends.slot import _told
from flowgraph.runtime.child import AGAIN
from flowgraph.runtime.code import Code, Control, Parcel, Stage
from flowgraph.runtime.light import Give, Token
from flowgraph.runtime.pace import Beat
from flowgraph.runtime.setting import Setting
from flowgraph.runtime.work import Work

THINGS = [
    Beat(0.5, 1.0, rests=True),
    Stage("abs", abs, None, 1.5, False, is_coroutine=True),
    Token(task=1, node=2, name="n", stage="s", picks=((0, None),)),
    Work(task=1, node=2, name="n", stage="s", seals=True, reads=3),
]


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: type(thing).__name__)
@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])
def test_it_arrives_as_it_was(thing, dumps):
    arrived = pickle.loads(dumps(thing))
    assert arrived == thing
    assert type(arrived) is type(thing)
    assert copy.copy(thing) == thing


def test_what_a_run_shares_arrives():
    code = Code((THINGS[1],), pickle.dumps, pickle.dumps)
    arrived = pickle.loads(pickle.dumps(Control(code, True, run="token")))
    assert (arrived.halts, arrived.run, arrived.stop) == (True, "token", None)
    assert arrived.code.stages() == code.stages()


def test_a_class_with_fields_of_its_own_keeps_them():
    give = Give(task=0, node=0, name="x", stage="x", value=Parcel([1], pickle.dumps))
    assert pickle.loads(pickle.dumps(give)).value.open() == [1]


def test_a_setting_that_says_the_same_is_not_told_again(monkeypatch):
    here = Setting.here()
    assert _told(here, here) == b""
    assert _told(here, Setting.here()) == AGAIN
    assert pickle.loads(_told(None, here)).is_like(here)
    monkeypatch.setenv("FLOWGRAPH_TEST", "a")
    changed = Setting.here()
    assert changed.environ["FLOWGRAPH_TEST"] == "a"
    assert pickle.loads(_told(here, changed)).environ["FLOWGRAPH_TEST"] == "a"
    monkeypatch.delenv("FLOWGRAPH_TEST")
    assert Setting.here().is_like(here)
