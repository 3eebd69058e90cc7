"""The figures of a music shop, fetched from its HTTP server: a fork-join.

The shop's server is opened by a task, on a free port of this machine; all other tasks, in whatever
process they run, know only its URL.  Four pages are fetched side by side.  A page's first visitor
is turned away (503) and tries again.  Orders are joined to users and products, and what they
brought is added up by category, by country, and by how many playlists a track is on.

    flowgraph run examples/dashboard.py
"""

import argparse
import gzip
import json
import time
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from operator import add, attrgetter, itemgetter
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import urlopen

from flowgraph import Graph, Retry, stage

FOLDER = Path(__file__).resolve().parent / "data" / "shop"
NAMES = ("users", "products", "orders", "analytics")
PAGES = {f"/{name}": (FOLDER / f"{name}.json.gz").read_bytes() for name in NAMES}


class Shop(ThreadingHTTPServer):
    """A server of pages, each busy at first; it closes when nobody has come for a minute."""

    timeout = 60
    is_open = True

    def __init__(self, pages: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.pages, self.turned_away = pages, set[str]()

    def serve(self) -> None:
        with self:
            while self.is_open:
                self.handle_request()

    def handle_timeout(self) -> None:
        self.is_open = False


class Answer(BaseHTTPRequestHandler):
    """An answer of the shop; it takes its time."""

    server: Shop

    def do_GET(self) -> None:  # noqa: N802  as http.server calls it
        time.sleep(0.1)
        pages, turned_away = self.server.pages, self.server.turned_away
        status = 404 if self.path not in pages else 200 if self.path in turned_away else 503
        turned_away.add(self.path)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(pages[self.path] if status == 200 else b"")

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


def open_shop(pages: dict[str, bytes]) -> str:
    shop = Shop(pages)
    Thread(target=shop.serve, daemon=True).start()
    return f"http://127.0.0.1:{shop.server_port}"


@stage(retry=Retry(5, wait=0.05, on=OSError), timeout=10)
def fetch(url: str, page: str) -> Any:
    try:
        with urlopen(f"{url}/{page}", timeout=10) as answer:
            return json.loads(gzip.decompress(answer.read()), parse_float=Decimal)
    except HTTPError as error:
        with error:  # it holds the connection
            raise ConnectionError(f"{page}: {error}") from None


class Sale(NamedTuple):
    """A line of an order, with what is known of its buyer and its product."""

    country: str
    category: str
    playlists: int
    amount: Decimal


def join(users: Any, products: Any, orders: Any, analytics: Any) -> Iterator[Sale]:
    country = {user["id"]: user["country"] for user in users}
    category = {product["id"]: product["category"] for product in products}
    playlists = {row["product_id"]: row["playlists"] for row in analytics}
    for order in orders:
        for line in order["lines"]:
            item, amount = line["product_id"], line["quantity"] * line["unit_price"]
            yield Sale(country[order["user_id"]], category[item], playlists[item], amount)


def amount(sale: Sale) -> Decimal:
    return sale.amount


def summary(total: Decimal, tables: dict[str, list[tuple[Any, Decimal]]]) -> dict[str, Any]:
    found: dict[str, Any] = {"total": float(total)}
    for name, table in tables.items():
        rows = sorted(table, key=itemgetter(1), reverse=True)
        found[name] = {key: float(revenue) for key, revenue in rows}
    return found


g = Graph("dashboard")
url = g.task(open_shop, PAGES)
sales = g.items(g.fork_join({name: (fetch, url, name) for name in NAMES}, join), name="sales")
total = sales.map(amount).reduce(add, name="total")
fields = ("category", "country", "playlists")
tables = {field: sales.reduce_by(attrgetter(field), add, amount, name=field) for field in fields}
g.output(g.task(summary, total, tables))


def main() -> None:
    parser = argparse.ArgumentParser(description="The figures of a music shop.")
    parser.add_argument("--scheduler", default="threads")
    run = g.run(scheduler=parser.parse_args().scheduler)
    found = run.value
    print(run.stages)
    print(f"total {found.pop('total'):.2f}")
    for name, table in found.items():
        print(f"by {name}:", *(f"{key} {table[key]:.2f}" for key in list(table)[:3]))
    print(f"efficiency {run.stats.efficiency:.0%} of {run.stats.workers} workers")


if __name__ == "__main__":
    main()
