"""The benchmarks run: results are checked, and the tables have their rows."""

import pytest

from benchmarks import __main__ as command
from benchmarks import fork_join, metg, table, three_stages
from benchmarks.contest import Contender, Figure, Scale, WrongResult, compete, expecting
from benchmarks.goals import GOALS, Goal
from benchmarks.machine import Machine
from benchmarks.memory import graph, peaks
from benchmarks.workload import Results


@pytest.fixture(scope="module")
def machine():
    with Machine(("threads",)) as machine:
        yield machine


def test_quick_run_prints_a_row_for_each_contender_and_the_goals(capsys):
    command.main(["--quick", "--rounds", "1", "--only", "w2,w3", "--backend", "threads"])
    text = capsys.readouterr().out
    for heading in ("### W2: pipeline", "### W3: fork-join", "### Goals: "):
        assert heading in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    for name in ("plain Python |  |", "flowgraph | threads |", "Dask, task each | threads |",
                 "dask.delayed | threads |", "concurrent.futures | threads |"):  # fmt: skip
        assert sum(row.startswith(f"| {name}") for row in rows) >= 2, name
    assert any(row.startswith("| G2 | pipeline, threads: faster than dask.bag") for row in rows)
    assert "G3" not in text  # nothing was measured for it


def test_unknown_workload_is_refused_with_those_there_are(capsys):
    with pytest.raises(SystemExit):
        command.main(["--only", "W99"])
    assert "no such: w99; there are W1, W2" in capsys.readouterr().err


def test_wrong_result_ends_the_contest():
    liar = Contender("liar", "threads", 1, lambda: 41, expecting(42))
    with pytest.raises(WrongResult, match="liar on threads, n = 1"):
        compete([liar], 1)


def test_contenders_take_turns_and_the_first_is_not_timed():
    calls = []
    both = [
        Contender(name, "", 1, lambda name=name: calls.append(name) or True) for name in ("a", "b")
    ]
    figures = compete(both, 2)
    assert "".join(calls) == "ab" + "ab" + "ba"
    assert [len(figure.seconds) for figure in figures] == [2, 2]


def test_skipped_contender_stands_in_the_table_with_its_reason():
    skipped = Contender("joblib", "processes", 10, skipped="joblib is not installed")
    text = table.workload_table(fork_join.WORKLOAD, compete([skipped], 1))
    assert "| joblib | processes | 10 | skipped: joblib is not installed |" in text


@pytest.mark.parametrize("pattern", metg.PATTERNS)
def test_metg_is_found_on_threads(machine, pattern):
    by_name = {p.name: p for p in metg.probes(machine, 0.001) if p.pattern == pattern}
    assert set(by_name) == set(metg.NAMES)
    for probe in by_name.values():
        probe.begin()
        probe.look()
        assert 0 < probe.seen[0] < 2
        middle = probe.middle
        probe.halve()
        assert middle in (probe.low, probe.high)


def test_goal_says_by_how_much_it_is_missed():
    def figure(name, where, seconds):
        return Figure(Contender(name, where, 100), seconds)

    results = Results({"W2": [figure("flowgraph", "threads", [1.0, 2.0, 9.0]),
                              figure("dask.bag", "threads", [3.5, 7.0, 9.0])]})  # fmt: skip
    goal = next(goal for goal in GOALS if goal.text == "pipeline, threads: faster than dask.bag")
    assert goal.verdict(results) == ("≥ 7 ×", "3.5 ×", "missed by 2.00 ×")
    assert Goal("G", "", lambda _: 1.4, 1.5).verdict(results)[2] == "met"
    assert Goal("G", "", lambda _: None, 1.5).verdict(results)[2] == "not measured"


def test_goal_is_undecided_where_a_search_found_nothing():
    inf = float("inf")
    results = Results(metg={("stencil", "flowgraph", "threads"): 5.0,
                            ("stencil", "Dask, task each", "threads"): inf})  # fmt: skip
    stencil = [goal for goal in GOALS if goal.text.startswith("METG, stencil, threads")]
    assert [goal.verdict(results)[2] for goal in stencil] == ["met", "undecided"]
    results.metg["stencil", "flowgraph", "threads"] = inf
    assert [goal.verdict(results)[2] for goal in stencil] == ["missed", "undecided"]


def test_tables_are_written_between_their_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- memory: start -->\nold\n<!-- memory: end -->\nz\n")
    table.write("new\n", "memory", page)
    table.write("newer\n", "memory", page)
    expected = "a\n<!-- memory: start -->\n\nnewer\n\n<!-- memory: end -->\nz\n"
    assert page.read_text() == expected
    with pytest.raises(SystemExit, match="no markers"):
        table.write("new", "benchmarks", page)


def test_words_of_files_are_counted_and_memory_is_seen(tmp_path):
    (tmp_path / "a.txt").write_text("to be\nor not\n")
    (tmp_path / "b.txt").write_text("to be\n")
    counts = graph([str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]).run(scheduler="sync").value
    assert counts == [("to", 2), ("be", 2), ("or", 1), ("not", 1)]

    import os

    if os.path.exists("/proc/self/status"):
        assert peaks(os.getpid())[os.getpid()] > 1000


def test_untimed_contender_puts_the_clock_back(machine):
    before = three_stages.SystemClock.now
    options = machine.flowgraph("threads")
    assert three_stages.flow_untimed([1, 2], options) == three_stages.plain([1, 2])
    assert three_stages.SystemClock.now is before
    assert Scale(quick=True).of(5, 1) == 1
