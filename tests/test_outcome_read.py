"""What is read of a task's outcome, and of a part of a collection."""

from __future__ import annotations

from flowgraph.errors import StageError
from flowgraph.runtime.failure import Failure
from flowgraph.runtime.outcome import Report
from flowgraph.runtime.partition import Partition
from flowgraph.runtime.report import Bundle


def failure(node="load"):
    return Failure("load", node, None, 1, "host", (ValueError(),))


def test_a_part_without_failures_hands_out_its_own_values():
    values = [1, 2]
    part = Partition(values, range(2))
    assert part.successes() is values
    assert part.with_errors() == values
    assert part.with_errors() is not values  # a user may change what was collected


def test_a_report_comes_ahead_of_its_value():
    bundle = Bundle(1, "host", 0.0, 1.0, b"")
    report = Report(bundle)
    assert report.bundle is bundle
    assert (report.value, report.missing) == (None, None)


def test_a_part_hands_out_its_successes_or_all_with_errors_in_the_places_of_failed_items():
    part = Partition([1, failure(), 3], range(3), failed=True)
    assert part.successes() == [1, 3]
    assert [type(value) for value in part.with_errors()] == [int, StageError, int]
