"""A Dask scheduler and workers in processes of their own, as users start them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from distributed import Client

REPOSITORY = str(Path(__file__).parent.parent)


class Processes:
    """A scheduler at `address`, and workers that can be started and killed."""

    def __init__(self, folder):
        self._folder = folder
        self._file = folder / "scheduler.json"
        self.workers = []
        self._scheduler = self._start("scheduler", "--port", "0", "--dashboard-address", ":0")
        self.address = self._written(time.monotonic() + 30)["address"]

    def _written(self, until):
        """What the scheduler says of itself; the file is there before its text is."""
        while True:
            try:
                return json.loads(self._file.read_text())
            except (FileNotFoundError, json.JSONDecodeError):
                if time.monotonic() > until:
                    self._scheduler.kill()
                    self._scheduler.wait()
                    raise
            time.sleep(0.05)

    def _start(self, what, *options):
        command = [sys.executable, "-m", "dask", what, "--scheduler-file", str(self._file)]
        return subprocess.Popen(
            [*command, *options],
            cwd=self._folder,
            env={"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY}/tests", "PATH": "/usr/bin:/bin"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def add_worker(self, threads=1):
        options = ("--no-nanny", "--no-dashboard", "--nthreads", str(threads))
        self.workers.append(self._start("worker", *options))

    def await_workers(self):
        """Wait until all are there: a busy machine takes its time."""
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(len(self.workers), timeout=60)

    def kill_workers(self):
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.workers.clear()

    def close(self):
        self.kill_workers()
        self._scheduler.kill()
        self._scheduler.wait()


@contextmanager
def dask_processes(folder, workers=2, threads=1):
    """The processes, for as long as the context lasts."""
    processes = Processes(folder)
    try:
        for _ in range(workers):
            processes.add_worker(threads)
        yield processes
    finally:
        processes.close()
