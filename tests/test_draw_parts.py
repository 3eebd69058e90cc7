"""Included graphs in pictures: each in a frame of its own."""

from __future__ import annotations

import re

import pytest

from flowgraph import Graph
from flowgraph.draw import picture
from flowgraph.draw.collapse import collapse
from flowgraph.draw.model import drawing_of


def add(a, b=0):
    return a + b


def scaled():
    inner = Graph("scaled")
    by = inner.param("by")
    total = inner.task(add, by, inner.param("shift", default=10), name="total")
    inner.output(total, inner.items([1, 2]).map(add, by, name="each"))
    return inner


@pytest.fixture
def nested():
    middle = Graph("middle")
    middle.output(middle.include(scaled(), by=1))
    g = Graph("outer")
    first = g.include(middle)
    g.task(len, first, name="a/b")
    g.include(scaled(), by=first)
    return drawing_of(g.name, g.steps, g.outputs)


def test_a_part_is_drawn_as_a_cluster(nested):
    source = picture(nested, "dot").decode()
    labels = re.findall(r"subgraph cluster_\w+ {\n.*?label=<(\w+)>", source)
    assert labels == ["middle", "scaled", "scaled"]
    depths = [line.count("\t") for line in source.splitlines() if "subgraph" in line]
    assert depths == [1, 2, 1]
    assert "label=<total: add>" in source
    assert 'tooltip="middle/scaled/total: add' in source


def test_a_part_has_a_frame_in_mermaid(nested):
    lines = picture(nested, "mermaid").decode().splitlines()
    frames = [line for line in lines if "subgraph" in line]
    assert [re.sub(r"\w+(?=\[)", "", line) for line in frames] == [
        '  subgraph ["middle"]',
        '    subgraph ["scaled"]',
        '  subgraph ["scaled"]',
    ]
    assert sum(line.strip() == "end" for line in lines) == 3


@pytest.mark.parametrize("format", ["svg", "png", "html"])
def test_clusters_are_laid_out(nested, format):
    drawn = picture(nested, format)
    if format != "png":
        assert drawn.count(b'class="cluster"') == 3


def test_a_large_drawing_is_collapsed_over_its_parts():
    g = Graph("many")
    for _ in range(200):
        g.include(scaled(), by=1)
    small = collapse(drawing_of(g.name, g.steps, g.outputs))
    assert len(small.boxes) < 20
    assert "add × 200" in {box.label for box in small.boxes}
