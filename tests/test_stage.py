"""A stage is its function with options: looks like it, travels like it, refuses what it would."""

from __future__ import annotations

import copy
import doctest
import functools
import inspect
import operator
import pickle
import subprocess
import sys
import textwrap

import cloudpickle
import pytest

from flowgraph import Graph, GraphError, Retry, Stage, stage


@stage(retry=2, timeout=5, sequential=True)
def resize(image, width: int = 800, *, dpi=72):
    """An image of another size.

    >>> resize("a")
    ('a', 800, 72)
    """
    return image, width, dpi


@stage
def bare(x):
    return x


def plain(x, y):
    return x, y


class Nested:
    @stage
    def inside(x):
        return x


class Scale:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return x * self.factor


class AsyncCall:
    async def __call__(self):
        pass


fast_resize = resize.options(timeout=1)


# A stage looks like its function


def test_calling_a_stage_just_calls_the_function():
    assert resize("a", dpi=1) == ("a", 800, 1)


def test_a_stage_shows_its_function():
    assert resize.__wrapped__ is resize.function
    assert resize.__name__ == resize.__qualname__ == "resize"
    assert resize.__module__ == __name__
    assert resize.__doc__.startswith("An image of another size.")
    assert inspect.signature(resize) == inspect.signature(resize.function)
    assert repr(resize) == "<Stage resize>"


def test_doctest_finds_the_function_of_a_stage():
    tests = doctest.DocTestFinder().find(sys.modules[__name__])
    (found,) = [test for test in tests if test.name.endswith(".resize")]
    assert [example.source for example in found.examples] == ['resize("a")\n']


def test_defaults():
    assert (bare.name, bare.retry, bare.timeout, bare.sequential) == ("bare", None, None, False)


def test_stages_are_equal_by_identity():
    assert bare == bare
    assert bare != bare.options()
    assert len({bare, bare, bare.options()}) == 2


# Options


def test_options_are_normalised():
    assert resize.retry == Retry(2)
    assert resize.timeout == 5.0
    assert type(resize.timeout) is float
    assert resize.sequential is True
    assert stage(plain, retry=0).retry is None
    assert stage(plain, retry=Retry(1, wait=3)).retry == Retry(1, wait=3)
    assert stage(plain, name="other").name == "other"


def test_options_make_a_changed_copy():
    changed = resize.options(retry=None, name="small")
    assert (changed.name, changed.retry, changed.timeout) == ("small", None, 5.0)
    assert changed.function is resize.function
    assert resize.retry == Retry(2)


def test_a_stage_of_a_stage_keeps_its_options():
    changed = stage(resize, timeout=1)
    assert changed.function is resize.function
    assert (changed.retry, changed.timeout) == (Retry(2), 1.0)
    assert stage()(resize).retry == Retry(2)


def test_a_partial_stage_keeps_its_options():
    part = Stage.of(functools.partial(resize.options(name="shrink"), width=3))
    assert (part.name, part.retry, part.sequential) == ("shrink", Retry(2), True)
    assert part("a") == ("a", 3, 72)
    assert part.function.func is resize.function


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"timeout": float("inf")},
            "timeout=inf is not possible: "
            "it takes at most 9223372036 seconds, or None for no limit.",
        ),
        ({"sequential": "no"}, "sequential='no' is not possible: it takes True or False."),
        ({"name": ""}, "name='' is not possible: it takes a text that is not empty."),
        ({"retry": 1.0}, "retry=1.0 is not possible: it takes an int of at least 0 or a Retry."),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(GraphError) as caught:
        stage(plain, **options)
    assert str(caught.value) == message


# What can be a stage


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (plain, "plain"),
        (len, "len"),
        (int, "int"),
        (str.upper, "upper"),
        ([].append, "append"),
        (lambda x: x, "<lambda>"),
        (functools.partial(plain, 1), "plain"),
        (functools.partial(functools.partial(plain, 1), 2), "plain"),
        (functools.partial(Scale(2)), "Scale"),
        (Scale(2), "Scale"),
        (operator.itemgetter(1), "itemgetter"),
        (functools.lru_cache(plain), "plain"),
    ],
)
def test_any_callable_is_a_stage_under_its_name(function, name):
    made = Stage.of(function)
    assert made.name == made.__name__ == name
    assert made.function is function


def test_a_stage_is_taken_as_it_is():
    assert Stage.of(resize) is resize


async def fetch():
    pass


async def lines():
    yield


class Reader:
    async def read(self):
        pass


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (fetch, "fetch"),
        (functools.partial(fetch), "fetch"),
        (AsyncCall(), "AsyncCall"),
        (functools.partial(AsyncCall()), "AsyncCall"),
        (Reader().read, "read"),
    ],
)
def test_coroutine_functions_are_known_as_such(function, name):
    found = Stage.of(function)
    assert found.is_coroutine
    assert found.name == name


def test_a_stage_of_a_coroutine_function_looks_like_one():
    assert inspect.iscoroutinefunction(stage(fetch, retry=2))
    assert not inspect.iscoroutinefunction(stage(takes_key))
    assert not inspect.iscoroutinefunction(stage(len))


def test_asynchronous_generators_are_refused():
    with pytest.raises(GraphError, match="'lines' is an asynchronous generator"):
        Stage.of(lines)


# Arguments that fit


def takes_key(x, *, key):
    return x, key


def takes_rest(first, *rest, **others):
    return first


def positional(a, b, /):
    return a, b


def injecting(function):
    """A decorator that gives an argument of its own."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function("connection", *args, **kwargs)

    return wrapper


@injecting
def query(connection, table):
    return table


@pytest.mark.parametrize(
    ("function", "args", "kwargs"),
    [
        (plain, (1, 2), {}),
        (plain, (1,), {"y": 2}),
        (plain, (), {"x": 1, "y": 2}),
        (takes_key, (1,), {"key": 2}),
        (takes_rest, (1, 2, 3), {"name": 2}),
        (query, ("users",), {}),
        (functools.partial(plain, 1), (2,), {}),
        (functools.partial(plain, y=1), (2,), {"y": 3}),
        (functools.lru_cache(plain), (1, 2), {}),
        (dict, ([],), {"a": 1}),
        (max, (1, 2), {"key": len}),
        (ValueError, ("text",), {}),
        (Scale(1), (1,), {}),
        (Scale, (1,), {}),
        ("abc".replace, ("a", "b"), {}),
        (print, (1, 2, 3), {"sep": ""}),
    ],
)
def test_arguments_that_fit(function, args, kwargs):
    made = Stage.of(function)
    made.check(args, kwargs)
    made.check(args, kwargs)  # from what is remembered of the first time


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "reason"),
    [
        (plain, (1,), {}, "missing a required argument: 'y'"),
        (plain, (1, 2, 3), {}, "too many positional arguments"),
        (plain, (1, 2), {"y": 3}, "multiple values for argument 'y'"),
        (plain, (1, 2), {"z": 3}, "got an unexpected keyword argument 'z'"),
        (takes_key, (1,), {}, "missing a required argument: 'key'"),
        (functools.lru_cache(plain), (1,), {}, "missing a required argument: 'y'"),
        (functools.partial(plain, 1), (2, 3), {}, "too many positional arguments"),
    ],
)
def test_arguments_that_do_not_fit(function, args, kwargs, reason):
    made = Stage.of(function)
    for _ in range(2):
        with pytest.raises(GraphError) as caught:
            made.check(args, kwargs)
        signature = inspect.signature(function)
        assert str(caught.value) == (
            f"the arguments given to stage '{made.name}' do not fit: {reason}.\n"
            f"Give it the arguments of its signature: {made.name}{signature}."
        )


def test_arguments_behind_an_unknown_number_of_others():
    made = Stage.of(plain)
    made.check((), {}, at_least=True)
    made.check((1, 2), {}, at_least=True)
    made.check((), {"y": 1}, at_least=True)
    with pytest.raises(GraphError, match="too many positional arguments"):
        made.check((1, 2, 3), {}, at_least=True)
    with pytest.raises(GraphError, match="unexpected keyword argument 'z'"):
        made.check((), {"z": 1}, at_least=True)


# Pickling


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_stage_of_a_module_pickles_as_its_name(protocol):
    assert pickle.loads(pickle.dumps(resize, protocol)) is resize
    assert copy.deepcopy(resize) is resize
    assert len(pickle.dumps(resize)) < 100


def test_a_stage_of_a_class_pickles_as_its_name():
    assert pickle.loads(pickle.dumps(Nested.inside)) is Nested.inside


@pytest.mark.parametrize(
    "made",
    [
        stage(plain, retry=3, name="pair"),
        fast_resize,
        resize.options(name="other"),
        Stage.of(functools.partial(plain, 1)),
        Stage.of(len),
        Stage.of(Scale(3).__call__),
        Stage.of(Scale),
    ],
)
def test_other_stages_pickle_by_their_parts(made):
    fresh = pickle.loads(pickle.dumps(made))
    made.check((1,), {}, at_least=True)  # what it remembers of that stays here
    for loaded in (fresh, pickle.loads(pickle.dumps(made))):
        assert loaded is not made
        assert (loaded.name, loaded.retry, loaded.timeout, loaded.sequential) == (
            made.name,
            made.retry,
            made.timeout,
            made.sequential,
        )
        assert loaded.__name__ == made.__name__
        assert loaded.__doc__ == made.__doc__
        assert loaded.options(retry=1).retry == Retry(1)
        loaded.check((1,), {}, at_least=True)


@pytest.mark.parametrize(
    "made",
    [stage(lambda x: (x, 800, 72), retry=2), Stage.of(functools.partial(resize, width=800))],
    ids=["lambda", "partial stage"],
)
def test_what_pickle_does_not_find_by_name_needs_cloudpickle(made):
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(made)
    loaded = cloudpickle.loads(cloudpickle.dumps(made))
    assert loaded("a") == ("a", 800, 72)
    assert loaded.retry == Retry(2)


def test_by_value_works_where_the_module_is_not():
    """Also for a stage that calls itself."""
    program = """
        import cloudpickle, functools, sys
        from flowgraph import Stage, stage

        @stage(retry=2, name="factorial")
        def fact(n):
            "n!"
            return 1 if n < 2 else n * fact(n - 1)

        class ByValue(cloudpickle.Pickler):
            def reducer_override(self, thing):
                if isinstance(thing, Stage):
                    return thing.by_value()
                return super().reducer_override(thing)

        ByValue(sys.stdout.buffer).dump(fact)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, timeout=60
    )
    assert done.stderr == b""
    fact = pickle.loads(done.stdout)
    assert fact(5) == 120
    assert (fact.name, fact.retry, fact.__doc__) == ("factorial", Retry(2), "n!")
    assert fact.function.__globals__["fact"] is fact


# Methods


class Shop:
    def __init__(self, tax):
        self.tax = tax

    @stage(retry=2, timeout=30)
    def price(self, net):
        return net + self.tax

    @stage(sequential=True)
    def ledger(self, net):
        return net

    @classmethod
    @stage(retry=1)
    def of_class(cls, x):
        return cls.__name__, x

    @stage(retry=3)
    @staticmethod
    def static(x):
        return x

    length = stage(len, name="length")


class Branch(Shop):
    def price(self, net):
        return super().price(net) * 2


def test_a_stage_of_a_class_is_a_method():
    shop = Shop(2)
    assert shop.price(40) == 42
    assert Branch(2).price(40) == 84
    assert isinstance(Shop.price, Stage)
    assert Shop.price(shop, 40) == 42
    assert isinstance(shop.price, Stage)
    assert (shop.price.name, shop.price.retry.retries, shop.price.timeout) == ("price", 2, 30)
    assert str(inspect.signature(shop.price)) == "(net)"
    assert Shop.of_class(1) == shop.of_class(1) == ("Shop", 1)
    assert Stage.of(Shop.of_class).retry.retries == 1
    assert shop.static(3) == Shop.static(3) == 3
    assert shop.static.retry.retries == 3
    assert shop.length("abc") == 3  # a builtin does not bind


def test_a_bound_stage_pickles():
    loaded = pickle.loads(pickle.dumps(Shop(2).price))
    assert isinstance(loaded, Stage)
    assert (loaded(40), loaded.retry.retries) == (42, 2)
    changed = pickle.loads(pickle.dumps(Shop(2).price.options(retry=7)))
    assert (changed(40), changed.retry.retries) == (42, 7)
    assert cloudpickle.loads(cloudpickle.dumps(Shop(2).price))(40) == 42


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_a_method_is_a_stage_of_a_graph(scheduler):
    class Local(Shop):
        @stage(retry=1)
        def twice(self, x):
            return x * self.tax

    shop = Local(2)
    g = Graph("shop")
    one = g.task(shop.price, 40)
    many = g.items([1, 2]).map(shop.twice).map(Branch(1).price)
    run = g.run(one, many, scheduler=scheduler, workers=1)
    assert run.value == (42, [6, 10])


def test_one_method_of_one_object_is_one_stage():
    shop = Shop(2)
    g = Graph("shop")
    first, second = g.task(shop.ledger, 1).step.stage, g.task(shop.ledger, 2).step.stage
    assert first is second  # its calls wait for one another
    assert g.task(Shop(2).ledger, 1).step.stage is not first
    assert g.task(shop.ledger.options(retry=1), 1).step.stage is not first
