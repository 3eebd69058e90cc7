"""The examples do what they say, on every backend and as programs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

from flowgraph import StageError

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
    run = wordcount.g.run(
        wordcount.titles,
        wordcount.counts,
        wordcount.total,
        scheduler=backend.scheduler,
        workers=backend.workers,
    )
    counts = dict(zip(run[wordcount.titles], run[wordcount.counts], strict=True))
    found = {
        title: (count.total(), len(count), dict(count.most_common(5)))
        for title, count in counts.items()
    }
    assert found == BOOKS
    assert run[wordcount.total] == sum(counts.values(), Counter())
    assert run[wordcount.total].total() == sum(words for words, _, _ in BOOKS.values())


def test_wordcount_merge_changes_neither(example):
    merge = example("wordcount").merge
    one, other = Counter("aab"), Counter("bc")
    assert merge(one, other) == Counter("aabbc")
    assert (one, other) == (Counter("aab"), Counter("bc"))


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


def test_flaky_fails_as_its_seed_says(example, backend, tmp_path):
    flaky = example("flaky")
    run = flaky.g.run(
        params={"folder": str(tmp_path), "seed": 7},
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


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("images", r"001-astronaut\.jpg\n(?s:.*)\nwatermark +7 +7 "),
        ("wordcount", r"alice +26,863 words, +2,684 distinct: the 1654, and 879, (?s:.*)\nall "),
        ("flaky", r"32 delivered, 8 failed, 30 retries\nsuccess rate 80\.0%\n$"),
    ],
)
def test_runs_as_a_program(name, says, tmp_path):
    for module in NEEDS.get(name, ()):
        pytest.importorskip(module)
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), "--scheduler", "threads"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert re.search(says, done.stdout), done.stdout
