"""What visitors of a real web site looked at, and what held them: a map-reduce.

The requests of four days in May 2015 are put together by visitor.  No log tells how long a page
was looked at: here a view lasts until the visitor's next request, at most half an hour, the last
one no time; after half an hour a new visit begins.  Every request is a view, whatever came of it.
A page's engagement score is views × mean duration / 1000, its category the first part of its path.
The log is read where the program is started, and sent to the workers:

    flowgraph run examples/analytics.py --param log=access.log.gz
"""

import argparse
import gzip
import re
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from operator import add, attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from flowgraph import Graph

LOG = Path(__file__).resolve().parent / "data" / "weblog" / "access.log.gz"
LINE = re.compile(r'(\S+) \S+ \S+ \[([^]]+)\] "\S+ ([^ ?]+)[^"]*" (\d+) (\d+|-)')
HALF_AN_HOUR = 1800.0


class Request(NamedTuple):
    """A line of the log."""

    visitor: str
    time: datetime
    path: str
    status: int
    size: int


class Views(NamedTuple):
    """Views of a page, and what they add up to."""

    path: str
    views: int
    seconds: float
    visits: int
    bytes: int


def read(path: str | Path) -> bytes:
    return Path(path).read_bytes()


def lines_of(log: bytes) -> list[str]:
    return gzip.decompress(log).decode().splitlines()


def parse(line: str) -> Request:
    if not (found := LINE.match(line)):
        raise ValueError(f"no request: {line}")
    visitor, time, path, status, size = found.groups()
    when = datetime.strptime(time, "%d/%b/%Y:%H:%M:%S %z")
    return Request(visitor, when, path, int(status), int(size.replace("-", "0")))


def views_of(visitor: tuple[str, list[Request]]) -> Iterator[Views]:
    requests = sorted(visitor[1], key=attrgetter("time"))
    gaps = [(later.time - earlier.time).total_seconds() for earlier, later in pairwise(requests)]
    for request, gap in zip(requests, [*gaps, None], strict=True):
        leaves = gap is None or gap > HALF_AN_HOUR
        yield Views(request.path, 1, min(gap or 0.0, HALF_AN_HOUR), leaves, request.size)


def both(one: Views, other: Views) -> Views:
    return Views(one.path, *map(add, one[1:], other[1:]))


def score(page: Views) -> tuple[float, Views]:
    duration = page.seconds / page.views
    return page.views * duration / 1000, page


def category(scored: tuple[float, Views]) -> str:
    return scored[1].path.lstrip("/").partition("/")[0] or "home page"


def summarise(scored: list[tuple[float, Views]]) -> dict[str, Any]:
    scores, pages = zip(*scored, strict=True)
    views, mean = sum(page.views for page in pages), sum(scores) / len(pages)
    return {"pages": len(pages), "views": views, "score": sum(scores), "mean": mean}


def report(total: Views, visitors: int, statuses: Any, categories: Any) -> dict[str, Any]:
    totals = {"views": total.views, "bytes": total.bytes, "visits": total.visits}
    means = {"visitors": visitors, "visits each": total.visits / visitors}
    return {**totals, **means, "statuses": dict(statuses), "categories": categories}


g = Graph("analytics")
log = g.param("log", default=read(LOG), type=read)
requests = g.items(g.task(lines_of, log)).map(parse)
visitors = requests.group_by(lambda request: request.visitor, name="visitors")
views = visitors.flat_map(views_of)
pages = views.reduce_by(lambda view: view.path, both, name="pages").starmap(lambda _, page: page)
categories = pages.map_reduce(score, summarise, key=category)
statuses = requests.reduce_by(lambda request: request.status, add, lambda _: 1)
total = views.reduce(both, name="total")
g.output(g.task(report, total, visitors.count(), statuses, categories))


def main() -> None:
    parser = argparse.ArgumentParser(description="Page views and engagement of a web site.")
    parser.add_argument("--scheduler", default="threads")
    found = g.run(scheduler=parser.parse_args().scheduler).value
    print("{views:,} views, {bytes:,} bytes, {visitors:,} visitors".format_map(found))
    print("{visits:,} visits, {visits each:.2f} by each visitor".format_map(found))
    print("statuses", *(f"{status}: {times}" for status, times in found["statuses"].items()))
    print("category         pages  views    score     mean")
    rows = sorted(found["categories"].items(), key=lambda row: -row[1]["score"])
    for name, row in rows[:8]:
        print(f"{name:<15}", "{pages:>6}{views:>7}{score:>9.2f}{mean:>9.3f}".format_map(row))


if __name__ == "__main__":
    main()
