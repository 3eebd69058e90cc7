"""G13: whether the memory of a streaming word count stays the same when the text grows.

``python -m benchmarks.memory`` counts the words of files of generated text of two sizes, each time
in a fresh interpreter, and compares the largest memory that each process ever had (Linux only).
"""

from __future__ import annotations

import argparse
import json
import operator
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import table
from benchmarks.machine import PLACES, Machine, facts
from benchmarks.words import text
from flowgraph import Graph, Retry, stage

FILE = 4_000_000
"""Bytes of a file; a larger text has more files, all of the same 20 000 words."""
BOUND = 1.1


def read_lines(path: str) -> Iterator[str]:
    with open(path, encoding="ascii") as file:
        yield from file


def words(line: str) -> list[str]:
    return line.split()


def one(_: str) -> int:
    return 1


def graph(paths: Sequence[str]) -> Graph:
    """The word count, with retries armed."""
    g = Graph("memory")
    lines = g.items(paths).flat_map(stage(read_lines, retry=Retry(3)))
    counts = lines.flat_map(stage(words, retry=Retry(3))).reduce_by(str, operator.add, one)
    g.output(counts)
    return g


def generate(folder: Path, size: int) -> int:
    """Write files of so many bytes in all; how many words they have."""
    lines = [f"{line}\n" for line in text(FILE // 70)]
    rng, count = random.Random(1), 0
    for number in range(max(1, size // FILE)):
        rng.shuffle(lines)
        written = 0
        with (folder / f"{number:05}.txt").open("w", encoding="ascii") as file:
            while written < FILE:
                file.writelines(lines)
                written += sum(map(len, lines))
                count += 8 * len(lines)
    return count


def status(pid: int | str) -> dict[str, str]:
    """What Linux says of a process; empty if it is gone."""
    try:
        content = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return dict(line.split(":\t", 1) for line in content.splitlines() if ":\t" in line)


def peaks(root: int) -> dict[int, int]:
    """The largest memory, in kB, that a process and its descendants ever had."""
    parents, held = {}, {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and "VmHWM" in (fields := status(path.name)):
            pid = int(path.name)
            parents[pid], held[pid] = int(fields["PPid"]), int(fields["VmHWM"].split()[0])
    family = {root}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return {pid: held[pid] for pid in sorted(family)}


def count_here(place: str, folder: Path) -> None:
    """Count in this process; print peaks, the number of words and seconds as JSON."""
    paths = sorted(map(str, folder.glob("*.txt")))
    with Machine((place,)) as machine:
        options = machine.flowgraph(place)
        begun = time.perf_counter()
        counts = graph(paths).run(**options).value
        took = time.perf_counter() - begun
        all_peaks = peaks(os.getpid())
        driver = all_peaks.pop(os.getpid())
        # A cluster's and a pool's helpers are small and do not grow: workers are the largest two.
        workers = sorted(all_peaks.values())[-2:]
    said = {"driver": driver, "workers": workers, "words": sum(n for _, n in counts), "took": took}
    print(json.dumps(said))


def count(place: str, size: int) -> dict[str, int]:
    """Peaks in MB of the driver and of the larger worker of a count in a fresh interpreter."""
    with tempfile.TemporaryDirectory() as name:
        expected = generate(Path(name), size)
        command = [sys.executable, "-m", "benchmarks.memory", "--here", place, name]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    said = json.loads(done.stdout.splitlines()[-1])
    if said["words"] != expected:
        raise AssertionError(f"{said['words']} words on {place}; there are {expected}")
    took = f"{size / 1e6:.0f} MB on {place}: {said['took']:.0f} s"
    print(took, file=sys.stderr, flush=True)
    found = {"driver": said["driver"]}
    if said["workers"]:
        found["worker"] = max(said["workers"])
    return {who: held // 1024 for who, held in found.items()}


def main() -> None:
    """Count two sizes on each backend and compare."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="8 MB and 80 MB")
    parser.add_argument("--small", type=int, default=100, help="MB of text (100)")
    parser.add_argument("--large", type=int, default=2000, help="MB of text (2000)")
    parser.add_argument("--backend", default="threads,processes", help=",".join(PLACES))
    parser.add_argument("--write", action="store_true", help="also write docs/performance.md")
    parser.add_argument("--here", nargs=2, metavar=("BACKEND", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.here:
        count_here(asked.here[0], Path(asked.here[1]))
        return
    small, large = (8, 80) if asked.quick else (asked.small, asked.large)
    rows = []
    for place in asked.backend.split(","):
        before, after = count(place, small * 1_000_000), count(place, large * 1_000_000)
        for who, held in after.items():
            ratio = held / before[who]
            verdict = "met" if ratio <= BOUND else f"missed by {ratio / BOUND:.2f} ×"
            rows.append((who, place, f"{before[who]}", f"{held}", f"{ratio:.2f}", verdict))
    head = ("process", "on", f"peak MB at {small} MB", f"at {large} MB", "ratio", f"≤ {BOUND}")
    said = f"{facts()}.\n\n{table.table(head, rows)}\n"
    print(said)
    if asked.write:
        table.write(said, "memory")


if __name__ == "__main__":
    main()
