"""The examples do what they say, on every backend and as programs."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from datetime import datetime
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from flowgraph import Graph, StageError

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"

# Words, distinct words and the most frequent ones of each book, counted by others.
BOOKS = {
    "alice": (26_863, 2_684, {"the": 1654, "and": 879, "to": 731, "a": 638, "she": 541}),
    "frankenstein": (
        78_012,
        7_282,
        {"the": 4396, "and": 3053, "i": 2932, "of": 2800, "to": 2185},
    ),
    "time-machine": (32_559, 4_625, {"the": 2257, "i": 1251, "and": 1245, "of": 1153, "a": 814}),
}
NEEDS = {"images": ("PIL", "skimage")}


@pytest.fixture
def example(monkeypatch):
    """Import an example by its name, as a program next to it would."""
    monkeypatch.syspath_prepend(str(EXAMPLES))

    def load(name):
        for module in NEEDS.get(name, ()):
            pytest.importorskip(module)
        return import_module(name)

    return load


def test_images_are_small_numbered_jpegs(example, backend, tmp_path):
    from PIL import Image

    images = example("images")
    run = images.g.run(
        params={"out": str(tmp_path)}, scheduler=backend.scheduler, workers=backend.workers
    )
    sources = [images.PHOTOS / Path(photo.path).name for photo in images.list_photos(images.PHOTOS)]
    assert len(sources) == len(images.NAMES)
    assert run.value == [
        str(tmp_path.resolve() / f"{number:03}-{source.stem}.jpg")
        for number, source in enumerate(sources, start=1)
    ]
    for source, path in zip(sources, run.value, strict=True):
        with Image.open(source) as before, Image.open(path) as after:
            after.load()
            assert after.format == "JPEG"
            assert max(after.size) == 320
            assert after.width / after.height == pytest.approx(before.width / before.height, 0.01)
    assert [row.stage for row in run.stages] == [
        "list_photos",
        "load",
        "sharpen",
        "optimise",
        "watermark",
    ]
    assert {row.completed for row in run.stages[1:]} == {len(sources)}
    # The last stage is sequential: no drawing starts before the one ahead of it has ended.
    drawn = [record for record in run.attempts if record.stage == "watermark"]
    assert all(a.end <= b.start + 0.001 for a, b in zip(drawn, drawn[1:], strict=False))


def test_images_carry_their_number(example, tmp_path):
    """Two copies of one photograph differ in the corner with the number, and only there."""
    from PIL import Image, ImageChops

    images = example("images")
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.PNG", "notes.txt"):
        (folder / name).write_bytes((images.PHOTOS / "astronaut.png").read_bytes())
    run = images.g.run(
        params={"folder": str(folder), "out": str(tmp_path / "out")}, scheduler="sync"
    )
    assert [Path(path).name for path in run.value] == ["001-a.jpg", "002-b.jpg"]
    first, second = (Image.open(path).convert("L") for path in run.value)
    different = ImageChops.difference(first, second).point(lambda light: 255 * (light > 48))
    left, top, right, bottom = different.getbbox()
    assert right <= 40
    assert bottom <= 48
    assert right > left
    assert bottom > top


def test_a_file_that_is_no_picture_is_not_tried_again(example, tmp_path):
    images = example("images")
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_text("no picture")
    params = {"folder": str(folder), "out": str(tmp_path / "out")}
    with pytest.raises(StageError) as caught:
        images.g.run(params=params, scheduler="sync")
    assert caught.value.stage == "load"
    assert caught.value.attempts == 1
    assert not images.is_passing(ValueError())
    assert images.is_passing(OSError("stale file handle"))


def test_wordcount_finds_the_known_numbers(example, backend):
    wordcount = example("wordcount")
    run = backend.run(wordcount.g, wordcount.each, wordcount.total)
    counts = run[wordcount.each]
    found = {
        title: (count.total(), len(count), dict(count.most_common(5)))
        for title, count in counts.items()
    }
    assert found == BOOKS
    assert list(counts) == sorted(BOOKS)
    assert run[wordcount.total] == sum(counts.values(), Counter())
    assert run[wordcount.total].total() == sum(words for words, _, _ in BOOKS.values())


def test_wordcount_of_another_folder(tmp_path):
    (tmp_path / "short.txt.gz").write_bytes(gzip.compress("It's “So”,\nso IT’S".encode()))
    done = command("run", EXAMPLES / "wordcount.py", "--param", f"folder={tmp_path}", "--json")
    assert json.loads(done.stdout) == {"it's": 1, "so": 2, "it’s": 1}


# Facts that come with the log: lines, visitors, bytes, statuses, first segments of paths.
VISITORS, BYTES = 1_753, 2_747_282_740
STATUSES = {200: 9126, 304: 445, 404: 213, 301: 164, 206: 45, 500: 3, 403: 2, 416: 2}
CATEGORIES = {
    "presentations": 2305,
    "blog": 1959,
    "images": 1243,
    "favicon.ico": 808,
    "projects": 603,
    "home page": 575,
}


def engagement(analytics):
    """Scores and pages of each category, and visits, from the log by plain loops."""
    visitors, pages, visits = {}, {}, 0
    for line in gzip.decompress(analytics.LOG.read_bytes()).decode().splitlines():
        visitor, _, _, day, _, _, url, *_ = line.split()
        time = datetime.strptime(day, "[%d/%b/%Y:%H:%M:%S").timestamp()
        visitors.setdefault(visitor, []).append((time, url.split("?")[0]))
    for requests in visitors.values():
        requests.sort(key=lambda request: request[0])
        for place, (time, path) in enumerate(requests):
            gap = requests[place + 1][0] - time if place + 1 < len(requests) else None
            visits += gap is None or gap > 1800
            pages.setdefault(path, []).append(min(gap or 0, 1800))
    scores = {}
    for path, seconds in pages.items():
        score = len(seconds) * (sum(seconds) / len(seconds)) / 1000
        scores.setdefault(path.lstrip("/").split("/")[0] or "home page", []).append(score)
    return scores, visits


def test_analytics_finds_the_known_numbers(example, backend):
    analytics = example("analytics")
    found = backend.run(analytics.g).value
    assert (found["views"], found["visitors"], found["bytes"]) == (10_000, VISITORS, BYTES)
    assert found["statuses"] == STATUSES
    views = {name: row["views"] for name, row in found["categories"].items()}
    assert sum(views.values()) == 10_000
    assert dict(sorted(views.items(), key=lambda row: -row[1])[:6]) == CATEGORIES
    scores, visits = engagement(analytics)
    assert found["visits"] == visits
    assert found["visits each"] == visits / VISITORS
    assert found["categories"].keys() == scores.keys()
    for name, row in found["categories"].items():
        assert row["pages"] == len(scores[name])
        assert row["score"] == pytest.approx(sum(scores[name]))
        assert row["mean"] == pytest.approx(sum(scores[name]) / len(scores[name]))


def test_analytics_says_which_line_is_no_request(example):
    analytics = example("analytics")
    log = gzip.compress(b"what is this?\n")
    with pytest.raises(StageError, match="no request: what is this?"):
        analytics.g.run(params={"log": log}, scheduler="sync")


REVENUES = {
    "category": {"Rock": 826.65, "Latin": 382.14, "Metal": 261.36},
    "country": {"USA": 523.06, "Canada": 303.96, "France": 195.10},
}


def test_dashboard_finds_the_known_numbers(example, backend):
    dashboard = example("dashboard")
    run = backend.run(dashboard.g)
    assert run.value["total"] == 2328.60
    for name, best in REVENUES.items():
        assert dict(list(run.value[name].items())[:3]) == best
    for name in ("category", "country", "playlists"):
        assert round(sum(run.value[name].values()), 2) == 2328.60
    # Every page is refused once, and fetched on.
    row = next(row for row in run.stages if row.stage == "fetch")
    assert (row.total, row.completed, row.retried) == (4, 4, 4)
    assert 0 < run.stats.efficiency <= 1


def test_dashboard_fetches_side_by_side(example):
    dashboard = example("dashboard")
    run = dashboard.g.run(scheduler="threads", workers=4)
    fetched = [record for record in run.attempts if record.stage == "fetch"]
    assert max(record.start for record in fetched if record.attempt == 1) < min(
        record.end for record in fetched
    )


def test_dashboard_gives_up_a_page_that_is_not_there(example, backend):
    dashboard = example("dashboard")
    graph = Graph("closed")
    url = graph.task(dashboard.open_shop, {})
    graph.task(dashboard.fetch.options(retry=1), url, "users")
    run = backend.run(graph, on_error="collect")
    (error,) = run.errors
    assert error.attempts == 2
    assert isinstance(error.__cause__, ConnectionError)
    assert str(error.__cause__) == "users: HTTP Error 404: Not Found"


def test_dashboard_closes_its_shop(example):
    dashboard = example("dashboard")
    shop = dashboard.Shop({})
    shop.timeout = 0.05
    shop.serve()  # comes to an end when nobody has come
    assert shop.socket.fileno() == -1


FAMILIES = ["blast", "cutandrun", "helloworld", "hic", "methylseq", "seismology", "srasearch"]


@pytest.mark.parametrize("family", FAMILIES)
def test_workflow_gives_the_recorded_digest(example, backend, family):
    workflow = example("workflow")
    assert list(workflow.FILES) == FAMILIES
    record = workflow.load(workflow.FILES[family])
    graph = getattr(workflow, family)
    sinks = record["expected"]["sinks"]
    run = backend.run(graph, graph["digest"], *(graph[name] for name in sinks))
    assert run["digest"] == record["expected"]["all_digest"]
    assert {name: run[name] for name in sinks} == sinks
    assert run.stats.total == run.stats.completed == len(record["tasks"]) + 1
    edges = [
        edge for edge in graph.to_networkx().edges if edge[0] != "share" and edge[1] != "digest"
    ]
    assert len(edges) == record["stats"]["edges"]


def test_workflow_sleeps_its_share(example):
    workflow = example("workflow")
    record = workflow.load(workflow.FILES["hic"])
    share = 0.5 / record["stats"]["critical_path_s"]
    run = workflow.hic.run(params={"share": share}, scheduler="threads", workers=8)
    assert 0.5 <= run.stats.wall < 0.5 * record["stats"]["total_runtime_s"] / 274.6


def test_workflow_does_not_pass_another_digest(example):
    workflow = example("workflow")
    record = workflow.load(workflow.FILES["helloworld"])
    record["tasks"][0]["id"] += "!"
    for task in record["tasks"]:
        task["parents"] = [name.replace("00000001", "00000001!") for name in task["parents"]]
    with pytest.raises(StageError, match="the digest is"):
        workflow.graph_of(record).run(scheduler="sync")
    with pytest.raises(AttributeError):
        workflow.nothing


def expected_of(flaky, seed):
    """What must become of each house: its attempts, and the error or None."""
    import random

    for house in range(flaky.HOUSES):
        if random.Random(f"{seed}/{house}").random() < flaky.UNKNOWN:
            yield 1, ValueError
            continue
        closed = [
            random.Random(f"{seed}/{house}/{attempt}").random() < flaky.CLOSED
            for attempt in range(1, 5)
        ]
        yield (4, ConnectionError) if all(closed) else (closed.index(False) + 1, None)


def test_flaky_fails_as_its_seed_says(example, backend):
    flaky = example("flaky")
    run = flaky.g.run(
        params={"seed": 7},
        scheduler=backend.scheduler,
        workers=backend.workers,
        on_error="collect",
    )
    expected = list(expected_of(flaky, 7))
    assert {error for _, error in expected} == {None, ValueError, ConnectionError}
    assert len(run.value) == len(expected)
    for house, (result, (attempts, error)) in enumerate(zip(run.value, expected, strict=True)):
        if error is None:
            assert result == f"house {house}, attempt {attempts}"
        else:
            assert isinstance(result, StageError)
            assert isinstance(result.__cause__, error)
            assert (result.stage, result.index, result.attempts) == ("deliver", house, attempts)
    row = next(row for row in run.stages if row.stage == "deliver")
    failed = sum(error is not None for _, error in expected)
    assert (row.total, row.completed, row.failed) == (40, 40 - failed, failed)
    assert row.retried == sum(attempts - 1 for attempts, _ in expected)
    assert row.success_rate == (40 - failed) / 40
    assert not run.ok
    assert len(run.errors) == failed


def test_flaky_rests_between_its_batches(example, backend):
    flaky = example("flaky")
    run = backend.run(flaky.g, on_error="collect")
    spans = {}
    for record in run.attempts:
        if record.stage == "deliver":
            start, end = spans.get(record.items[0] // flaky.LOAD, (record.start, record.end))
            spans[record.items[0] // flaky.LOAD] = min(start, record.start), max(end, record.end)
    assert sorted(spans) == list(range(flaky.HOUSES // flaky.LOAD))
    for batch in range(1, len(spans)):
        assert spans[batch][0] - spans[batch - 1][1] >= flaky.REST - 0.005


def command(*words, cwd=None, program=("-m", "flowgraph")):
    """Run flowgraph or a program in a process of its own."""
    return subprocess.run(
        [sys.executable, *program, *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


PRINTS = {
    "images": r"001-astronaut\.jpg\n(?s:.*)\nwatermark +7 +7 ",
    "wordcount": r"alice +26,863 words, +2,684 distinct: the 1654, and 879, (?s:.*)\nall ",
    "analytics": r"^10,000 views, 2,747,282,740 bytes, 1,753 visitors\n(?s:.*)\nblog +558 +1959 ",
    "dashboard": r"total 2328\.60\nby category: Rock 826\.65 Latin 382\.14 Metal 261\.36\n"
    r"by country: USA 523\.06 Canada 303\.96 France 195\.10\n(?s:.*)efficiency \d+% of \d+ ",
    "flaky": r"32 delivered, 8 failed, 30 retries\nsuccess rate 80\.0%\n$",
    "workflow": r"blast-chameleon-small-001: 43 tasks, digest 8022aa3f\w+ as recorded\n",
}
GIVES = {
    "images": r"^\['.*001-astronaut\.jpg', ",
    "wordcount": r"^Counter\(\{'the': 8307, 'and': 5177, 'i': 4593, ",
    "analytics": r"^\{'views': 10000, 'bytes': 2747282740, ",
    "dashboard": r"^\{'total': 2328\.6, 'category': \{'Rock': 826\.65, ",
    "flaky": r"^\['house 0, attempt 3', ",
    "workflow": r"^'8022aa3f",
}


WITH_A_CLUSTER_OF_ITS_OWN = ("images", "dashboard")


@pytest.mark.parametrize(
    ("scheduler", "name"),
    [
        *(("threads", name) for name in PRINTS),
        *(("distributed", name) for name in WITH_A_CLUSTER_OF_ITS_OWN),
    ],
)
def test_runs_as_a_program(scheduler, name, tmp_path):
    for module in NEEDS.get(name, ()):
        pytest.importorskip(module)
    done = command("--scheduler", scheduler, cwd=tmp_path, program=[EXAMPLES / f"{name}.py"])
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert re.search(PRINTS[name], done.stdout), done.stdout


@pytest.mark.parametrize("scheduler", ["processes", "tcp"])
@pytest.mark.parametrize("name", GIVES)
def test_runs_from_the_command_line(name, scheduler, tmp_path, request):
    for module in NEEDS.get(name, ()):
        pytest.importorskip(module)
    if scheduler == "tcp":
        scheduler = request.getfixturevalue("client").scheduler.address
    options = ["--scheduler", scheduler, "--on-error", "collect", "--quiet"]
    done = command("run", EXAMPLES / f"{name}.py", *options, cwd=tmp_path)
    assert done.returncode == (1 if name == "flaky" else 0), done.stderr
    assert re.search(GIVES[name], done.stdout), done.stdout
    made = {path.name for path in tmp_path.iterdir()}
    assert made == ({"thumbnails"} if name == "images" else set())


@pytest.mark.parametrize("name", [name for name in GIVES if name != "images"])
def test_workers_need_not_see_its_folder(name, backend, tmp_path, monkeypatch):
    """Data and code are read by the program, and travel."""
    folder = tmp_path / "examples"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    spec = spec_from_file_location(f"moved_{name}", folder / f"{name}.py")
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    shutil.rmtree(folder)
    run = backend.run(module.g, on_error="collect")
    assert re.search(GIVES[name], repr(run.value))


def test_data_have_their_licences_beside_them():
    data = EXAMPLES / "data"
    beside = {path.parent for path in data.rglob("*.gz")} - {data}
    assert {path.name for path in beside} == {"shop", "weblog", "workflows"}
    for folder in beside:
        assert (folder / "LICENSE").is_file()
        assert (folder / "NOTICE.md").is_file()
    assert "LGPL" in (data / "LICENCES.md").read_text()


def test_the_readme_names_each_example():
    text = (EXAMPLES / "README.md").read_text()
    for path in EXAMPLES.glob("*.py"):
        assert f"| [`{path.name}`]({path.name}) |" in text
    assert ", ".join(f"`{family}`" for family in FAMILIES[:-1]) in text


def test_flaky_leaves_nothing_behind(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "flowgraph", "run", str(EXAMPLES / "flaky.py")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert list(tmp_path.iterdir()) == []


def test_flaky_has_the_same_luck_again(example):
    flaky = example("flaky")
    first, second = (
        [str(result) for result in flaky.g.run(scheduler="threads", on_error="collect").value]
        for _ in range(2)
    )
    assert first == second
