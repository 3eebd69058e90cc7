"""Coroutines run on one event loop of the process, whoever waits for them and whatever they do."""

from __future__ import annotations

import asyncio
import inspect
import threading
from contextvars import ContextVar

import pytest
from notebook import Flag, new_scope

from flowgraph.errors import StageTimeout
from flowgraph.runtime import loop as loop_module
from flowgraph.runtime.code import Stage
from flowgraph.runtime.loop import call_on_loop, limited, run_alone, run_on_loop
from flowgraph.runtime.scope import Halt

PATIENCE = 30
LIMIT = 0.02
"""Seconds that a coroutine has; those which are to come to their end wait for no time to pass."""

setting = ContextVar("setting", default="none")


async def gives(value):
    await asyncio.sleep(0)
    return value


async def raises(error):
    await asyncio.sleep(0)
    raise error


async def ends_in_a_task_of_its_own(error):
    return await asyncio.create_task(raises(error))


def run(coroutine, **options):
    return run_on_loop(coroutine, new_scope(**options))


def call(function, timeout=None):
    stage = Stage("load", function, None, timeout, False, None, True)
    return call_on_loop(new_scope(), stage, function)


def thread_of_the_loop():
    async def current():
        return threading.current_thread()

    return run(current())


# Who waits, and where it runs


def test_the_value_of_a_coroutine_comes_back():
    value = object()
    assert run(gives(value)) is value
    assert call(lambda: gives(value)) is value
    assert run_alone(gives(value)) is value


def test_all_callers_share_one_thread_that_does_not_keep_the_process():
    loops = []
    threads = [threading.Thread(target=lambda: loops.append(thread_of_the_loop())) for _ in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert set(loops) == {thread_of_the_loop()}
    assert len(loops) == 3
    assert loops[0].daemon
    assert loops[0] is not threading.current_thread()


def test_a_caller_may_sit_in_a_running_loop_itself():
    async def cell():
        return run(gives(1)), run_alone(gives(2)), call(lambda: gives(3), LIMIT)

    assert asyncio.run(cell()) == (1, 2, 3)


def test_a_coroutine_sees_the_callers_context_and_cannot_change_it():
    async def change():
        seen = setting.get()
        setting.set("theirs")
        return seen

    token = setting.set("mine")
    try:
        assert run(change()) == "mine"
        assert setting.get() == "mine"
    finally:
        setting.reset(token)


def test_a_forked_process_has_a_loop_of_its_own(monkeypatch):
    """The thread of its parent's is not there."""
    monkeypatch.setattr(loop_module, "_loops", dict(loop_module._loops))
    before = thread_of_the_loop()
    monkeypatch.setattr(loop_module.os, "getpid", lambda: -1)
    other = thread_of_the_loop()
    assert other is not before
    loop = loop_module._loops[-1]
    loop.call_soon_threadsafe(loop.stop)
    other.join(PATIENCE)
    assert not other.is_alive()
    loop.close()


# What is raised


@pytest.mark.parametrize(
    "kind", [ValueError, StopAsyncIteration, SystemExit, KeyboardInterrupt, asyncio.CancelledError]
)
@pytest.mark.parametrize("way", [run, run_alone, lambda made: call(lambda: made)])
def test_what_a_coroutine_raises_is_raised_here_and_ends_no_loop(kind, way):
    before = thread_of_the_loop()
    with pytest.raises(kind):
        way(raises(kind()))
    assert thread_of_the_loop() is before


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("way", [run, run_alone, lambda made: call(lambda: made)])
def test_neither_does_what_a_task_of_its_own_raises(kind, way):
    """Asyncio ends a loop's run for it, whoever else is on that loop."""
    before = thread_of_the_loop()
    with pytest.raises(kind):
        way(ends_in_a_task_of_its_own(kind()))
    assert thread_of_the_loop() is before
    assert run(gives(1)) == 1


def test_what_makes_no_awaitable_is_an_error_of_the_call():
    with pytest.raises(TypeError, match="await"):
        call(lambda: 7)


def test_the_end_of_the_run_cancels_a_coroutine():
    stop, cancelled = Flag(), threading.Event()

    async def hang():
        stop.up = True
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            cancelled.set()

    with pytest.raises(Halt):
        run(hang(), stop=stop)
    assert cancelled.wait(PATIENCE)


def test_a_coroutine_that_waits_for_a_blocked_loop_is_not_begun_after_the_end_of_the_run():
    stop, free, coroutine = Flag(), threading.Event(), gives(1)
    stop.up = True
    loop_module.the_loop().call_soon_threadsafe(free.wait, PATIENCE)
    with pytest.raises(Halt):
        run(coroutine, stop=stop)
    free.set()
    assert run(gives(2)) == 2
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED  # it complains of nothing


# Time limits


def test_what_is_in_time_is_not_cancelled():
    assert run(limited(lambda: gives(1), PATIENCE, "load")) == (1, None)
    value, error = run(limited(lambda: raises(ValueError("x")), PATIENCE, "load"))
    assert (value, str(error)) == (None, "x")


def test_what_takes_too_long_is_cancelled_where_it_waits():
    cancelled = threading.Event()

    async def hang():
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(StageTimeout, match=r"stage 'load' took longer than its timeout of 0.02 s"):
        call(hang, LIMIT)
    assert cancelled.wait(PATIENCE)


def test_what_swallows_its_cancellation_is_left_behind_until_it_ends():
    """Nobody waits for it, but it is not lost half-way either."""
    ended = threading.Event()
    go = []

    async def stubborn():
        go.append((asyncio.get_running_loop(), asyncio.Event()))
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            await go[0][1].wait()
        ended.set()

    with pytest.raises(StageTimeout):
        call(stubborn, LIMIT)
    assert len(loop_module._abandoned) == 1
    assert not ended.is_set()
    loop, event = go[0]
    loop.call_soon_threadsafe(event.set)
    assert ended.wait(PATIENCE)
    run(gives(None))  # what is due on the loop has happened by then
    assert not loop_module._abandoned


def test_a_cancellation_of_the_stages_own_is_its_error_and_no_timeout():
    for limit in (None, PATIENCE):
        value, error = run(limited(lambda: raises(asyncio.CancelledError("own")), limit, "load"))
        assert (value, type(error), str(error)) == (None, asyncio.CancelledError, "own")


def test_a_limit_inside_the_stage_is_the_stages_own():
    async def impatient():
        async with asyncio.timeout(0):
            await asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError) as caught:
        call(impatient, PATIENCE)
    assert type(caught.value) is TimeoutError
