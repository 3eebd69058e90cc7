"""What stages tell a test while they run, in whatever process, and how they wait for each other."""

from __future__ import annotations

import os
import time
from typing import NamedTuple

PATIENCE = 30


class Entry(NamedTuple):
    time: float
    what: str
    item: str


class Journal:
    """One file, to which each note is appended at once: they stand in the order they were made."""

    def __init__(self, folder) -> None:
        self.path = str(folder / "journal")

    def note(self, what, item="") -> None:
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, f"{time.time()!r} {what} {item}\n".encode())
        os.close(file)

    def entries(self, what=None) -> list[Entry]:
        if not os.path.exists(self.path):
            return []
        with open(self.path) as file:
            split = [line[:-1].split(" ", 2) for line in file]
        made = [Entry(float(at), said, item) for at, said, item in split]
        return [entry for entry in made if what in (None, entry.what)]

    def items(self, what) -> list[str]:
        return [entry.item for entry in self.entries(what)]

    def times(self, what) -> list[float]:
        return sorted(entry.time for entry in self.entries(what))

    def has(self, what, times=1) -> bool:
        return len(self.entries(what)) >= times

    def wait(self, what, times=1) -> None:
        """Until something was noted so often."""
        until = time.monotonic() + PATIENCE
        while not self.has(what, times):
            if time.monotonic() > until:
                raise AssertionError(f"{what} was not noted {times} times")
            time.sleep(0.002)

    def most_at_once(self, begins="begins", ends="ends") -> int:
        inside = most = 0
        for entry in self.entries():
            inside += (entry.what == begins) - (entry.what == ends)
            most = max(most, inside)
        return most


def in_any_second(times) -> int:
    """The most that lie in one second."""
    return max(sum(begin <= other < begin + 1 for other in times) for begin in times)
