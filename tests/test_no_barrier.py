"""Items go on alone: one is in the last stage while another has not left the first."""

from __future__ import annotations

import time

import pytest

from flowgraph import Graph


def double(x):
    return 2 * x


def held_until(path, x):
    """The slowest item: it ends when another one has been in the last stage."""
    end = time.monotonic() + 20
    while x == 7 and not path.exists():
        assert time.monotonic() < end, "item 0 never came to the last stage"
        time.sleep(0.01)
    return x


def let_go(path, item):
    path.touch()
    return item


@pytest.mark.parametrize(
    "arrange",
    [
        lambda items: items.enumerate(),
        lambda items: items.zip(range(8)),
        lambda items: items.zip(items.map(double)),
        lambda items: items.batch(2),
        lambda items: items.take(4),
        lambda items: items.concat([8, 9]),
        lambda items: items.enumerate().zip(range(8)).batch(2).take(3),
    ],
    ids=["enumerate", "zip", "zip itself", "batch", "take", "concat", "all"],
)
def test_an_item_is_in_the_last_stage_before_the_slowest_leaves_the_first(
    backend, arrange, tmp_path
):
    path = tmp_path / "there"
    g = Graph("flow")
    first = g.items(range(8)).map(lambda x: held_until(path, x))
    last = arrange(first).map(lambda item: let_go(path, item))
    backend.run(g, first.count(), last)
