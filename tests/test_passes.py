"""What each pass makes of small graphs, as text that reads like a program."""

from __future__ import annotations

from itertools import pairwise
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from flowgraph import Graph, GraphError, stage
from flowgraph.compiler.batches import VERY_MANY, Shape, cuts_for, factoring
from flowgraph.compiler.dag import Dag
from flowgraph.compiler.freeze import bind, freeze
from flowgraph.compiler.fuse import fuse
from flowgraph.compiler.gather import gather
from flowgraph.compiler.limits import limits
from flowgraph.compiler.partition import partition
from flowgraph.compiler.prune import prune
from flowgraph.compiler.tree import groups, tree, tree_levels
from flowgraph.compiler.validate import validate
from flowgraph.compiler.wishes import NOTHING
from flowgraph.declare.steps import Count, Source

if TYPE_CHECKING:
    from flowgraph.declare.node import Handle


def load(path, *others):
    return path


def clean(x, *others, **named):
    return x


def merge(a, b):
    return a + b


def frozen(*targets: Handle) -> Dag:
    graph = targets[0].graph
    return freeze(graph.name, graph.steps, tuple(target.name for target in targets))


def is_text(dag: Dag, text: str) -> None:
    assert str(dag).splitlines() == dedent(text).strip().splitlines()


# freeze and bind


def test_freeze_wants_what_no_other_node_reads():
    g = Graph("sinks")
    g.param("unused", default=1)
    a = g.task(load, "x")
    g.task(clean, a)
    g.task(load, "y", after=a)
    is_text(
        freeze(g.name, g.steps, ()),
        """
        graph sinks
          unused = param(1)
          load = load('x')
          clean = clean(load)
          load-2 = load('y')  after load
          return clean, load-2
        """,
    )


def test_bind_replaces_parameters_by_values():
    g = Graph("params")
    node = g.task(load, g.param("folder"), g.param("depth", default=3))
    is_text(
        bind(frozen(node), {"folder": "photos"}),
        """
        graph params
          folder = constant('photos')
          depth = constant(3)
          load = load(folder, depth)
          return load
        """,
    )
    with pytest.raises(GraphError, match="'folder'"):
        bind(frozen(node), {})


# validate and prune


def test_validate_refuses_what_is_no_graph():
    source = Source(name="a", items=[1])
    with pytest.raises(GraphError, match="'count' comes before 'a'"):
        validate(Dag("bad", (Count(name="count", needs=("a",)), source), ("count",)))
    with pytest.raises(GraphError, match="already"):
        validate(Dag("bad", (source, source), ("a",)))
    with pytest.raises(GraphError, match="no node 'b'"):
        validate(Dag("bad", (source,), ("b",)))


def test_prune_drops_what_no_target_needs():
    g = Graph("prune")
    setup = g.task(load, "setup")
    g.task(load, "unused")
    kept = g.items([1, 2]).map(clean)
    end = g.task(clean, 1, after=setup)
    kept.count()
    is_text(
        prune(frozen(end, kept)),
        """
        graph prune
          load = load('setup')
          items = items(2)
          clean = items | map(clean)
          clean-2 = clean(1)  after load
          return clean-2, clean
        """,
    )


# gather


def test_gather_makes_one_list_for_all_who_read_a_collection_whole():
    g = Graph("gather")
    items = g.items([1, 2]).map(load)
    first = g.task(clean, items)
    second = g.items([3]).map(clean, items, k=[items])
    is_text(
        gather(frozen(first, second)),
        """
        graph gather
          items = items(2)
          load = items | map(load)
          load[:] = gathered(load)
          clean = clean(load[:])
          items-2 = items(1)
          clean-2 = items-2 | map(clean, load[:], k=[load[:]])
          return clean, clean-2
        """,
    )


def test_gather_leaves_the_users_names_alone():
    g = Graph("gather")
    items = g.items([1, 2])
    total = g.task(sum, items)
    user = g.task(list, [100], name="items[:]")
    is_text(
        gather(frozen(total, user)),
        """
        graph gather
          items = items(2)
          items[:]' = gathered(items)
          sum = sum(items[:]')
          items[:] = list([100])
          return sum, items[:]
        """,
    )
    assert g.run(total, user, scheduler="sync").value == (3, [100])


def test_gather_leaves_item_wise_readers_alone():
    g = Graph("each")
    dag = frozen(g.items([1, 2]).map(load).filter(clean).count())
    assert gather(dag) == dag


# fuse


def test_fuse_makes_one_task_of_stages_in_a_row():
    g = Graph("row")
    total = g.items(["a", "b"]).map(load).filter(clean).map(clean, 1).reduce(merge, "")
    is_text(
        fuse(frozen(total)),
        """
        graph row
          items = items(2)
          merge = items | map(load) | filter(clean) | map(clean, 1) | reduce(merge, '')
          return merge
        """,
    )


def test_fuse_joins_single_calls():
    g = Graph("calls")
    node = g.task(clean, g.task(clean, g.task(load, "x")), 2)
    is_text(
        fuse(frozen(node)),
        """
        graph calls
          clean-2 = load('x') ; clean(load) ; clean(clean, 2)
          return clean-2
        """,
    )


def test_fuse_keeps_apart_what_another_reads():
    g = Graph("shared")
    loaded = g.items([1, 2]).map(load)
    cleaned = loaded.map(clean)
    is_text(
        fuse(frozen(loaded, cleaned.count())),
        """
        graph shared
          items = items(2)
          load = items | map(load)
          count = load | map(clean) | count
          return load, count
        """,
    )


def test_fuse_does_not_make_the_first_wait_for_the_needs_of_the_second():
    g = Graph("waits")
    other = g.task(load, "slow")
    node = g.task(clean, g.task(load, "quick"), other)
    items = g.items([1]).map(load).map(clean, other)
    is_text(
        fuse(frozen(node, items)),
        """
        graph waits
          load = load('slow')
          load-2 = load('quick')
          clean = clean(load-2, load)
          items = items(1)
          load-3 = items | map(load)
          clean-2 = load-3 | map(clean, load)
          return clean, clean-2
        """,
    )


def test_fuse_may_use_what_the_first_waits_for_and_constants():
    g = Graph("same")
    p = g.param("p", default=1)
    other = g.task(load, "x")
    is_text(
        fuse(bind(frozen(g.items([1]).map(load, other).map(clean, other, p)), {})),
        """
        graph same
          p = constant(1)
          load = load('x')
          items = items(1)
          clean = items | map(load, load) | map(clean, load, p)
          return clean
        """,
    )


def test_fuse_keeps_limited_stages_apart():
    g = Graph("limited")
    alone = stage(clean, sequential=True)
    is_text(
        fuse(frozen(g.items([1]).map(load).map(alone).map(load).count())),
        """
        graph limited
          items = items(1)
          load = items | map(load)
          clean = load | map(clean)
          count = clean | map(load) | count
          return count
        """,
    )


def test_fuse_keeps_the_initial_value_out_of_the_first_tasks():
    g = Graph("initial")
    initial = g.task(load, "x")
    is_text(
        fuse(frozen(g.items([1]).map(load).reduce(merge, initial))),
        """
        graph initial
          load = load('x')
          items = items(1)
          merge = items | map(load) | reduce(merge, load)
          return merge
        """,
    )


# partition and tree


def test_partition_and_tree_say_how_many_tasks_there_are():
    g = Graph("cuts")
    total = g.items(range(1_000)).map(load).reduce(merge)
    unknown = g.items(g.task(load, "x")).count()
    fused = fuse(frozen(total, unknown))
    is_text(
        tree(partition(fused, Shape(2, finest=8))),
        """
        graph cuts
          items = items(1000)
          merge = items | map(load) | reduce(merge)  [partitions 12, tree 12→2→1]
          load-2 = load('x')
          items-2 = items(load-2)
          count = items-2 | count  [partitions 12]
          return merge, count
        """,
    )


def test_a_chain_has_the_partitions_of_its_source():
    g = Graph("later")
    first = g.items(range(3)).map(load)
    is_text(
        partition(fuse(frozen(first, first.map(clean))), Shape(2)),
        """
        graph later
          items = items(3)
          load = items | map(load)  [partitions 3]
          clean = load | map(clean)  [partitions 3]
          return load, clean
        """,
    )


@pytest.mark.parametrize("items", [0, 1, 7, 64, 65, 1_000, 123_457])
@pytest.mark.parametrize("workers", [1, 2, 7, 64])
@pytest.mark.parametrize("finest", [1, 8, 32])
def test_batches_hold_all_items_large_ones_first(items, workers, finest):
    sizes = factoring(items, workers, finest)
    assert sum(sizes) == items
    assert list(sizes) == sorted(sizes, reverse=True)
    assert len(sizes) <= max(finest * workers, 1)
    assert min(sizes) > 0 or sizes == (0,)
    assert sizes[0] <= max(1, -(-items // workers))


@pytest.mark.parametrize(
    ("length", "finest"), [(VERY_MANY, 16), (2 * VERY_MANY, 16), (2 * VERY_MANY + 2, 4), (None, 16)]
)
def test_very_many_items_have_fewer_tasks_where_a_task_costs_much(length, finest):
    """Not those whose number is only known at run time: they may be few."""
    cuts = cuts_for(length, NOTHING, Shape(2, finest=16, finest_of_many=4))
    assert len(cuts) == len(factoring(length or 1 << 20, 2, finest))


@pytest.mark.parametrize("width", [1, 2, 8, 9, 64, 65, 1_000])
@pytest.mark.parametrize("fan_in", [2, 3, 8])
@pytest.mark.parametrize("skips", [False, True])
def test_levels_of_a_tree_narrow_to_one(width, fan_in, skips):
    levels = tree_levels(width, fan_in, skips=skips)
    assert levels[0] == width
    assert levels[-1] == 1
    assert len(levels) >= 2
    for wide, narrow in pairwise(levels):
        sizes = groups(wide, narrow, fan_in)
        assert sum(sizes) == wide
        assert len(sizes) == narrow
        assert all(1 <= size <= fan_in for size in sizes)
        assert narrow < wide or wide == 1
    assert len(levels) <= len(tree_levels(width, fan_in))


def test_what_comes_last_of_a_keyed_operation_is_combined_last():
    assert tree_levels(12, skips=True) == (12, 5, 1)
    assert groups(12, 5) == [8, 1, 1, 1, 1]
    assert tree_levels(12) == (12, 2, 1)
    assert groups(12, 2) == [6, 6]


# limits


def test_limits_give_all_nodes_of_a_sequential_stage_one_lane():
    g = Graph("lanes")
    alone = stage(clean, sequential=True)
    other = stage(clean, sequential=True)
    first = g.items([1, 2]).map(alone)
    second = g.task(alone, 1)
    third = g.task(other, 2)
    is_text(
        limits(partition(fuse(frozen(first, second, third)), Shape(2)), Shape(2)),
        """
        graph lanes
          items = items(2)
          clean = items | map(clean)  [partitions 2, lanes clean]
          clean-2 = clean(1)  [lanes clean]
          clean-3 = clean(2)  [lanes clean-3]
          return clean, clean-2, clean-3
        """,
    )
