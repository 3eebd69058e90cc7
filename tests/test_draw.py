"""Pictures: every format, every engine, awkward names, large graphs."""

import html
import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

import pytest

from flowgraph import FlowgraphError, Graph, GraphError, stage
from flowgraph.draw import FORMATS, format_of, picture
from flowgraph.draw.collapse import collapse, is_large
from flowgraph.draw.dot import dot
from flowgraph.draw.model import Arrow, Box, Drawing, drawing_of
from flowgraph.draw.render import _has_fonts, engines, render

SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"
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
    "&lt;",
    "&amp;lt;",
    "&#65;",
    r"\N",
    r"a\b",
    r"a\\\b\\",
    r"\"",
    "漢字🎉",
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
    """Names that mean something to DOT, HTML or XML come out as they are, in boxes and tooltips."""
    if engine == "dot" and shutil.which("dot") is None:
        missing = "no system Graphviz (apt-get install graphviz)"
        if "FLOWGRAPH_SYSTEM" in os.environ:
            pytest.fail(missing)
        pytest.skip(missing)
    g = Graph("awkward")
    for name in AWKWARD:
        g.task(len, "x", name=name)
    root = ElementTree.fromstring(render(dot(drawing(g)), "svg", engine))
    labels = [box.label for box in drawing(g).boxes]
    assert [text.text for text in root.iter(f"{SVG}text")] == labels
    tips = [element.get(f"{XLINK}title") for element in root.iter(f"{SVG}a")]
    assert tips == ["awkward", *(f"{label}\ntask" for label in labels)]


def test_html_page_runs_no_script_of_a_name():
    """A name cannot add a script, nor a request, to the page."""
    g = Graph("<script>alert(0)</script>")
    for name in AWKWARD:
        g.task(len, "x", name=name)
    page = picture(drawing(g), "html").decode()
    assert "<script" not in page
    assert "src=" not in page


def test_html_page_explains_the_kinds_it_shows(thumbnails):
    """The legend has what each colour and shape means, and nothing that is not there."""
    page = picture(drawing(thumbnails), "html").decode()
    assert "flat_map: all that each item gives</span>" in page
    assert "starmap" not in page


def test_boxes_say_what_they_do(thumbnails):
    """The kind, if it is no plain call and not the name, and the options stand below the name."""
    root = ElementTree.fromstring(picture(drawing(thumbnails), "svg"))
    said = {
        group.get("id"): [text.text for text in group.iter(f"{SVG}text") if text.text.strip()]
        for group in root.iter(f"{SVG}g")
    }
    assert said["node-n0"] == ["folder", "param"]
    assert said["node-n1"] == ["paths: sorted"]
    assert said["node-n2"] == ["items"]
    assert said["node-n3"] == ["load", "map · retry 2, timeout 5 s"]


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


UNPRINTABLE = ["nul\0", "\x1b[31m", "\ud800", "\uffff", "two\nlines", "  ", "\\", "a\\", "1. one"]


def test_names_that_no_file_can_show():
    """Control characters and lone surrogates come out as Python writes them, in every format."""
    g = Graph("\0\ud800\x1b")
    node = g.task(len, "x")
    for name in UNPRINTABLE:
        node = g.task(len, "x", name=name, after=node)
    drawn = {format: picture(drawing(g), format).decode() for format in FORMATS[3:]}
    drawn["svg"] = picture(drawing(g), "svg").decode()
    ElementTree.fromstring(drawn["svg"])
    assert drawn["text"].count("\n") == 2 + len(UNPRINTABLE)
    for made in drawn.values():
        assert "nul" in made
        assert not any(letter in made for letter in "\0\x1b\uffff")


def test_mermaid_reads_what_is_written():
    """Mermaid itself draws the awkward names as they are."""
    import mermaidx

    g = Graph("awkward")
    node = g.task(len, "x")
    for name in [*AWKWARD, *OBEYED, "__init__", "*b*", "`x`", "say; 'hi' [ok]"]:
        node = g.task(len, "x", name=name, after=node)
    svg = mermaidx.render(picture(drawing(g), "mermaid").decode()).svg()
    shown = "".join(ElementTree.fromstring(svg).itertext()).replace("\N{WORD JOINER}", "")
    for box in drawing(g).boxes:
        assert box.label in shown


OBEYED = ['%%{init: {"theme": "dark"}}%%', "$$x$$", "fa:fa-car", "fab:fa-git", "- a", "+ a", "1. a"]
"""Names that are settings, formulas, icons and lists to Mermaid."""


@pytest.mark.parametrize("name", OBEYED)
def test_mermaid_obeys_no_name(name):
    """A browser's Mermaid reads settings in its source, and the rest in labels, entities read."""
    source = picture(Drawing("d", (Box(name, name, "task"),), ()), "mermaid").decode()
    assert "%%{" not in source
    label = source.split('["')[1].split('"]')[0]
    assert not re.match(r"[-+] |\d+\. ", label)  # a list is looked for before entities are read
    read = html.unescape(re.sub(r"#(\w+);", lambda m: f"&{'#' * m[1].isdigit()}{m[1]};", label))
    assert not re.search(r"\$\$.*\$\$|fa[bklrs]?:fa-", read)
    assert read.replace("\N{WORD JOINER}", "") == name


def test_a_reader_waits_anyhow():
    """A node that both reads another and comes after it has one arrow from it."""
    g = Graph("both")
    first = g.task(list)
    g.task(len, first, after=[first])
    assert [arrow.kind for arrow in drawing(g).arrows] == ["value"]


def test_only_a_number_makes_a_name_the_stage_again():
    """'len-2' says its stage; 'len-all' does not."""
    g = Graph("names")
    g.task(len, "x"), g.task(len, "x"), g.task(len, "x", name="len-all")
    assert [box.label for box in drawing(g).boxes] == ["len", "len-2", "len-all: len"]


def test_collapsing_merges_whole_branches():
    """Equal branches of several nodes become one branch."""
    g = Graph("branches")
    ends = [g.task(abs, g.task(len, "x")) for _ in range(300)]
    g.task(sum, ends)
    small = collapse(drawing(g))
    assert [box.label for box in small.boxes] == ["len × 300", "abs × 300", "sum"]


def test_collapsing_hides_no_output_and_no_option():
    """What is an output, or runs in another way, keeps its own box."""
    g = Graph("fan")
    start = g.task(list)
    fan = [g.task(len, start) for _ in range(3)]
    g.task(stage(len, retry=2), start)
    g.output(fan[1])
    labels = [(box.label, box.detail, box.target) for box in collapse(drawing(g)).boxes]
    assert labels == [
        ("list", "", False),
        ("len × 2", "", False),
        ("len-2", "", True),
        ("len-4", "retry 2", False),
    ]


def test_collapsing_goes_by_level_where_neighbours_differ():
    """512 rows of stages, no two alike: equal stages as far from the start become one."""
    g = Graph("rows")
    for row in range(512):
        node = g.task(list)
        for place in range(9):
            node = g.task(sorted if row >> place & 1 else set, node)
    labels = [box.label for box in collapse(drawing(g)).boxes]
    assert labels == ["list × 512", *["set × 256", "sorted × 256"] * 9]


def test_collapsing_goes_by_stage_where_names_differ():
    """500 names for one stage are one box."""
    g = Graph("names")
    for k in range(500):
        g.task(len, "x", name=f"file{k}.txt")
    assert [box.label for box in collapse(drawing(g)).boxes] == ["len × 500"]


def test_boxes_of_several_kinds_say_so():
    """Where nothing else would make a layout quick, a box stands for all of some levels."""
    kinds = ["task", "map"]
    boxes = tuple(Box(f"n{k}x", f"n{k}x", kinds[k % 2], target=k == 9) for k in range(10_000))
    arrows = tuple(Arrow(f"n{k}x", f"n{k + 1}x", "value") for k in range(9_999))
    small = collapse(Drawing("long", boxes, arrows))
    assert not is_large(small)
    assert small.boxes[0] == Box("n0x", "n0x … n31x", "mixed", "32 nodes", True)
    assert [(a.tail, a.head) for a in small.arrows] == [
        (a.name, b.name) for a, b in zip(small.boxes, small.boxes[1:])
    ]


SHAPES = {
    "apart": lambda k: (),
    "chain": lambda k: {k - 1},
    "tree": lambda k: {k // 2},
    "fan": lambda k: {0} if k < 9_999 else range(1, k),
    "ladder": lambda k: {k - 2, k - 1 - k % 2},
    "random": lambda k: {k * 7_919 % 9_973 % k, (k * 40_503 + 7) % k},
    "jumps": lambda k: {k - 1, k * 7_919 % 9_973 % k},
}


@pytest.mark.parametrize("format", ["svg", "html"])
@pytest.mark.parametrize("shape", SHAPES)
def test_ten_thousand_names_are_laid_out(shape, format):
    """Whatever the shape, and if no two names are alike: a picture comes in seconds."""
    boxes = tuple(Box(f"step_{k}x", f"step_{k}x", "task") for k in range(10_000))
    arrows = tuple(
        Arrow(boxes[tail].name, boxes[head].name, "value")
        for head in range(1, 10_000)
        for tail in SHAPES[shape](head)
        if 0 <= tail < head
    )
    begun = time.perf_counter()
    assert b"<svg" in picture(Drawing("large", boxes, arrows), format)
    assert time.perf_counter() - begun < 30


def test_few_boxes_with_many_arrows_are_laid_out():
    """The arrows make a layout slow, not the boxes."""
    boxes = tuple(Box(f"n{k}x", f"n{k}x", "task") for k in range(120))
    arrows = tuple(Arrow(a.name, b.name, "value") for k, b in enumerate(boxes) for a in boxes[:k])
    begun = time.perf_counter()
    assert b"<svg" in picture(Drawing("complete", boxes, arrows), "svg")
    assert time.perf_counter() - begun < 30


def test_a_layout_has_its_time(monkeypatch):
    """One that takes too long is an error that names the formats without a layout."""
    monkeypatch.setattr("flowgraph.draw.render._LIMIT", 0.2)
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr("flowgraph.draw.render.engines", lambda: {"dot": command})
    with pytest.raises(FlowgraphError, match=r"longer than 0\.2 s\.\nThe formats dot, mermaid"):
        render("digraph { a }", "svg")


def test_a_dot_that_fails_is_no_end(monkeypatch):
    """A broken Graphviz of the system makes way for pygraphviz."""
    monkeypatch.setattr(shutil, "which", lambda name: os.devnull if name == "dot" else None)
    assert list(engines()) == ["dot", "pygraphviz"]
    assert b"<svg" in render("digraph { a }", "svg")
    with pytest.raises(FlowgraphError, match="pip install 'pygraphviz>=2'"):
        render("digraph { a }", "svg", "dot")


def test_no_engine_names_the_command_that_gets_one(monkeypatch):
    """Without any engine the error says what to install, and what works without."""
    monkeypatch.setattr("flowgraph.draw.render.engines", dict)
    with pytest.raises(FlowgraphError, match="no layout engine\nInstall Graphviz, or: pip"):
        render("digraph { a }", "svg")


def test_an_engine_that_refuses_the_source_says_so():
    """A failure is an error of one short reason, not a traceback."""
    with pytest.raises(FlowgraphError) as caught:
        render("digraph {", "svg", "pygraphviz")
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("format", ["png", "pdf"])
def test_no_fonts_are_worth_a_warning(monkeypatch, format):
    """Letters would be empty boxes."""
    monkeypatch.setattr("flowgraph.draw.render._has_fonts", lambda: False)
    with pytest.warns(UserWarning, match="fonts"):
        render("digraph { a }", format)


def test_fonts_are_asked_of_the_system(monkeypatch, tmp_path):
    """fc-list knows; where there is none, the folders that are searched by default do."""
    monkeypatch.setattr(sys, "platform", "linux")
    lister = tmp_path / "fc-list"
    lister.write_text("#!/bin/sh\nexit 0\n")
    lister.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(lister))
    assert not _has_fonts()
    lister.write_text("#!/bin/sh\necho /fonts/a.ttf\n")
    assert _has_fonts()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr("flowgraph.draw.render._FOLDERS", ())
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert not _has_fonts()
    (tmp_path / "data" / "fonts" / "mine").mkdir(parents=True)
    (tmp_path / "data" / "fonts" / "mine" / "a.TTF").touch()
    assert _has_fonts()


def test_unknown_format_is_refused(thumbnails):
    """`picture` draws nothing in a format it does not know."""
    with pytest.raises(GraphError, match="format='jpg' is not possible"):
        picture(drawing(thumbnails), "jpg")


def test_importing_draw_loads_no_engine():
    """Who draws nothing pays nothing."""
    program = (
        "import sys, flowgraph.draw, flowgraph.draw.model\n"
        "print({'graphviz', 'pygraphviz', 'jinja2', 'dask', 'distributed'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
