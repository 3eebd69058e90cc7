"""Parcels over a road that is often closed.

A courier delivers parcels to houses.  Now and then the road is closed (ConnectionError): trying
again a little later may help.  Some addresses do not exist (ValueError): trying again would not.
Everything that can be delivered is; the rest is counted.

Luck is drawn from the seed, the house and the number of the attempt alone, so the outcome is the
same on every backend.  Attempts are counted in a small file for each house.

    flowgraph run examples/flaky.py --on-error collect
"""

import argparse
import random
import tempfile
from pathlib import Path

from flowgraph import Graph, Retry, StageError, stage

HOUSES = 40
CLOSED, UNKNOWN = 0.45, 0.05  # how often


def open_log(folder: str | None) -> str:
    """Make a new folder for the counts of attempts, in ``folder`` or the system's."""
    return tempfile.mkdtemp(prefix="flaky-", dir=folder)


def attempt_number(log: str, house: int) -> int:
    """Count how often this house was tried, this time included."""
    with (Path(log) / f"{house}.log").open("a", encoding="ascii") as file:
        file.write(".")
        return file.tell()


@stage(retry=Retry(3, wait=0.02, backoff=2, on=ConnectionError), timeout=30)
def deliver(house: int, log: str, seed: int) -> str:
    """Deliver one parcel, with luck."""
    if random.Random(f"{seed}/{house}").random() < UNKNOWN:
        raise ValueError(f"there is no house {house}")
    attempt = attempt_number(log, house)
    if random.Random(f"{seed}/{house}/{attempt}").random() < CLOSED:
        raise ConnectionError(f"the road to house {house} is closed, attempt {attempt}")
    return f"house {house}, attempt {attempt}"


g = Graph("flaky")
log = g.task(open_log, g.param("folder", default=None))
delivered = g.items(range(HOUSES)).map(deliver, log, seed=g.param("seed", default=7, type=int))
g.output(delivered)


def main() -> None:
    """Deliver; print what arrived and what did not."""
    parser = argparse.ArgumentParser(description="Deliver parcels over a flaky road.")
    parser.add_argument("--scheduler", default="threads")
    scheduler = parser.parse_args().scheduler
    with tempfile.TemporaryDirectory() as folder:
        run = g.run(params={"folder": folder}, scheduler=scheduler, on_error="collect")
    for result in run.value:
        if isinstance(result, StageError):
            print(f"failed at attempt {result.attempts}: {result.__cause__}")
    row = next(row for row in run.stages if row.stage == "deliver")
    print(f"{row.completed} delivered, {row.failed} failed, {row.retried} retries")
    print(f"success rate {row.success_rate:.1%}")


if __name__ == "__main__":
    main()
