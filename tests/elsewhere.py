"""Processes that tests start: Python in another folder, and a Dask cluster from the shell."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import flowgraph

__all__ = ["SECONDS", "cluster_elsewhere", "environment", "wait_for"]

REPO = str(Path(flowgraph.__file__).parents[1])
SECONDS = 60.0
"""Longest wait for a process, on a machine that is busy."""


def environment(**more):
    return {**os.environ, "PYTHONPATH": REPO, "PYTHONUNBUFFERED": "1", **more}


def wait_for(done, *processes):
    end = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < end, "it took too long"
        assert all(process.poll() is None for process in processes), "it ended too early"
        time.sleep(0.02)


@contextlib.contextmanager
def cluster_elsewhere(folder, *workers):
    """Address of a scheduler whose workers know flowgraph, but no file of the test's.

    For each list of options there is a ``dask worker``.
    """
    found = folder / "scheduler.json"
    with contextlib.ExitStack() as stack:

        def start(*args):
            with open(folder / f"{args[0]}.log", "ab") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "dask", *args],
                    cwd=folder,
                    env=environment(),
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            return process

        where = ["--scheduler-file", str(found)]
        local = ["--host", "127.0.0.1"]
        scheduler = start("scheduler", *local, "--port", "0", "--no-dashboard", *where)
        wait_for(found.exists, scheduler)
        wait_for(lambda: found.read_text().strip().endswith("}"), scheduler)
        address = json.loads(found.read_text())["address"]
        for options in workers:
            counts = ["--nthreads", "1", "--no-dashboard", "--local-directory", str(folder)]
            start("worker", address, *local, *counts, *options)
        yield address
