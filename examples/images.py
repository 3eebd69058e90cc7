"""Thumbnails of real photographs, each with its number in the corner.

A photographer wants small, sharp copies of a folder's pictures (default: scikit-image's own).
The last stage is sequential: one number after the other.  With your own:
    flowgraph run examples/images.py --param folder=holiday --param out=small
"""

import argparse
import io
from os.path import abspath  # workers may run in another folder
from pathlib import Path
from typing import Any, NamedTuple

import skimage
from PIL import Image, ImageDraw, ImageFilter, ImageOps, UnidentifiedImageError

from flowgraph import Graph, Retry, stage

PHOTOS = Path(skimage.__file__).parent / "data"
NAMES = ["astronaut", "chelsea", "coffee", "hubble_deep_field", "ihc", "retina", "rocket"]


class Photo(NamedTuple):
    """A file, its place in the folder, and what the last stage made of it."""

    number: int
    path: str
    image: Any = None


def is_passing(error: BaseException) -> bool:  # a file that is no picture stays none
    return isinstance(error, OSError) and not isinstance(error, UnidentifiedImageError)


def list_photos(folder: str) -> list[Photo]:
    paths = [p for p in Path(folder).iterdir() if p.suffix.lower() in {".jpg", ".jpeg", ".png"}]
    if Path(folder) == PHOTOS:  # where plots and drawings are, too
        paths = [path for path in paths if path.stem in NAMES]
    return [Photo(number, str(path)) for number, path in enumerate(sorted(paths), start=1)]


@stage(retry=Retry(3, wait=0.1, on=is_passing), timeout=30)
def load(photo: Photo, size: int) -> Photo:
    with Image.open(photo.path) as image:
        return photo._replace(image=ImageOps.contain(image.convert("RGB"), (size, size)))


def sharpen(photo: Photo) -> Photo:
    return photo._replace(image=ImageOps.autocontrast(photo.image).filter(ImageFilter.SHARPEN))


def optimise(photo: Photo) -> Photo:
    photo.image.save(buffer := io.BytesIO(), "JPEG", quality=85, optimize=True)
    return photo._replace(image=buffer.getvalue())


@stage(sequential=True, retry=Retry(3, wait=0.1, on=is_passing))
def watermark(photo: Photo, out: str) -> str:
    image = Image.open(io.BytesIO(photo.image))
    ImageDraw.Draw(image).text((8, 4), f"{photo.number}", "red", font_size=24, stroke_width=1)
    target = Path(out) / f"{photo.number:03}-{Path(photo.path).stem}.jpg"
    target.parent.mkdir(parents=True, exist_ok=True)
    image.save(target)
    return str(target)


g = Graph("thumbnails")
folder = g.param("folder", default=str(PHOTOS), type=abspath)
out = g.param("out", default=abspath("thumbnails"), type=abspath)
small = g.items(g.task(list_photos, folder)).map(load, size=320)
g.output(small.map(sharpen).map(optimise).map(watermark, out))


def main() -> None:
    parser = argparse.ArgumentParser(description="Thumbnails of real photographs.")
    parser.add_argument("--scheduler", default="threads")
    run = g.run(scheduler=parser.parse_args().scheduler)
    print(*run.value, run.stages, sep="\n")


if __name__ == "__main__":
    main()
