"""How often each word occurs in three novels.

A reader wants to know which words Carroll, Wells and Shelley use most.  Every book is read and
counted by itself; the counts are then added up two at a time, in a tree.

    flowgraph run examples/wordcount.py
"""

import argparse
import gzip
import re
from collections import Counter
from pathlib import Path

from flowgraph import Graph

BOOKS = Path(__file__).resolve().parent / "data"
WORD = re.compile(r"[a-z]+(?:['’][a-z]+)*")


def list_books(folder: str) -> list[str]:
    """List the books of a folder."""
    return sorted(str(path) for path in Path(folder).glob("*.txt.gz"))


def title(path: str) -> str:
    """Name a book."""
    return Path(path).name.removesuffix(".txt.gz")


def read(path: str) -> str:
    """Read the text of a book."""
    with gzip.open(path, "rt", encoding="utf-8") as book:
        return book.read()


def count(text: str) -> Counter[str]:
    """Count how often each word occurs in a text."""
    return Counter(WORD.findall(text.lower()))


def merge(one: Counter[str], other: Counter[str]) -> Counter[str]:
    """Add two counts, changing neither."""
    return one + other


g = Graph("wordcount")
books = g.items(g.task(list_books, g.param("folder", default=str(BOOKS))))
counts = books.map(read).map(count)
titles = books.map(title)
total = counts.reduce(merge, initial=Counter(), name="total")
g.output(total)


def line(name: str, count: Counter[str]) -> str:
    """Put a book's numbers on one line."""
    top = ", ".join(f"{word} {times}" for word, times in count.most_common(5))
    return f"{name:<13} {count.total():>8,} words, {len(count):>6,} distinct: {top}"


def main() -> None:
    """Count; print the numbers of each book and of all."""
    parser = argparse.ArgumentParser(description="Count the words of three novels.")
    parser.add_argument("--scheduler", default="threads")
    run = g.run(titles, counts, total, scheduler=parser.parse_args().scheduler)
    for name, counted in zip(run[titles], run[counts], strict=True):
        print(line(name, counted))
    print(line("all", run[total]))
    print(run.stages)


if __name__ == "__main__":
    main()
