"""flowgraph check: what would hinder a run somewhere, told without running anything."""

from __future__ import annotations

import time

import pytest
from distributed import Client
from elsewhere import cluster_elsewhere, wait_for

PIPELINE = """
    import threading
    from pathlib import Path
    from flowgraph import Graph, stage

    LOCK = threading.Lock()

    def touched(x):
        Path("touched").touch()
        return x

    def guarded(x):
        with LOCK:
            return x

    def of_lock(x, lock=None):
        return x

    @stage(resources={"GPU": 1})
    def on_gpu(x):
        return x

    @stage(resources={"GPU": 2, "DISK": 1.5})
    def on_two(x):
        return x

    fine = Graph("fine")
    fine.items(range(8)).map(touched).map(on_gpu).reduce(max, name="largest")

    wanting = Graph("wanting")
    wanting.task(on_two, 1)
    wanting.task(on_gpu, 1)

    by_name = Graph("by name")
    by_name.items([1]).map(guarded)

    locked = Graph("locked")
    locked.items([1]).map(of_lock, LOCK)

    large = Graph("large")
    large.task(len, b"x" * 3_000_000)
    large.items(["y" * 1000] * 40, name="texts").map(str.upper)
    for k in range(6):
        large.items([k], name=f"small-{k}").map(abs)

    bound = Graph("bound")
    bound.task(abs, bound.param("x", type=int))

    nothing = Graph("nothing")
"""


@pytest.fixture
def check(command, write, tmp_path):
    """Runs a check of one of the graphs: exit code, standard output, standard error."""

    def check(name, *args):
        found = command("check", f"pipeline.py:{name}", *args)
        assert not (tmp_path / "touched").exists(), "a check ran the graph"
        return found

    write(PIPELINE)
    return check


def told(out):
    """What comes after the plan."""
    return [line for line in out.splitlines() if line.startswith(("to the workers", "cluster"))]


# Here


@pytest.mark.parametrize("scheduler", [None, "sync", "threads", "processes", "distributed"])
def test_a_graph_that_can_run_is_explained(check, scheduler):
    args = [] if scheduler is None else ["--scheduler", scheduler]
    code, out, err = check("fine", "--workers", "2", *args)
    assert (code, err) == (0, "")
    first, *passes = out.splitlines()
    assert first == f"plan of graph 'fine' for {1 if scheduler == 'sync' else 2} workers"
    assert [line.split()[0] for line in passes if line.startswith("  v")] == ["validate"]
    assert "largest: 8 → 1 partial results" in out
    travels = scheduler in ("processes", "distributed")
    assert [line.split(",")[0] for line in told(out)] == (
        ["to the workers: items of 'items'"] if travels else []
    )


@pytest.mark.parametrize("scheduler", ["processes", "distributed"])
def test_what_cannot_travel_is_found_where_it_would_have_to(check, scheduler):
    assert check("locked", "--scheduler", "threads")[0] == 0
    code, out, err = check("locked", "--scheduler", scheduler)
    assert code == 2
    assert out.startswith("plan of graph 'locked'")
    assert err.startswith(
        "error: graph 'locked' cannot run there: stage 'of_lock' cannot travel to another "
        "process: <unlocked _thread.lock object at 0x"
    )
    assert err.count("\n") == 1


def test_the_largest_things_that_travel_are_told_with_their_owners(check):
    code, out, _ = check("large", "--scheduler", "processes")
    assert code == 0
    first, second, *others = told(out)
    assert first == "to the workers: stage 'len', 3 MB"
    name, size, unit = second.rsplit(" ", 2)
    assert (name, unit) == ("to the workers: items of 'texts',", "kB")
    assert 40 < float(size) < 60
    assert len(others) == 3


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("nothing", [], "graph 'nothing' has no node to run"),
        ("bound", [], "graph 'bound' needs a value for parameter 'x'."),
        ("bound", ["--param", "x=a"], "parameter 'x' cannot be made of 'a': ValueError: "),
        ("bound", ["--param", "y=1"], "graph 'bound' has no parameter 'y'"),
        ("fine", ["--scheduler", "thread"], "there is no scheduler 'thread'"),
        ("fine", ["--scheduler", "tcp://127.0.0.1:9"], "no Dask scheduler answers at tcp://"),
        ("fine", ["--workers", "0"], "Invalid value for '--workers'"),
        ("none", [], "pipeline.py has no 'none'; its graphs are "),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(check, monkeypatch, name, args, message):
    monkeypatch.setattr("flowgraph.backends.connect._PATIENCE", 0.5)
    code, out, err = check(name, *args)
    assert (code, out) == (2, "")
    assert message in err
    assert check("bound", "--param", "x=1")[0] == 0


# On a cluster that was started from a shell, in another folder


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Address of a scheduler with two workers, of which one has a GPU."""
    folder = tmp_path_factory.mktemp("elsewhere")
    with cluster_elsewhere(folder, ["--resources", "GPU=1"], []) as address:
        with Client(address, set_as_default=False) as client:
            wait_for(lambda: len(client.scheduler_info(n_workers=-1)["workers"]) == 2)
        yield address


def test_a_cluster_that_has_all_a_graph_needs(check, cluster):
    code, out, err = check("fine", "--scheduler", cluster)
    assert (code, err) == (0, "")
    assert out.startswith("plan of graph 'fine' for 2 workers")
    assert told(out)[-1] == "cluster: 2 workers"


def test_resources_that_no_worker_has(check, cluster):
    code, out, err = check("wanting", "--scheduler", cluster)
    assert code == 2
    assert out.startswith("plan of graph 'wanting'")
    assert err == (
        "error: graph 'wanting' cannot run there: "
        "no worker has the resources DISK=1.5, GPU=2 that a stage asks for.\n"
    )


def test_a_stage_that_workers_cannot_load(check, cluster):
    """It uses a lock of its module, so it goes by name, and its module is not there."""
    assert check("by_name", "--scheduler", "processes")[0] == 0
    code, _, err = check("by_name", "--scheduler", cluster)
    assert code == 2
    assert err.startswith("error: graph 'by name' cannot run there: worker tcp://127.0.0.1:")
    assert err.count("cannot load the stages: ") == 2
    assert "No module named 'pipeline'" in err


def test_what_cannot_travel_is_not_even_sent(check, cluster):
    code, _, err = check("locked", "--scheduler", cluster)
    assert code == 2
    assert "stage 'of_lock' cannot travel to another process" in err


def test_a_worker_with_another_version_is_named(check, cluster, monkeypatch):
    ask = Client.get_versions

    def with_an_old_worker(client):
        found = ask(client)
        address = next(iter(found["workers"]))
        found["workers"][address]["packages"]["cloudpickle"] = "0.1"
        return found

    monkeypatch.setattr(Client, "get_versions", with_an_old_worker)
    code, _, err = check("fine", "--scheduler", cluster)
    assert code == 2
    assert err.count(" has cloudpickle 0.1, here it is ") == 1


def test_a_check_leaves_the_cluster_as_it_was(check, cluster):
    assert check("large", "--scheduler", cluster)[0] == 0
    with Client(cluster, set_as_default=False) as client:
        end = time.monotonic() + 10
        while client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
            assert time.monotonic() < end
            time.sleep(0.05)


def test_it_is_the_same_from_a_shell(shell, write, cluster):
    write(PIPELINE)
    for name, code in (("fine", 0), ("wanting", 2)):
        done = shell("-m", "flowgraph", "check", f"pipeline.py:{name}", "--scheduler", cluster)
        assert done.returncode == code, done.stderr


# run --save


@pytest.mark.parametrize("failing", [False, True])
def test_a_run_is_saved_also_when_it_failed(command, write, tmp_path, failing):
    from flowgraph import Run

    source = [1, "x", 3] if failing else [1, 2, 3]
    write(f"from flowgraph import Graph\ng = Graph('sums')\ng.items({source}).map(abs)\n")
    code, out, _ = command("run", "pipeline.py", "--quiet", "--save", "run.json")
    assert code == int(failing)
    loaded = Run.load(tmp_path / "run.json")
    assert loaded.ok is not failing
    assert [error.index for error in loaded.errors] == ([1] if failing else [])
    code, _, err = command("run", "pipeline.py", "--quiet", "--save", "none/run.json")
    assert code == 2
    assert "'none/run.json' cannot be written: No such file or directory" in err
