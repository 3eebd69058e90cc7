"""What ``import flowgraph`` gives, and what it costs."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import flowgraph

NAMES = [
    "CompileError",
    "FlowgraphError",
    "Graph",
    "GraphError",
    "Items",
    "Node",
    "Plan",
    "Progress",
    "Retry",
    "Run",
    "SchedulerError",
    "SkippedError",
    "Stage",
    "StageError",
    "StageTimeout",
    "WorkerDied",
    "fork_join",
    "map_reduce",
    "pipeline",
    "stage",
]


def test_the_public_names_are_these_and_sorted():
    assert flowgraph.__all__ == NAMES
    assert sorted(NAMES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_the_one_of_its_home(name):
    thing = getattr(flowgraph, name)
    home = importlib.import_module(thing.__module__)
    assert getattr(home, name) is thing
    assert name in home.__all__


def test_names_for_type_checkers_are_the_public_ones():
    tree = ast.parse(Path(flowgraph.__file__).read_text(encoding="utf-8"))
    (checked,) = [node for node in tree.body if isinstance(node, ast.If)]
    imported = {
        (alias.name, node.module)
        for node in checked.body
        if isinstance(node, ast.ImportFrom) and node.module != "typing"
        for alias in node.names
    }
    assert imported == {(name, flowgraph._HOME_OF[name]) for name in NAMES}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"^module 'flowgraph' has no attribute 'Grpah'$"):
        flowgraph.Grpah  # noqa: B018


def test_dir_has_the_public_names():
    assert set(NAMES) <= set(dir(flowgraph))


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import flowgraph", ["dask", "distributed", "networkx", "pygraphviz", "bokeh", "click"]),
        ("from flowgraph import Graph", ["distributed", "pygraphviz", "bokeh", "rich"]),
        ("import flowgraph.cli", ["dask", "distributed", "rich", "networkx"]),
        ("from flowgraph.runtime import work", ["dask", "distributed", "networkx", "cloudpickle"]),
    ],
)
def test_importing_is_light(code, absent):
    show = f"{code}\nimport sys\nprint(*[name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", show], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []
