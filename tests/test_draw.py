"""Pictures: every format, every engine, awkward names, large graphs."""

import shutil
import time
import xml.etree.ElementTree as ElementTree

import pytest

from flowgraph import Graph, GraphError, stage
from flowgraph.draw import FORMATS, format_of, picture
from flowgraph.draw.collapse import collapse
from flowgraph.draw.dot import dot
from flowgraph.draw.model import drawing_of
from flowgraph.draw.render import engines, render

AWKWARD = [
    '"',
    "<b>",
    "a & b",
    "back\\slash",
    "two\nlines",
    "größe",
    "end",
    "graph",
    "{x|y}",
    "</script><script>alert(1)</script>",
    "%s",
    "#quot;",
]


def drawing(graph):
    return drawing_of(graph.name, graph.steps, graph.outputs)


@pytest.fixture
def thumbnails():
    g = Graph("thumbnails")
    folder = g.param("folder", default="photos")
    photos = g.items(g.task(sorted, folder, name="paths"))
    small = photos.map(stage(str.upper, name="load", retry=2, timeout=5)).filter(bool)
    first = g.task(print, name="first")
    sheet = g.task(stage(len, sequential=True), small, name="sheet", after=first)
    g.output(sheet, small.flat_map(list).reduce(max), small.count())
    return g


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_draws(thumbnails, format):
    """A graph with each kind of node gives a picture in each format."""
    drawn = picture(drawing(thumbnails), format)
    starts = {
        "png": b"\x89PNG",
        "pdf": b"%PDF",
        "svg": b"<?xml",
        "html": b"<!doctype html>",
        "dot": b"digraph",
        "mermaid": b"flowchart LR",
        "text": b"thumbnails: ",
    }
    assert drawn.startswith(starts[format])


@pytest.mark.parametrize("engine", ["pygraphviz", pytest.param("dot", marks=pytest.mark.system)])
def test_every_engine_shows_every_name(engine):
    """Names that mean something to DOT, HTML or XML come out as they are."""
    if engine == "dot" and shutil.which("dot") is None:
        pytest.skip("no system Graphviz (apt-get install graphviz)")
    g = Graph("awkward")
    for name in AWKWARD:
        g.task(len, "x", name=name)
    root = ElementTree.fromstring(render(dot(drawing(g)), "svg", engine))
    shown = "".join(root.itertext())
    for name in AWKWARD:
        for line in name.split("\n"):
            assert line in shown


def test_html_page_runs_no_script_of_a_name():
    """A name cannot add a script, nor a request, to the page."""
    g = Graph("<script>alert(0)</script>")
    for name in AWKWARD:
        g.task(len, "x", name=name)
    page = picture(drawing(g), "html").decode()
    assert "<script" not in page
    assert "src=" not in page


def test_mermaid_uses_no_names_as_ids():
    """`end` as an id would be a syntax error; quotes and brackets are escaped."""
    g = Graph("m")
    g.task(len, g.task(str, 'say "<hi>"', name="end"), name='q"<')
    assert picture(drawing(g), "mermaid").decode().splitlines() == [
        "flowchart LR",
        '  n0["end: str"]',
        '  n1["q#quot;#lt;: len"]',
        "  n0 --> n1",
    ]


def test_text_lists_nodes_in_order(thumbnails):
    """One line for each node, with what it needs and its options."""
    assert picture(drawing(thumbnails), "text").decode().splitlines() == [
        "thumbnails: 10 nodes",
        "  folder         param",
        "  paths: sorted  task      <- folder",
        "  items          items     <- paths",
        "  load           map       <= items  (retry 2, timeout 5 s)",
        "  bool           filter    <= load",
        "  first: print   task",
        "  sheet: len     task      <- bool, after first  (sequential)  [output]",
        "  list           flat_map  <= bool",
        "  max            reduce    <= list  [output]",
        "  count          count     <= bool  [output]",
    ]


def test_wide_graph_is_collapsed():
    """500 tasks with the same parents and children are one box; the rest stays."""
    g = Graph("fan")
    start = g.task(list)
    g.task(sum, [g.task(len, start) for _ in range(500)], name="join")
    small = collapse(drawing(g))
    assert [box.label for box in small.boxes] == ["list", "len × 500", "join: sum"]
    assert len(small.arrows) == 2
    assert "len × 500" in picture(drawing(g), "svg").decode()


def test_small_graph_is_left_alone(thumbnails):
    """Collapsing changes nothing where no two boxes have the same role."""
    assert collapse(drawing(thumbnails)) == drawing(thumbnails)


@pytest.mark.parametrize("format", ["dot", "mermaid", "text"])
def test_long_chain(format):
    """10 000 nodes in a row: no recursion, no quadratic work."""
    g = Graph("long")
    node = g.task(abs, 0)
    for _ in range(9_999):
        node = g.task(abs, node)
    begun = time.perf_counter()
    drawn = picture(drawing(g), format)
    assert drawn.count(b"\n") >= 10_000
    assert time.perf_counter() - begun < 20


def test_format_by_suffix():
    """The suffix sets the format; an unknown one is refused with those that are known."""
    assert [format_of(f"x{s}") for s in (".SVG", ".gv", ".mmd", ".txt")] == [
        "svg",
        "dot",
        "mermaid",
        "text",
    ]
    with pytest.raises(GraphError) as caught:
        format_of("x.jpg")
    assert str(caught.value) == (
        "the suffix of 'x.jpg' names no format of pictures; known are "
        ".svg, .png, .pdf, .html, .dot, .gv, .mermaid, .mmd, .txt."
    )


def test_pygraphviz_is_always_there():
    """A plain pip install can draw."""
    assert "pygraphviz" in engines()
