"""What the hot loop notes of its calls: which attempt, since when, how long."""

from __future__ import annotations

import pytest
from notebook import Clock, new_link, new_scope

from flowgraph import Retry
from flowgraph.runtime.flow import Flow
from flowgraph.runtime.partition import Partition
from flowgraph.runtime.report import OK, RETRIED
from flowgraph.runtime.sink import Keeping


def records(function, items, clock, operation="map"):
    """First and last item, calls, attempt, outcome, start and seconds, as they were noted."""
    scope = new_scope(clock)
    scope._epoch = 0.0  # the machine's would leave no digits for the clock's
    link = new_link(operation, function, Retry(1, delays=[50]), clock=clock)
    Flow(scope, [link], Keeping()).run(Partition(items, range(len(items))))
    noted = [row[1:] for row in scope.bundle().records()]
    return [(*row[:5], pytest.approx(row[5]), pytest.approx(row[6])) for row in noted]


def failing_once(clock, bad, seconds):
    failed = []

    def function(item):
        clock.time += seconds
        if item == bad and not failed:
            failed.append(item)
            raise ValueError
        return [item]

    return function


@pytest.mark.parametrize("operation", ["map", "flat_map"])
def test_a_block_that_stops_at_an_item_shares_its_time_among_its_calls(operation):
    # Blocks of 1, 2 and 4 items; the third item of the last one fails.
    clock = Clock()
    function = failing_once(clock, 5, 0.0001)
    assert records(function, range(7), clock, operation) == [
        (0, 2, 3, 1, OK, 0.0, 0.0003),
        (5, 5, 1, 1, RETRIED, 0.0005, 0.0001),
        (3, 6, 3, 1, OK, 0.0003, 0.0003),
        # It was due 50 seconds after its call had failed.
        (5, 5, 1, 2, OK, 50.0006, 0.0001),
    ]
