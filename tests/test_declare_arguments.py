"""Arguments are frozen: nodes become slots, constants are copied, the rest is shared."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowgraph import GraphError
from flowgraph.declare import inside as looking
from flowgraph.declare.arguments import Freezer
from flowgraph.declare.graph import Declarations
from flowgraph.declare.inside import holds_node
from flowgraph.runtime.call import Nest, Slot, fill

Point = namedtuple("Point", "x y")


class Own:
    """An object of the user's, that flowgraph does not look into."""

    def __init__(self, inside):
        self.inside = inside

    def __eq__(self, other):
        raise AssertionError("nobody should compare users' objects")

    __hash__ = None


@dataclass
class Photo:
    """Not looked into but for nodes, which nobody would replace."""

    size: object
    kind: object = None


@dataclass(frozen=True)
class Frozen:
    """One that a set may hold."""

    size: object


@pytest.fixture
def g():
    return Declarations("photos")


@pytest.fixture
def freezer(g):
    return Freezer(g)


def node(g):
    return g.task(len, "")


# Constants


class Adding:
    """Would be asked, were it among the first of many numbers."""

    def __radd__(self, other):
        raise RuntimeError


@pytest.mark.parametrize(
    "others", [[1], [{1: [2]}], [Adding()], ["a"], [None], [1 << 70], [(1, [2])]]
)
@pytest.mark.parametrize("number", [1, 0.5])
def test_what_stands_behind_many_numbers_is_found(g, freezer, number, others):
    there = node(g)
    many = [number] * 2000
    assert freezer.template([*many, there]).items[-1] == Slot(0)
    assert freezer.template([*many, [there]]).items[-1] == Nest(list, (Slot(0),))
    made = freezer.template([*many, *others])
    assert made[:-1] == many
    assert (made[-1] is others[0]) == (type(others[0]) not in (dict, tuple))


@pytest.mark.parametrize("value", [1, "a", None, 1.5, b"x", True, ..., int, len, object(), 2j])
def test_atoms_are_themselves(freezer, value):
    assert freezer.template(value) is value


@pytest.mark.parametrize("many", [[*range(500)], [0.5] * 500, [True, *range(500)]])
def test_many_numbers_are_a_copy(freezer, many):
    made = freezer.template(many)
    assert made == many
    assert made is not many


@pytest.mark.parametrize("place", [0, 1, 250, 499])
def test_what_is_among_many_numbers_is_found(g, freezer, place):
    """A node, a list that must be copied, and what nobody should add to a number."""
    for inside in (node(g), [1], "a", None, Own([1])):
        many: list = [*range(500)]
        many[place] = inside
        made = freezer.template(many)
        if isinstance(made, Nest):
            assert fill(made, [7])[place] == 7
        else:
            assert (made[place] is inside) == (type(inside) is not list)


def test_other_objects_are_shared(freezer):
    inside = [1]
    for value in (Own(inside), {1}, frozenset([1]), deque([1]), OrderedDict(a=1), Counter("a")):
        assert freezer.template(value) is value
        assert freezer.template([value])[0] is value


def test_lists_tuples_and_dicts_are_copied_however_deep(freezer):
    value = [1, ([2], {"a": [3], "b": Point([4], 5)}), Own(0)]
    made = freezer.template(value)
    assert type(made) is list
    value[1][0].append(9)
    value[1][1]["a"].append(9)
    value[1][1]["b"].x.append(9)
    value[1][1]["c"] = 9
    value.append(9)
    assert made[:2] == [1, ([2], {"a": [3], "b": Point([4], 5)})]
    assert made[2] is value[2]
    assert type(made[1][1]["b"]) is Point
    assert len(made) == 3


def test_what_cannot_change_is_not_copied(freezer):
    for value in ((), (1, (2, "a")), Point(1, (2,)), (Own(1), frozenset())):
        assert freezer.template(value) is value


def test_one_object_twice_stays_one_object(freezer):
    row = [0, 0]
    made = freezer.template([row, {"again": row}, row])
    assert made == [[0, 0], {"again": [0, 0]}, [0, 0]]
    assert made[0] is made[2] is made[1]["again"] is not row


def test_what_doubles_with_each_level_is_copied_once(freezer):
    value = [1]
    for _ in range(60):
        value = [value, value]
    made = freezer.template(value)
    for _ in range(60):
        made = made[0]
    assert made == [1]


def test_the_order_and_the_keys_of_a_dict_are_kept(freezer):
    value = {"b": 1, ("a", 1): [2], None: 3}
    assert list(freezer.template(value).items()) == list(value.items())


# Nodes


def test_a_node_is_a_slot_for_what_is_needed(g, freezer):
    a, b = node(g), g.items([1])
    assert freezer.args((a, 1, b, a)) == (Slot(0), 1, Slot(1), Slot(0))
    assert freezer.kwargs({"z": b, "a": 2}) == (("z", Slot(1)), ("a", 2))
    assert freezer.needs == ("len", "items")


def test_nodes_in_containers(g, freezer):
    a = node(g)
    value = {"list": [a, [1]], "tuple": (1, a), "point": Point(a, y=[a]), "none": [2]}
    template = freezer.template(value)
    assert template == Nest(
        dict,
        (
            Nest(list, (Slot(0), [1])),
            Nest(tuple, (1, Slot(0))),
            Nest(Point._make, (Slot(0), Nest(list, (Slot(0),)))),
            [2],
        ),
        ("list", "tuple", "point", "none"),
    )
    filled = fill(template, ["A"])
    assert filled == {
        "list": ["A", [1]],
        "tuple": (1, "A"),
        "point": Point("A", ["A"]),
        "none": [2],
    }
    assert type(filled["point"]) is Point


@pytest.mark.parametrize(
    ("make", "container"),
    [
        (lambda a: {a}, "set"),
        (lambda a: frozenset([a]), "frozenset"),
        (lambda a: {(1, a)}, "set"),
        (lambda a: deque([a]), "deque"),
        (lambda a: OrderedDict(x=a), "OrderedDict"),
        (lambda a: OrderedDict([(a, 1)]), "OrderedDict"),
        (lambda a: defaultdict(list, x=[a]), "defaultdict"),
        (lambda a: type("Rows", (list,), {})([a]), "Rows"),
        (lambda a: type("Pair", (tuple,), {})([a]), "Pair"),
        (lambda a: {a: 1}, "dict's keys"),
        (lambda a: {(a, 1): 1}, "dict's keys"),
        (lambda a: {"x": a}.values(), "dict_values"),
        (lambda a: {"x": (a, 1)}.items(), "dict_items"),
        (lambda a: {a: 1}.keys(), "dict_keys"),
        (lambda a: MappingProxyType({"x": a}), "mappingproxy"),
        (lambda a: [1, {"x": ({a},)}], "set"),
        (Photo, "Photo"),
        (lambda a: Photo(1, {"x": [a]}), "Photo"),
        (lambda a: [Photo(a)], "Photo"),
        (lambda a: (1, "x", Photo(1, [a])), "Photo"),
        (lambda a: {"x": Photo(a)}, "Photo"),
        (lambda a: [[Photo(a)]], "Photo"),
        (lambda a: [(Photo(a), 1)], "Photo"),
        (lambda a: {"x": (Photo(a),)}, "Photo"),
        (lambda a: {Frozen(a): 1}, "Frozen"),
        (lambda a: deque([Photo(a)]), "deque"),
        (lambda a: {Frozen(a)}, "set"),
        (lambda a: Photo([Photo([a])]), "Photo"),
        (lambda a: Photo({"k": [Frozen(a)]}), "Photo"),
    ],
)
def test_nodes_where_they_are_not_replaced(g, freezer, make, container):
    with pytest.raises(GraphError) as caught:
        freezer.template(make(node(g)))
    assert str(caught.value) == (
        f"a node inside a {container} cannot be replaced by its value.\n"
        "Put it into a plain list, tuple or dict (as a value), or pass it as an argument."
    )


def test_a_dataclass_without_nodes_is_shared(freezer):
    photo = Photo([1], {"a": Photo})
    assert freezer.template(photo) is photo
    assert freezer.template(Photo) is Photo


def test_objects_that_lead_to_one_another_are_looked_into_once(monkeypatch, freezer):
    looked = Counter()
    fields_of = looking._fields

    def counted(value):
        looked[id(value)] += 1
        return fields_of(value)

    monkeypatch.setattr(looking, "_fields", counted)
    photos = [Photo(k) for k in range(20_000)]
    for before, after in pairwise(photos):
        before.kind, after.size = after, before
    freezer.template(photos)
    assert max(looked.values()) == 1
    assert len(looked) <= 5000


def test_a_node_of_another_graph(freezer):
    with pytest.raises(GraphError) as caught:
        freezer.template([{"a": node(Declarations("other"))}])
    assert str(caught.value) == (
        "node 'len' belongs to graph 'other', not to graph 'photos'.\n"
        "Declare it on the graph that uses it."
    )


def test_looking_for_nodes_ends(g):
    endless = deque([1])
    endless.append(endless)
    assert not holds_node(endless)
    endless.append(node(g))
    assert holds_node(endless)
    # Pairs that a view makes as it goes may get one another's ids.
    assert holds_node({**dict.fromkeys(range(100), 0), 100: (0, node(g))}.items())


# Containers that cannot be copied


def test_a_container_inside_itself(freezer):
    endless = [1]
    endless.append({"again": (endless,)})
    with pytest.raises(GraphError) as caught:
        freezer.template(endless)
    assert str(caught.value) == (
        "an argument has a list that contains itself, so it cannot be copied.\n"
        "Pass it inside an object of your own, which is shared as it is."
    )


def test_containers_too_deep(freezer):
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(GraphError) as caught:
        freezer.template(deep)
    assert str(caught.value) == (
        "an argument has too many containers inside one another to be copied.\n"
        "Pass it inside an object of your own, which is shared as it is."
    )
    while deep:  # else its end would need as deep a stack
        deep = deep.pop()


# Any structure


class Marker:
    """Stands for a node in a drawn structure."""


leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=3), st.just(Marker), st.just("items")
)
structures = st.recursive(
    leaves,
    lambda inside: st.one_of(
        st.lists(inside, max_size=4),
        st.lists(inside, max_size=4).map(tuple),
        st.tuples(inside, inside).map(Point._make),
        st.dictionaries(st.one_of(st.text(max_size=2), st.integers()), inside, max_size=4),
    ),
    max_leaves=30,
)


def with_nodes(value, make):
    """The structure with something in each marker's place."""
    if value is Marker:
        return make()
    if type(value) is list:
        return [with_nodes(item, make) for item in value]
    if type(value) is dict:
        return {key: with_nodes(item, make) for key, item in value.items()}
    if isinstance(value, tuple):
        items = [with_nodes(item, make) for item in value]
        return Point._make(items) if type(value) is Point else tuple(items)
    return value


def shape(value):
    """The structure with the types that ``==`` does not tell apart."""
    if isinstance(value, (list, tuple)):
        return (type(value), [shape(item) for item in value])
    if isinstance(value, dict):
        return (dict, [(key, shape(item)) for key, item in value.items()])
    return (type(value), value)


@given(structures)
def test_filling_a_template_gives_the_structure_back(structure):
    g = Declarations("drawn")
    freezer = Freezer(g)
    template = freezer.template(with_nodes(structure, lambda: g.task(len, "")))
    values = [f"value of {name}" for name in freezer.needs]
    names = iter(values)
    assert len(values) == len(g)
    assert shape(fill(template, values)) == shape(with_nodes(structure, lambda: next(names)))
    if not values:
        assert type(template) is type(structure)


# Size


@pytest.mark.parametrize(
    ("make", "seconds"),
    [
        (lambda: list(range(10**6)), 0.2),
        (lambda: list(zip(range(10**6), range(10**6))), 0.6),
        (lambda: dict.fromkeys(range(10**6)), 0.6),
        (lambda: set(range(10**6)), 0.2),
    ],
    ids=["ints", "pairs", "dict", "set"],
)
def test_a_million_constants_are_frozen_quickly(freezer, make, seconds):
    """In a tenth of the limit where it was written."""
    value = make()
    begun = time.process_time()
    template = freezer.template(value)
    assert time.process_time() - begun < seconds
    assert template == value
    assert (template is value) == isinstance(value, set)
