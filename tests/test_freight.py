"""What several tasks of a cluster take along, and weighs much, travels once."""

from __future__ import annotations

import os
import pickle
import signal
import threading

import pytest
from dask.base import tokenize
from dask.task_spec import Task

from flowgraph import Graph, Retry, stage
from flowgraph.backends.freight import Shipment
from flowgraph.compiler.shipping import seal
from flowgraph.runtime.code import Code, Control, Parcel
from flowgraph.runtime.freight import Awaited, Freight, carried
from flowgraph.runtime.work import perform

MEGABYTES = 2
HEAVY = bytes(range(256)) * 4096 * MEGABYTES


def lookup(x, table):
    return x + table[x]


def shipment_of(graph):
    plan = graph.compile(workers=2)
    seal(plan.code, plan.cargo)
    return plan, Shipment(plan, Control(plan.code))


def weights(plan, shipment):
    return [
        len(pickle.dumps(shipment.task(job.key, n, [], perform))) for n, job in enumerate(plan.jobs)
    ]


def by_argument():
    g = Graph("argument")
    g.items(range(40)).map(lookup, HEAVY)
    return g


def by_closure():
    table = HEAVY
    g = Graph("closure")
    g.items(range(40)).map(lambda x: x + table[x])
    return g


def by_argument_of_zipped():
    g = Graph("zipped")
    pairs = g.items(range(40)).zip(g.items(range(40)))
    pairs.starmap(max).map(lookup, HEAVY)
    return g


HEAVY_GRAPHS = [by_argument, by_closure, by_argument_of_zipped]


@pytest.mark.parametrize("make", HEAVY_GRAPHS)
def test_it_is_a_task_of_its_own(make):
    plan, shipment = shipment_of(make())
    ((key, task),) = shipment.freight.items()
    assert len(plan.jobs) > 2
    assert max(weights(plan, shipment)) < 20_000
    assert len(pickle.dumps(task)) > len(HEAVY)
    for n, job in enumerate(plan.jobs):
        assert key in shipment.task(job.key, n, [], perform).dependencies


@pytest.mark.parametrize("make", HEAVY_GRAPHS)
def test_the_values_are_those_of_other_backends(make, client):
    graph = make()
    for _ in range(2):
        run = graph.run(scheduler=client)
        assert run.value == [k + k for k in range(40)]
    assert graph.run(scheduler="sync").value == run.value


def test_what_only_one_task_has_goes_with_it():
    g = Graph("own")
    g.items([HEAVY, HEAVY[1:], HEAVY[2:]]).map(len)
    plan, shipment = shipment_of(g)
    assert shipment.freight == {}
    assert sum(weights(plan, shipment)) > 3 * len(HEAVY) - 10


def test_what_weighs_little_goes_with_each():
    g = Graph("light")
    g.items(range(40)).map(lookup, HEAVY[:1000])
    _, shipment = shipment_of(g)
    assert shipment.freight == {}


def test_a_plan_stays_as_it_was(client):
    plan, shipment = shipment_of(by_argument())
    assert shipment.freight
    assert [job.work for job in plan.jobs] != shipment._works
    assert client.get(plan.dask, plan.keys, resources={}) == [[k + k for k in range(40)]]


def test_it_comes_again_where_its_worker_died(own_client, tmp_path):
    """Unlike what Dask has scattered."""

    def dies_once(x, table, marker):
        if x == 7 and not os.path.exists(marker):
            with open(marker, "w"):
                pass
            os.kill(os.getpid(), signal.SIGKILL)
        return x + table[x]

    g = Graph("again")
    items = g.items(range(40)).map(dies_once, HEAVY, str(tmp_path / "died"))
    assert g.run(items, scheduler=own_client).value == [k + k for k in range(40)]
    assert (tmp_path / "died").exists()


def test_a_resource_may_be_wanted_beside_it(client):
    g = Graph("annotated")
    items = g.items(range(40)).map(stage(lookup, retry=Retry(1)), HEAVY).annotate(priority=3)
    assert g.run(items, scheduler=client).value == [k + k for k in range(40)]


# On the worker


def opened(awaited, seen=None):
    value = awaited.open()
    if seen is not None:
        seen.append(value)
    return value


def test_freight_is_there_as_long_as_a_task_that_has_it():
    freight = Freight("a", pickle.dumps([1, 2]))
    assert carried(1, opened, Awaited("a"), freight) == [1, 2]
    with pytest.raises(KeyError):
        Awaited("a").open()


def test_tasks_at_once_have_it_together():
    freight = Freight("b", pickle.dumps("x"))
    inside, leave = threading.Event(), threading.Event()

    def waits(awaited):
        inside.set()
        leave.wait(10)
        return awaited.open()

    seen = []
    thread = threading.Thread(target=lambda: seen.append(carried(1, waits, Awaited("b"), freight)))
    thread.start()
    inside.wait(10)
    assert carried(1, opened, Awaited("b"), freight) == "x"
    leave.set()
    thread.join(10)
    assert seen == ["x"]


def test_it_leaves_also_after_an_error():
    with pytest.raises(ZeroDivisionError):
        carried(1, lambda: 1 // 0, Freight("c", b""))
    with pytest.raises(KeyError):
        Awaited("c").open()


def test_it_travels_on_as_a_ticket():
    awaited = pickle.loads(pickle.dumps(Awaited("d")))
    assert carried(1, opened, awaited, Freight("d", pickle.dumps(5))) == 5
    assert len(pickle.dumps(awaited)) < 200  # though it is open by now


def test_code_is_the_same_in_another_parcel():
    code = Code((), pickle.dumps, pickle.dumps)
    sent = pickle.loads(pickle.dumps(code))
    within = pickle.loads(pickle.dumps(code.within(Parcel((), pickle.dumps))))
    assert within.digest == sent.digest
    assert isinstance(Task("t", Freight, "e", b"").key, str)


# What a client makes hashes of


def test_a_hash_of_a_task_looks_into_no_call():
    """A client makes one of each task, and would walk through all that is in it."""

    class Secret:
        def __reduce__(self):
            raise AssertionError("looked at")

    g = Graph("secret")
    g.items([Secret()] * 3).map(str)
    g.task(str, Secret())
    plan = g.compile(workers=2)
    tokens = [tokenize(task, ensure_deterministic=True) for task in plan.dask.values()]
    again = [tokenize(task, ensure_deterministic=True) for task in plan.dask.values()]
    assert tokens == again
    assert len(set(tokens)) == len(tokens)
