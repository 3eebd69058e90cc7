"""The command line: what it prints, where, and its exit codes."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time

import pytest
from elsewhere import SECONDS, cluster_elsewhere, environment, wait_for

import flowgraph

PIPELINE = """
    from flowgraph import Graph

    def double(x):
        if x == 99:
            raise ValueError("no 99,\\nplease")
        return 2 * x

    g = Graph("numbers")
    n = g.param("n", default=3, type=int)
    g.task(sum, g.items(g.task(range, n)).map(double))
"""


# run


def test_the_value_goes_to_stdout_and_the_table_to_stderr(command, write):
    write(PIPELINE)
    code, out, err = command("run", "pipeline.py")
    assert (code, out) == (0, "6\n")
    progress, head, *rows = err.splitlines()
    assert progress == "range 1/1, double 3, sum 1/1"
    assert head.split()[:3] == ["stage", "total", "completed"]
    assert [row.split()[:3] for row in rows] == [
        ["range", "1", "1"],
        ["double", "3", "3"],
        ["sum", "1", "1"],
    ]


def test_quiet_shows_no_progress(command, write):
    write(PIPELINE)
    code, out, err = command("run", "pipeline.py", "--quiet")
    assert (code, out) == (0, "6\n")
    assert err.startswith("stage ")


def test_a_log_gets_a_line_now_and_then(command, write, monkeypatch):
    write(PIPELINE)
    monkeypatch.setattr("flowgraph.results.display._EVERY", 0.0)
    code, _, err = command("run", "pipeline.py", "--scheduler", "sync")
    assert code == 0
    assert err.splitlines()[0] == "range 1/1"
    assert "\x1b" not in err
    assert "\r" not in err


def test_a_terminal_gets_bars(command, write, monkeypatch):
    write(PIPELINE)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    code, out, err = command("run", "pipeline.py", "--param", "n=100", "--on-error", "collect")
    assert (code, out) == (1, "9702\n")
    assert "double" in err


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_json_is_the_value_alone(command, write, scheduler):
    write(PIPELINE)
    args = ["--json", "--param", "n=5", "--scheduler", scheduler, "--workers", "2"]
    code, out, _ = command("run", "pipeline.py", *args)
    assert code == 0
    assert json.loads(out) == 20


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_none_is_a_value_too(command, write, scheduler):
    write("from flowgraph import Graph\ng = Graph()\ng.task({}.get, 1)\n")
    args = ["--scheduler", scheduler, "--workers", "1"]
    assert command("run", "pipeline.py", *args)[:2] == (0, "None\n")
    assert command("run", "pipeline.py", "--json", *args)[:2] == (0, "null\n")


def test_a_value_that_is_no_json(command, write):
    write("from flowgraph import Graph\ng = Graph()\ng.task(set)\n")
    code, out, err = command("run", "pipeline.py", "--json", "--quiet")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == (
        "error: the value cannot be written as JSON: Object of type set is not JSON serializable. "
        "Return lists, dicts with text keys, text, numbers, true, false and None, "
        "or leave --json out."
    )


def test_a_value_that_cannot_be_shown(command, write):
    write(
        """
        from flowgraph import Graph
        class Shy:
            def __repr__(self):
                raise OSError("not now")
        g = Graph()
        g.task(Shy)
        """
    )
    code, out, err = command("run", "pipeline.py")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == (
        "error: the run is done, but its value cannot be shown: OSError: not now"
    )


def test_a_failure_is_one_line_after_the_table_of_what_ran(command, write):
    write(PIPELINE)
    code, out, err = command("run", "pipeline.py", "--param", "n=100", "--quiet")
    assert (code, out) == (1, "")
    *table, error = err.splitlines()
    assert error == (
        "error: stage 'double' failed on item 99 after 1 attempt: ValueError('no 99,\\nplease') "
        "(pipeline.py, line 6; see --traceback)"
    )
    assert table[0].startswith("stage ")
    assert table[1].split()[:3] == ["range", "1", "1"]


@pytest.mark.parametrize("args", [["--traceback", "run"], ["run", "--traceback"]])
def test_traceback_shows_the_rest(command, write, args):
    write(PIPELINE)
    code, _, err = command(*args, "pipeline.py", "--param", "n=100")
    assert code == 1
    assert 'raise ValueError("no 99,\\nplease")' in err
    assert err.splitlines()[-1].startswith("error: stage 'double' failed on item 99")


def test_collect_prints_the_value_and_fails(command, write):
    write(PIPELINE)
    args = ["--param", "n=101", "--on-error", "collect"]
    code, out, err = command("run", "pipeline.py", *args)
    assert (code, out) == (1, f"{2 * (sum(range(101)) - 99)}\n")
    assert err.splitlines()[-1].startswith("error: stage 'double' failed on item 99")


def test_collect_of_what_is_done_succeeds(command, write):
    write(PIPELINE)
    assert command("run", "pipeline.py", "--on-error", "collect")[:2] == (0, "6\n")


def test_collect_of_a_failed_target_has_no_value(command, write):
    write("from flowgraph import Graph\ng = Graph()\ng.task(int, 'x')\n")
    code, out, err = command("run", "pipeline.py", "--on-error", "collect", "--quiet")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith("error: stage 'int' failed after 1 attempt: ValueError")


def test_a_failed_value_has_its_error_in_the_json(command, write):
    write(
        PIPELINE.replace(
            "    g.task(sum, g.items(g.task(range, n)).map(double))",
            """
    items = g.items([1, 99]).map(double)
    bad = g.task(double, 99, name="bad")
    g.output(items, bad, g.task(abs, bad, name="after"))
    """,
        )
    )
    code, out, err = command("run", "pipeline.py", "--json", "--quiet", "--on-error", "collect")
    assert code == 1
    (good, item), bad, after = json.loads(out)
    text = "stage 'double' failed{} after 1 attempt{}: ValueError('no 99,\\nplease')"
    assert (good, item) == (2, {"error": text.format(" on item 1", "")})
    assert bad == {"error": text.format("", " (node 'bad')")}
    assert after["error"].startswith("node 'after' was skipped because 'bad' failed.")
    line = err.splitlines()[-1]
    assert line.startswith("error: stage 'double' failed")
    assert line.endswith("(pipeline.py, line 6; and 1 more; see --traceback)")


def test_a_value_that_was_not_made_is_an_error_in_the_json(command, write):
    write("from flowgraph import Graph\ng = Graph()\ng.task(abs, g.task(int, 'x'))\n")
    args = ["--json", "--quiet", "--on-error", "collect"]
    code, out, err = command("run", "pipeline.py", *args)
    assert code == 1
    assert json.loads(out)["error"].startswith("node 'abs' was skipped")
    assert err.splitlines()[-1].startswith("error: stage 'int' failed after 1 attempt: ValueError")


def test_without_json_the_reason_is_shown_and_not_the_skip(command, write):
    write("from flowgraph import Graph\ng = Graph()\ng.task(abs, g.task(int, 'x'))\n")
    code, out, err = command("run", "pipeline.py", "--quiet", "--on-error", "collect")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith("error: stage 'int' failed after 1 attempt: ValueError")
    assert "skipped because" not in err


def test_a_failed_run_whose_rest_is_no_json_tells_both(command, write):
    write("from flowgraph import Graph\ng = Graph()\ng.task(set)\ng.task(int, 'x')\n")
    args = ["--json", "--quiet", "--on-error", "collect"]
    code, out, err = command("run", "pipeline.py", *args)
    assert (code, out) == (1, "")
    one, two = err.splitlines()[-2:]
    assert one.startswith("error: the value cannot be written as JSON: Object of type set")
    assert two.startswith("error: stage 'int' failed")


def test_collect_with_traceback_shows_the_rest(command, write):
    write(PIPELINE)
    args = ["--param", "n=100", "--on-error", "collect", "--traceback"]
    code, _, err = command("run", "pipeline.py", *args)
    assert code == 1
    assert 'raise ValueError("no 99,\\nplease")' in err
    assert err.splitlines()[-1].endswith("please') (pipeline.py, line 6)")


def test_the_place_of_an_error_is_the_users_innermost_line(command, write):
    write("import json\ndef parse(text):\n    return json.loads(text)\n", "parser_of_mine.py")
    write(
        """
        from flowgraph import Graph
        import parser_of_mine

        def load(text):
            return parser_of_mine.parse(text)

        g = Graph()
        g.task(load, "{")
        """
    )
    for scheduler in ("sync", "processes"):
        args = ["--quiet", "--scheduler", scheduler, "--workers", "1"]
        code, _, err = command("run", "pipeline.py", *args)
        assert code == 1
        assert err.splitlines()[-1].endswith("(parser_of_mine.py, line 3; see --traceback)")


def test_names_with_line_breaks_and_colours_stay_on_their_line(command, write):
    write(
        """
        from flowgraph import Graph, stage
        g = Graph()
        g.task(stage(abs, name="a\\nb\\x1b[31m"), "x")
        """
    )
    code, _, err = command("run", "pipeline.py")
    assert code == 1
    progress, _, row, error = err.splitlines()
    assert progress.startswith("a\\nb\\x1b[31m 1/1")
    assert row.startswith("a\\nb\\x1b[31m  ")
    assert error.startswith("error: stage 'a\\nb\\x1b[31m' failed")
    assert "\x1b" not in err


def test_parameters_without_a_type_are_text(command, write):
    write(
        """
        from flowgraph import Graph
        g = Graph()
        g.task(dict, a=g.param("a"), b=g.param("b", default=None))
        """
    )
    code, out, _ = command("run", "pipeline.py", "--param", "a=x=y", "--param", "b=")
    assert (code, out) == (0, "{'a': 'x=y', 'b': ''}\n")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--param", "n"], "--param n: give a name and a value, as in --param folder=photos."),
        (["--param", "=3"], "--param =3: give a name and a value, as in --param folder=photos."),
        (
            ["--param", "n=three"],
            (
                "parameter 'n' cannot be made of 'three': "
                "ValueError: invalid literal for int() with base 10: 'three'"
            ),
        ),
        (["--param", "m=3"], "graph 'numbers' has no parameter 'm'; it has parameter 'n'."),
        (
            ["--workers", "0"],
            (
                "Invalid value for '--workers': 0 is not possible: it takes at least 1. "
                "See flowgraph run --help."
            ),
        ),
        (
            ["--workers", "two"],
            (
                "Invalid value for '--workers': 'two' is not a valid integer. "
                "See flowgraph run --help."
            ),
        ),
        (
            ["--scheduler", "thread"],
            (
                "there is no scheduler 'thread': "
                "take 'sync', 'threads', 'processes', 'distributed', "
                "a distributed.Client, or an address such as 'tcp://127.0.0.1:8786'."
            ),
        ),
        (
            ["--on-error", "ignore"],
            (
                "Invalid value for '--on-error': 'ignore' is not one of 'raise', 'collect'. "
                "See flowgraph run --help."
            ),
        ),
        (["--frobnicate"], "No such option '--frobnicate'. See flowgraph run --help."),
        (
            ["more.py"],
            "Got unexpected extra argument (more.py) See flowgraph run --help.",
        ),
    ],
)
def test_wrong_options_are_one_line_and_exit_2(command, write, args, message):
    write(PIPELINE)
    code, out, err = command("run", "pipeline.py", *args)
    assert (code, out, err.replace(":  See", " See")) == (2, "", f"error: {message}\n")


def test_a_required_parameter(command, write):
    write("from flowgraph import Graph\ng = Graph('p')\ng.task(str, g.param('x'))\n")
    assert command("run", "pipeline.py") == (
        2,
        "",
        (
            "error: graph 'p' needs a value for parameter 'x'. "
            "Give it: g.run(params={'x': …}), or --param x=… on the command line.\n"
        ),
    )


def test_an_unknown_command_and_a_missing_target(command):
    code, out, err = command("paint")
    assert (code, out, err) == (2, "", "error: No such command 'paint'. See flowgraph --help.\n")
    code, out, err = command("run")
    assert (code, out) == (2, "")
    assert err == "error: Missing argument 'TARGET'. See flowgraph run --help.\n"


def test_what_cannot_travel(command, write):
    write(
        """
        import threading
        from flowgraph import Graph
        g = Graph()
        g.task(print, threading.Lock())
        """
    )
    code, out, err = command("run", "pipeline.py", "--scheduler", "processes", "--quiet")
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("error: stage 'print' cannot travel to another process: <unlocked _thr")


def test_a_fault_of_flowgraph(command, write, monkeypatch):
    write(PIPELINE)

    def broken(*_):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("flowgraph.graph.Run", broken)
    code, out, err = command("run", "pipeline.py", "--quiet")
    assert (code, out, err) == (
        70,
        "",
        (
            "error: flowgraph itself failed: ZeroDivisionError: oh. "
            "Please report it, with what --traceback shows.\n"
        ),
    )


# The target

GRAPH = "from flowgraph import Graph\n"


def run_quietly(command, target):
    code, out, err = command("run", target, "--quiet")
    return (code, out) if code == 0 else (code, out, err)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("g = Graph()\ng.task(int)", "pipeline.py"),
        ("g = Graph()\ng.task(int)", "pipeline.py:g"),
        ("g = Graph()\ng.task(int)\nsame = g", "pipeline.py"),
        ("g = Graph()\ng.task(int)\nh = Graph()", "pipeline.py:g"),
        ("g = Graph()\ng.task(int)\nh = Graph()", "pipeline:g"),
        ("g = Graph()\ng.task(int)\nh = lambda: g", "pipeline.py:h"),
        ("def build() -> Graph:\n    g = Graph()\n    g.task(int)\n    return g", "pipeline.py"),
        ("def build() -> 'Graph':\n    g = Graph()\n    g.task(int)\n    return g", "pipeline.py"),
        ("def graph(n=1):\n    g = Graph()\n    g.task(int)\n    return g", "pipeline.py"),
        ("class A:\n    g = Graph()\n    g.task(int)", "pipeline.py:A.g"),
    ],
)
def test_targets(command, write, text, target):
    write(f"{GRAPH}{text}\n")
    assert run_quietly(command, target) == (0, "0\n")


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        ("", "missing.py", "there is no file 'missing.py'."),
        (
            "",
            "pipeline.txt",
            (
                "'pipeline.txt' names no graph: "
                "give pipeline.py, pipeline.py:name or package.module:name."
            ),
        ),
        (
            "",
            "nowhere.at_all:g",
            (
                "there is no module 'nowhere.at_all', neither in this folder nor installed. "
                "For a file give its name with .py."
            ),
        ),
        (
            "x = 1",
            "pipeline.py",
            (
                "pipeline.py has no graph. Give it one at its top level, "
                "or a function that returns one: def graph() -> Graph."
            ),
        ),
        (
            "a = Graph()\nb = Graph()",
            "pipeline.py",
            "pipeline.py has several graphs: 'a', 'b'. Name one, as in pipeline.py:a",
        ),
        ("a = Graph()", "pipeline.py:b", "pipeline.py has no 'b'; its graphs are 'a'."),
        ("", "pipeline.py:b", "pipeline.py has no 'b'; it has no graph."),
        (
            "b = 5",
            "pipeline.py:b",
            (
                "'b' in pipeline.py is of type int, not a Graph. "
                "Name a Graph, or a function without arguments that returns one."
            ),
        ),
        (
            "def build() -> Graph: pass",
            "pipeline.py",
            (
                "'build()' in pipeline.py is of type NoneType, not a Graph. "
                "Name a Graph, or a function without arguments that returns one."
            ),
        ),
        (
            "def build(n): pass",
            "pipeline.py:build",
            (
                "'build' in pipeline.py needs arguments: 'n'. "
                "Give them defaults, or make them parameters of the graph: g.param."
            ),
        ),
        (
            "\ng = Graph()\ng.task(5)",
            "pipeline.py",
            "pipeline.py, line 4: 5 is not a function, so it cannot be a stage.",
        ),
        ("1 / 0", "pipeline.py", "pipeline.py, line 2: ZeroDivisionError: division by zero"),
        ("1 / 0", "pipeline:g", "pipeline.py, line 2: ZeroDivisionError: division by zero"),
        (
            "def graph():\n    return {}['x']",
            "pipeline.py",
            "pipeline.py, line 3: KeyError: 'x'",
        ),
        (
            "import nowhere_at_all",
            "pipeline.py",
            "pipeline.py, line 2: ModuleNotFoundError: No module named 'nowhere_at_all'",
        ),
        ("def (", "pipeline.py", "pipeline.py, line 2 is not Python: invalid syntax"),
        (
            "import sys\nsys.exit(0)",
            "pipeline.py",
            (
                "pipeline.py, line 3, ended the program while it was imported. "
                'Put what only a script does under: if __name__ == "__main__":'
            ),
        ),
        (
            "g = Graph('bare')",
            "pipeline.py",
            "graph 'bare' has no node to run: declare one with g.task or g.items.",
        ),
    ],
)
def test_wrong_targets_are_one_line_and_exit_2(command, write, text, target, message):
    write(f"{GRAPH}{text}\n")
    assert run_quietly(command, target) == (2, "", f"error: {message}\n")


def test_a_target_may_be_called_like_another_module(command, write):
    write(PIPELINE, "json.py")
    write(PIPELINE, "flowgraph.py")
    write(PIPELINE, "my-own.2.py")
    for name in ("json.py", "flowgraph.py", "my-own.2.py"):
        args = ["--scheduler", "processes", "--workers", "1"]
        assert command("run", name, *args)[:2] == (0, "6\n")
    assert sys.modules["json"] is json
    assert sys.modules["flowgraph"] is flowgraph


def test_a_target_in_another_folder_finds_its_neighbours(command, write, tmp_path):
    (tmp_path / "sub").mkdir()
    write("LIMIT = 4", "sub/sibling_of_target.py")
    write(f"{GRAPH}import sibling_of_target as s\ng = Graph()\ng.task(str, s.LIMIT)", "sub/p.py")
    assert run_quietly(command, "sub/p.py") == (0, "'4'\n")


def test_a_target_leaves_no_cache_behind(command, write, tmp_path):
    write(PIPELINE)
    command("run", "pipeline.py")
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline.py"]


# visualize


@pytest.fixture
def draw():
    return pytest.importorskip("flowgraph.draw.model")


@pytest.mark.usefixtures("draw")
def test_visualize_writes_a_picture_named_after_the_target(command, write, tmp_path):
    write(PIPELINE)
    assert command("visualize", "pipeline.py") == (0, "wrote pipeline.svg\n", "")
    assert "<svg" in (tmp_path / "pipeline.svg").read_text(encoding="utf-8")


@pytest.mark.usefixtures("draw")
def test_visualize_takes_the_format_from_the_suffix(command, write, tmp_path):
    write(PIPELINE)
    assert command("visualize", "pipeline.py", "-o", "x.dot") == (0, "wrote x.dot\n", "")
    assert "digraph" in (tmp_path / "x.dot").read_text(encoding="utf-8")
    args = ["--format", "dot", "-o", "y.txt"]
    assert command("visualize", "pipeline.py", *args) == (0, "wrote y.txt\n", "")
    assert "digraph" in (tmp_path / "y.txt").read_text(encoding="utf-8")


@pytest.mark.usefixtures("draw")
def test_visualize_prints_text(command, write):
    write(PIPELINE)
    code, out, err = command("visualize", "pipeline.py", "--format", "text")
    assert (code, err) == (0, "")
    assert "double" in out


@pytest.mark.usefixtures("draw")
def test_visualize_into_a_folder_that_does_not_exist(command, write):
    write(PIPELINE)
    assert command("visualize", "pipeline.py", "-o", "no/x.dot") == (
        2,
        "",
        "error: 'no/x.dot' cannot be written: No such file or directory\n",
    )


@pytest.mark.usefixtures("draw")
def test_visualize_with_a_suffix_that_is_no_format(command, write):
    write(PIPELINE)
    code, out, err = command("visualize", "pipeline.py", "-o", "x.gif")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1


@pytest.mark.usefixtures("draw")
@pytest.mark.parametrize(
    ("file", "format_"), [("x.svg", "png"), ("x.dot", "text"), ("x.txt", "svg"), ("x.PNG", "svg")]
)
def test_visualize_with_a_suffix_that_contradicts_the_format(
    command, write, tmp_path, file, format_
):
    write(PIPELINE)
    assert command("visualize", "pipeline.py", "-o", file, "--format", format_) == (
        2,
        "",
        (
            f"error: the suffix of '{file}' does not fit the format {format_}. "
            "Give the file another suffix, or leave the format out: the suffix sets it.\n"
        ),
    )
    assert not (tmp_path / file).exists()


@pytest.mark.usefixtures("draw")
def test_visualize_to_standard_output(command, write, tmp_path):
    write(PIPELINE)
    code, out, err = command("visualize", "pipeline.py", "-o", "-")
    assert (code, err) == (0, "")
    assert "<svg" in out
    code, out, err = command("visualize", "pipeline.py", "-o", "-", "--format", "dot")
    assert (code, err) == (0, "")
    assert out.startswith("digraph")
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline.py"]


# As a process


def test_help_is_quick(shell):
    begun = time.perf_counter()
    done = shell("-m", "flowgraph", "--help")
    assert time.perf_counter() - begun < 5.0  # a tenth of a second when nobody else works
    assert done.returncode == 0
    assert "visualize" in done.stdout
    lacks = "import sys, flowgraph.cli; print({'dask', 'rich', 'networkx'} & set(sys.modules))"
    assert shell("-c", lacks).stdout == "set()\n"


def test_importing_flowgraph_is_light(shell):
    done = shell("-X", "importtime", "-c", "import flowgraph")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "flowgraph" in imported
    assert not imported & {"distributed", "pygraphviz", "bokeh", "dask", "networkx"}


@pytest.mark.parametrize(
    ("args", "code"),
    [([], 0), (["--param", "n=100"], 1), (["--param", "n=x"], 2)],
)
def test_exit_codes(shell, write, args, code):
    write(PIPELINE)
    assert shell("-m", "flowgraph", "run", "pipeline.py", *args).returncode == code


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize(
    ("command", "code"), [("run pipeline.py", 1), ("visualize pipeline.py --format text", 1)]
)
def test_a_full_disk_is_one_line(shell, write, command, code):
    write(PIPELINE)
    done = sh(shell, f"{command} >/dev/full")
    assert done.returncode == code
    assert done.stderr.splitlines()[-1] == (
        "error: standard output cannot be written: No space left on device"
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_nobody_to_tell_is_no_failure(shell, write, where, scheduler):
    write(PIPELINE)
    done = sh(shell, f"run pipeline.py --workers 1 --scheduler {scheduler} {where}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "6\n", "")


def test_a_closed_standard_output_is_one_line(shell, write):
    write(PIPELINE)
    done = sh(shell, "run pipeline.py >&-")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: standard output cannot be written: it is closed"


def sh(shell, command):
    """A command line with redirections."""
    line = f"{shlex.quote(sys.executable)} -m flowgraph {command}"
    script = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1], shell=True))"
    return shell("-c", script, line)


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_ctrl_c_is_130_and_does_not_wait(write, tmp_path, scheduler):
    write(
        """
        import pathlib, time
        from flowgraph import Graph

        def quick():
            return 1

        def long(folder, one):
            pathlib.Path(folder, "started").touch()
            time.sleep(300)

        g = Graph()
        one = g.task(quick)
        g.task(str, one)
        g.task(long, g.param("folder"), one)
        """
    )
    args = ["--scheduler", scheduler, "--workers", "1", "--param", f"folder={tmp_path}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "flowgraph", "run", "pipeline.py", *args],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            wait_for((tmp_path / "started").exists, process)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert process.returncode == 130
    *_, head, quick, text, long, error = err.splitlines()
    assert (out, error) == ("", "error: interrupted.")
    assert head.split()[:3] == ["stage", "total", "completed"]
    assert quick.split()[:3] == ["quick", "1", "1"]
    assert text.split()[0] == "str"
    assert long.split()[:3] == ["long", "1", "0"]
    assert "Traceback" not in err


def test_a_failure_does_not_wait_for_other_stages(shell, write):
    write(
        """
        import atexit, threading, time
        from flowgraph import Graph

        running = threading.Event()
        atexit.register(print, "exit functions run")

        def long():
            running.set()
            time.sleep(300)

        def fail():
            running.wait()
            raise ValueError

        g = Graph()
        g.task(long)
        g.task(fail)
        """
    )
    done = shell("-m", "flowgraph", "run", "pipeline.py", "--workers", "2")
    assert done.returncode == 1
    assert "error: stage 'fail' failed" in done.stderr
    assert done.stdout == "exit functions run\n"


def test_a_scheduler_that_does_not_answer(shell, write):
    write(PIPELINE)
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        begun = time.monotonic()
        done = shell("-m", "flowgraph", "run", "pipeline.py", "--scheduler", address)
        assert time.monotonic() - begun < 20  # half of it without a busy machine's start
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: no Dask scheduler answers at {address} (OSError). "
        "Start one with 'dask scheduler', or check the address.\n"
    )


SCRIPT = """
    from flowgraph import Graph, stage

    @stage(retry=1)
    def load(path):
        return path.upper()

    g = Graph("script")
    texts = g.items(["a", "b"]).map(load)
    run = g.run(g.task("".join, texts), scheduler={scheduler!r}, workers=2)
    print(run.value)
"""


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_a_script_needs_no_guard(shell, write, scheduler):
    write(SCRIPT.format(scheduler=scheduler), "script.py")
    done = shell("script.py")
    assert (done.returncode, done.stdout, done.stderr) == (0, "AB\n", "")


def test_a_script_with_a_local_cluster_is_told_of_the_guard(shell, write):
    write(SCRIPT.format(scheduler="distributed"), "script.py")
    done = shell("script.py")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(
        'CompileError: scheduler="distributed" starts worker processes that import this script '
        "again, and it would start them again.\n"
        'Put the call under: if __name__ == "__main__":\n'
    )


def test_a_target_needs_no_guard_for_a_local_cluster(shell, write):
    write(PIPELINE)
    args = ["--scheduler", "distributed", "--workers", "2"]
    done = shell("-m", "flowgraph", "run", "pipeline.py", *args)
    assert (done.returncode, done.stdout) == (0, "6\n")


# On a cluster that was started from a shell


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Address of a scheduler with two workers that know flowgraph, but not the pipeline."""
    with cluster_elsewhere(tmp_path_factory.mktemp("elsewhere"), ["--nworkers", "2"]) as address:
        yield address


TRAVELLER = """
    from dataclasses import dataclass
    from flowgraph import Graph, stage
    from traveller_helper import Box, triple

    class Refused(Exception):
        pass

    @dataclass
    class Point:
        x: int

    @stage(retry=2)
    def point(x):
        return Point(triple(x))

    def add(points, box):
        return sum(p.x for p in points) + box.content

    def refuse(x):
        if x == 2:
            raise Refused(f"not {x}")
        return Box(x)

    g = Graph("traveller")
    g.task(add, g.items(range(10)).map(point), Box(1000))

    boxes = Graph("boxes")
    boxes.items(range(4)).map(refuse)

    points = Graph("points")
    points.items(range(2)).map(point)
"""
HELPER = """
    from dataclasses import dataclass

    @dataclass
    class Box:
        content: int

    def triple(x):
        return 3 * x
"""


@pytest.fixture
def travels(shell, write, cluster):
    write(TRAVELLER, "traveller.py")
    write(HELPER, "traveller_helper.py")

    def travels(name, *args):
        command = ["-m", "flowgraph", "run", f"traveller.py:{name}", "--quiet"]
        return shell(*command, "--scheduler", cluster, *args)

    return travels


def test_functions_travel_to_a_cluster_that_has_no_file_of_theirs(travels):
    done = travels("g")
    assert (done.returncode, done.stdout) == (0, "1135\n"), done.stderr


def test_classes_travel_both_ways(travels):
    done = travels("points")
    assert (done.returncode, done.stdout) == (0, "[Point(x=0), Point(x=3)]\n"), done.stderr


def test_exceptions_travel_back_as_their_own_class(travels):
    done = travels("boxes")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        "error: stage 'refuse' failed on item 2 after 1 attempt: Refused('not 2') "
        "(traveller.py, line 22; see --traceback)"
    )


def test_collected_failures_travel_back_in_their_place(travels):
    done = travels("boxes", "--on-error", "collect")
    assert done.returncode == 1
    assert done.stdout == (
        "[Box(content=0), Box(content=1), "
        "StageError(\"stage 'refuse' failed on item 2 after 1 attempt: Refused('not 2')\"), "
        "Box(content=3)]\n"
    )
