"""How often each word occurs in three novels: a keyed map-reduce.

A reader wants to know which words Carroll, Wells and Shelley use most.  Books are taken apart into
lines and lines into words, and ones are added up for each word of each book: first where the words
are, so that no text and few numbers move.  The sums of the books are then added up for each word.
The books are read where the program is started, and sent to the workers.

    flowgraph run examples/wordcount.py --param folder=books
"""

import argparse
import gzip
import re
from collections import Counter
from collections.abc import Iterator
from operator import add
from pathlib import Path

from flowgraph import Graph

BOOKS = Path(__file__).resolve().parent / "data"
WORD = re.compile(r"[a-z]+(?:['’][a-z]+)*")


def read_books(folder: str | Path) -> list[tuple[str, bytes]]:
    """Read the books of a folder: titles and compressed texts."""
    paths = sorted(Path(folder).glob("*.txt.gz"))
    return [(path.name.removesuffix(".txt.gz"), path.read_bytes()) for path in paths]


def lines_of(book: tuple[str, bytes]) -> Iterator[tuple[str, str]]:
    """Take a book apart; each line knows its title."""
    title, text = book
    for line in gzip.decompress(text).decode().splitlines():
        yield title, line


def words_of(line: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """Take a line apart; each word knows its title."""
    title, text = line
    for word in WORD.findall(text.lower()):
        yield title, word


def one(_: tuple[str, str]) -> int:
    """Count a word."""
    return 1


def word_of(count: tuple[tuple[str, str], int]) -> str:
    """Leave the title out."""
    return count[0][1]


def times(count: tuple[tuple[str, str], int]) -> int:
    """Leave title and word out."""
    return count[1]


def counter(counts: list[tuple[str, int]]) -> Counter[str]:
    """Put counts together."""
    return Counter(dict(counts))


def by_title(counts: list[tuple[tuple[str, str], int]]) -> dict[str, Counter[str]]:
    """Sort counts by their titles."""
    books: dict[str, Counter[str]] = {}
    for (title, word), count in counts:
        books.setdefault(title, Counter())[word] = count
    return books


g = Graph("wordcount")
books = g.items(g.param("folder", default=read_books(BOOKS), type=read_books), name="books")
words = books.flat_map(lines_of).flat_map(words_of)
counts = words.reduce_by(lambda word: word, add, value=one)
each = g.task(by_title, counts)
total = g.task(counter, counts.reduce_by(word_of, add, value=times))
g.output(total)


def line(name: str, count: Counter[str]) -> str:
    """Put a book's numbers on one line."""
    top = ", ".join(f"{word} {times}" for word, times in count.most_common(5))
    return f"{name:<13} {count.total():>8,} words, {len(count):>6,} distinct: {top}"


def main() -> None:
    """Count; print the numbers of each book and of all."""
    parser = argparse.ArgumentParser(description="Count the words of three novels.")
    parser.add_argument("--scheduler", default="threads")
    run = g.run(each, total, scheduler=parser.parse_args().scheduler)
    for title, count in run[each].items():
        print(line(title, count))
    print(line("all", run[total]))
    print(run.stages)


if __name__ == "__main__":
    main()
