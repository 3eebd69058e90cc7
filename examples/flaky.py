"""Parcels over a road that is often closed.

A courier delivers parcels to houses.  Now and then the road is closed (ConnectionError): trying
again a little later may help.  Some addresses do not exist (ValueError): trying again would not.
Everything that can be delivered is; the rest is counted.  The courier takes ten parcels at a time,
and has a rest before the next ten.

Luck is drawn from the seed, the house and the number of the attempt alone, so the outcome is the
same on every backend.

    flowgraph run examples/flaky.py --on-error collect
"""

import argparse
import random
from collections import Counter
from uuid import uuid4

from flowgraph import Graph, Retry, StageError, stage

HOUSES = 40
CLOSED, UNKNOWN = 0.45, 0.05  # how often
LOAD, REST = 10, 0.1  # parcels; seconds

tried: Counter[tuple[str, int]] = Counter()  # every process its own: a retry stays where it is


def new_day() -> str:
    """Name a day, so that a process that runs the graph again counts anew."""
    return uuid4().hex


def attempt_number(day: str, house: int) -> int:
    """Count how often this house was tried on this day, this time included."""
    tried[day, house] += 1
    return tried[day, house]


def may_pass(error: BaseException) -> bool:
    """Tell whether trying again may help."""
    return isinstance(error, ConnectionError)


PATIENCE = Retry(3, wait=0.02, backoff=2, on=may_pass)


@stage(retry=PATIENCE, timeout=30, batch_size=LOAD, pause=REST)
def deliver(house: int, day: str, seed: int) -> str:
    """Deliver one parcel, with luck."""
    if random.Random(f"{seed}/{house}").random() < UNKNOWN:
        raise ValueError(f"there is no house {house}")
    attempt = attempt_number(day, house)
    if random.Random(f"{seed}/{house}/{attempt}").random() < CLOSED:
        raise ConnectionError(f"the road to house {house} is closed, attempt {attempt}")
    return f"house {house}, attempt {attempt}"


g = Graph("flaky")
day = g.task(new_day)
delivered = g.items(range(HOUSES)).map(deliver, day, seed=g.param("seed", default=7, type=int))
g.output(delivered)


def main() -> None:
    """Deliver; print what arrived and what did not."""
    parser = argparse.ArgumentParser(description="Deliver parcels over a flaky road.")
    parser.add_argument("--scheduler", default="threads")
    scheduler = parser.parse_args().scheduler
    run = g.run(scheduler=scheduler, on_error="collect")
    for result in run.value:
        if isinstance(result, StageError):
            print(f"failed at attempt {result.attempts}: {result.__cause__}")
    row = next(row for row in run.stages if row.stage == "deliver")
    print(f"{row.completed} delivered, {row.failed} failed, {row.retried} retries")
    print(f"success rate {row.success_rate:.1%}")


if __name__ == "__main__":
    main()
