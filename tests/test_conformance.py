"""Every operation gives the same everywhere; the table in the docs says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conformance import OPERATIONS

from flowgraph import Graph
from flowgraph.testing import run_plain

PAGE = Path(__file__).parents[1] / "docs" / "operations.md"
HEAD = """\
# Operations

What works where. The tests write this table: each operation is run on each
backend, and what it gives is compared with what plain Python gives
(`flowgraph.testing.run_plain`).

"""
NAMES = {"distributed": "cluster"}


def conforms(name, backend):
    g = Graph("conformance")
    target = OPERATIONS[name](g)
    run = backend.run(g, target)
    return run.ok and run.value == run_plain(g, target)


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_gives_what_plain_python_gives(name, backend):
    assert conforms(name, backend)


def test_the_table_in_the_docs_is_what_the_tests_find(backends):
    """``FLOWGRAPH_WRITE=1 pytest tests/test_conformance.py`` writes it."""
    rows = [["operation", *(NAMES.get(backend.name, backend.name) for backend in backends)]]
    rows.append([":--", *(":-:" for _ in backends)])
    for name in OPERATIONS:
        found = ["✓" if conforms(name, backend) else "✗" for backend in backends]
        rows.append([f"`{name}`", *found])
    text = HEAD + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"
    if os.environ.get("FLOWGRAPH_WRITE"):
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text
