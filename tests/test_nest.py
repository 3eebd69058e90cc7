"""Containers with slots, on their way to another process."""

from __future__ import annotations

import pickle
from unittest import mock

import numpy as np
import pytest

from flowgraph import Graph
from flowgraph.runtime.call import Nest, Slot, slots


@pytest.mark.parametrize("first", [0, 3, 300, 70_000])
def test_slots_in_a_row_travel_as_two_numbers(first):
    nest = Nest(list, tuple(slots(first, first + 1000)))
    data = pickle.dumps(nest)
    assert len(data) < 200
    assert pickle.loads(data) == nest


@pytest.mark.parametrize(
    "items",
    [(Slot(1), Slot(0)), (Slot(0), Slot(2)), (Slot(0), Slot(0)), (Slot(4),), (Slot(0), 1)],
)
def test_others_travel_as_they_are(items):
    nest = Nest(tuple, items)
    assert pickle.loads(pickle.dumps(nest)) == nest


def test_constants_are_not_compared_with_slots():
    nest = pickle.loads(pickle.dumps(Nest(list, (Slot(0), mock.ANY))))
    assert type(nest.items[1]) is not Slot
    array = pickle.loads(pickle.dumps(Nest(list, (Slot(0), np.arange(3))))).items[1]
    assert array.tolist() == [0, 1, 2]


def test_a_dict_keeps_its_keys():
    nest = Nest(dict, tuple(slots(0, 3)), ("a", "b", "c"))
    assert pickle.loads(pickle.dumps(nest)) == nest


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_an_array_beside_a_node_arrives(scheduler):
    g = Graph("beside")
    node = g.task(abs, -2)
    total = g.task(lambda pair: pair[0] * int(pair[1].sum()), [node, np.arange(3)], name="total")
    assert g.run(total, scheduler=scheduler, workers=2).value == 6
