"""A run in a file: all of it but its values, and loading it runs no code."""

from __future__ import annotations

import operator
import pickle

import pytest

from flowgraph import FlowgraphError, Graph, Retry, Run, StageError, stage


class Refused(Exception):
    """Of this module: wherever the run is loaded it may be unknown."""


@stage(retry=Retry(1, wait=0, on=OSError))
def parse(text):
    if text == "odd":
        raise OSError("not today")
    if text == "bad":
        raise Refused("ünknown\n\u2028 text")
    return len(text)


def letters(word):
    yield from word


def loud(letter):
    if letter == "b":
        raise ValueError(letter)
    return letter.upper()


def account(run):
    """All that a saved run must tell, of failures in an order that does not depend on chance."""
    errors = [
        (e.stage, e.index, e.attempts, e.worker, str(e), [str(x) for x in e.errors])
        for e in run.errors
    ]
    return {
        "ok": run.ok,
        "targets": run.targets,
        "stats": run.stats,
        "stages": list(run.stages),
        "table": str(run.stages),
        "attempts": run.attempts,
        "errors": errors,
        "repr": repr(run),
    }


def saved(run, tmp_path, name="run.json"):
    run.save(tmp_path / name)
    return Run.load(tmp_path / name)


# What is in it


def test_a_loaded_run_tells_what_the_run_told(backend, tmp_path):
    g = Graph("words")
    words = g.items(["bad", "to be", "odd", "or"])
    parsed = words.map(parse)
    streamed = words.flat_map(letters).map(loud)
    total = parsed.reduce(operator.add, name="total")
    skipped = g.task(abs, g.task(int, "x", name="failing"), name="skipped")
    no = g.when(g.task(bool), abs, 1, name="unwanted")
    run = backend.run(g, parsed, streamed, total, skipped, no, on_error="collect")
    loaded = saved(run, tmp_path)
    mine, its = account(run), account(loaded)
    for key, value in mine.items():
        if key == "errors":
            # Of an exception its class, its text and its traceback: no more is there.
            assert [row[:4] for row in its[key]] == [row[:4] for row in value]
        else:
            assert its[key] == value
    assert {type(error.index) for error in loaded.errors} == {int, tuple, type(None)}
    (bad,) = [e for e in loaded.errors if e.stage == "parse" and e.index == 0]
    assert isinstance(bad, StageError)
    assert "Refused" in str(bad.__cause__)
    assert "ünknown\n\u2028 text" in str(bad.__cause__)
    odd = next(e for e in loaded.errors if e.stage == "parse" and e.index == 2)
    assert [("OSError" in str(error), "not today" in str(error)) for error in odd.errors] == [
        (True, True)
    ] * 2


def test_a_run_that_was_loaded_can_be_saved_again(tmp_path):
    g = Graph("again")
    items = g.items(["bad", "odd"]).map(parse)
    run = g.run(items, scheduler="sync", on_error="collect")
    once = saved(run, tmp_path)
    twice = saved(once, tmp_path, "again.json")
    assert account(once) == account(twice)
    assert (tmp_path / "run.json").read_bytes() == (tmp_path / "again.json").read_bytes()


def test_a_value_that_could_not_travel_is_told(tmp_path):
    g = Graph("lost")
    made = g.items([1, 2]).map(lambda k: (lambda: k) if k == 1 else Locked())
    run = g.run(made, scheduler="processes", workers=2, on_error="collect")
    assert (run.stats.completed, run.stats.failed) == (1, 1)
    assert account(saved(run, tmp_path))["stats"] == run.stats
    assert [e.index for e in saved(run, tmp_path).errors] == [1]


class Locked:
    def __reduce__(self):
        raise pickle.PicklingError("locked")


def test_a_run_that_failed_can_be_saved(tmp_path):
    g = Graph("raised")
    with pytest.raises(StageError) as caught:
        g.run(g.items(["a", "bad"]).map(parse), scheduler="sync")
    loaded = saved(caught.value.run, tmp_path)
    assert not loaded.ok
    assert [error.index for error in loaded.errors] == [1]


@pytest.mark.parametrize("name", ['"}', "ä/😀", "a\nb", "__proto__", "\ud800", " ", "\x00"])
def test_any_name_is_kept(tmp_path, name):
    g = Graph(name)
    node = g.task(stage(abs, name=name), -1, name=name)
    loaded = saved(g.run(node, scheduler="sync"), tmp_path)
    assert loaded.targets == (name,)
    assert [row.stage for row in loaded.stages] == [name]


# Its values


def test_a_loaded_run_says_that_it_has_no_values(tmp_path):
    g = Graph("values")
    a, b = g.task(abs, -1, name="a"), g.task(abs, -2, name="b")
    loaded = saved(g.run(a, b, scheduler="sync"), tmp_path)
    message = (
        "the value of 'a' is not here: a saved run has records and errors, no values.\n"
        "Run the graph again for its values."
    )
    for ask in (lambda: loaded.value, lambda: loaded["a"], lambda: loaded[a]):
        with pytest.raises(FlowgraphError) as caught:
            ask()
        assert str(caught.value) == message
    with pytest.raises(KeyError, match="was no target of this run"):
        loaded["c"]


def test_no_value_is_in_the_file(tmp_path):
    g = Graph("secret")
    items = g.items(["s3cret-1"]).map(str.upper)
    saved(g.run(items, g.task(len, "s3cret-2"), scheduler="sync"), tmp_path)
    assert "s3cret" not in (tmp_path / "run.json").read_text().lower()
