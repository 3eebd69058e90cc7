"""Loading a run runs no code, whatever is in the file, and refuses what is no run."""

from __future__ import annotations

import contextlib
import json
import os
import pickle

import pytest
from test_saved import account, parse

from flowgraph import Graph, GraphError, Run


class Trap:
    """Unpickling it would leave a trace."""

    def __reduce__(self):
        return os.mkdir, ("trapped",)


def test_loading_runs_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickled = pickle.dumps(Trap())
    (tmp_path / "trap").write_bytes(pickled)
    with pytest.raises(GraphError):
        Run.load("trap")
    g = Graph("g")
    g.run(g.task(abs, 1), scheduler="sync").save("run.json")
    data = json.loads((tmp_path / "run.json").read_text())
    data["nodes"][0]["stage"] = "os.mkdir('trapped')"
    data["reports"][0]["worker"] = pickled.decode("latin-1")
    (tmp_path / "run.json").write_text(json.dumps(data))
    loaded = Run.load("run.json")
    assert loaded.stages[0].stage == "os.mkdir('trapped')"
    monkeypatch.setattr(pickle, "loads", None)
    monkeypatch.setattr(pickle, "Unpickler", None)
    account(Run.load("run.json"))
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "it is not JSON"),
        (b"\x80\x04", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"[]", "it is something else"),
        (b'{"format": "something"}', "it is something else"),
        (b'{"format": "flowgraph run", "version": 99}', "its version is 99"),
        (b'{"format": "flowgraph run", "version": 1}', "it is damaged (KeyError('nodes'))"),
    ],
)
def test_a_file_that_is_no_run_is_refused(tmp_path, text, reason):
    path = tmp_path / "run.json"
    path.write_bytes(text)
    with pytest.raises(GraphError) as caught:
        Run.load(path)
    assert str(caught.value) == (
        f"'{path}' is not a saved run: {reason}.\nrun.save(path) writes one."
    )


def test_a_damaged_run_is_refused_or_can_be_read_wherever_the_damage_is(tmp_path):
    g = Graph("g")
    run = g.run(g.items(["a", "bad"]).map(parse), scheduler="sync", on_error="collect")
    run.save(tmp_path / "run.json")
    whole = json.loads((tmp_path / "run.json").read_text())
    for place in places(whole):
        for damage in (None, "x", -1, [], {}, [[]], 10**30):
            path = tmp_path / "damaged.json"
            path.write_text(json.dumps(changed(whole, place, damage)))
            with contextlib.suppress(GraphError):
                account(Run.load(path))


def places(data, prefix=()):
    """Where something is in JSON, all of it."""
    inside = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in inside:
        yield (*prefix, key)
        if isinstance(value, (dict, list)):
            yield from places(value, (*prefix, key))


def changed(data, place, value):
    copy = json.loads(json.dumps(data))
    inside = copy
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    return copy


def test_files_that_cannot_be_had(tmp_path):
    missing = tmp_path / "none" / "run.json"
    g = Graph("g")
    run = g.run(g.task(abs, 1), scheduler="sync")
    with pytest.raises(GraphError, match="none/run.json' cannot be written: No such file"):
        run.save(missing)
    with pytest.raises(GraphError, match="none/run.json' cannot be read: No such file"):
        Run.load(missing)
    with pytest.raises(GraphError, match="cannot be read: Is a directory"):
        Run.load(tmp_path)
