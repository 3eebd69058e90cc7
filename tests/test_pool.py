"""The pool of worker processes, with real processes, real signals and no waiting by guess."""

from __future__ import annotations

import atexit
import builtins
import ctypes
import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import CancelledError, wait
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np
import pytest

import flowgraph.backends.pool as pool_module
from flowgraph.backends.pool import ChildDied, Pool, shared_pool
from flowgraph.backends.process import Child
from flowgraph.errors import GraphError, RemoteError, SchedulerError
from flowgraph.runtime.setting import Setting, package_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Worker processes need not import the tests.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

SECONDS = 20.0
"""Longest wait for what should happen at once, on a machine that is busy."""


def wait_until(condition: Callable[[], object]) -> None:
    """Return as soon as the condition holds."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def is_running(pid: int) -> bool:
    """True unless the process has gone, or has ended and only waits to be noticed."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")


def sit(ready: Path, go: Path) -> int:
    """Say in one file who does this task, and stay in it until there is another file."""
    part = ready.with_suffix(".part")
    part.write_text(str(os.getpid()))
    part.rename(ready)
    wait_until(go.exists)
    return os.getpid()


def pid_in(ready: Path) -> int:
    """The process that sits, once it does."""
    wait_until(ready.exists)
    return int(ready.read_text())


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Two workers, which start when they are needed."""
    with Pool(2) as made:
        yield made
        made.cancel_pending()


@pytest.fixture
def one() -> Iterator[Pool]:
    """One worker."""
    with Pool(1) as made:
        yield made
        made.cancel_pending()


class Script:
    """A user's script without a guard, run as a process of its own."""

    def __init__(self, folder: Path, text: str, **options: Any) -> None:
        self.path = folder / "script.py"
        self.path.write_text(dedent(text))
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(self.path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": package_folder(), "PYTHONUNBUFFERED": ""},
            **options,
        )

    def output(self) -> str:
        """What it printed, once it has ended well."""
        out, errors = self.process.communicate(timeout=SECONDS)
        assert self.process.returncode == 0, errors
        assert errors == ""
        return str(out)

    def line(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        return str(self.process.stdout.readline())


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Script]]:
    """Starts a script in the test's folder; it ends with the test."""
    scripts = []

    def start(text: str, **options: Any) -> Script:
        scripts.append(Script(tmp_path, text, **options))
        return scripts[-1]

    yield start
    for script in scripts:
        script.process.kill()
        script.process.communicate(timeout=SECONDS)


class TestCalls:
    """What comes back from a call."""

    def test_results_come_back_in_order(self, pool: Pool) -> None:
        """An executor like any other."""
        assert list(pool.map(divmod, range(20), [7] * 20)) == [divmod(n, 7) for n in range(20)]

    def test_keywords_are_passed(self, pool: Pool) -> None:
        """As by concurrent.futures."""
        assert pool.submit(int, "ff", base=16).result() == 255

    def test_pickled_call_is_run_as_it_is(self, pool: Pool) -> None:
        """The lower level takes bytes."""
        payload = pickle.dumps((divmod, (7, 2)))
        assert pool.send(payload, setting=Setting.here()).result() == (3, 1)

    def test_process_stays_warm(self, one: Pool) -> None:
        """The second task is done by the process of the first."""
        assert one.submit(os.getpid).result() == one.submit(os.getpid).result() != os.getpid()

    def test_processes_start_as_needed(self, pool: Pool) -> None:
        """One task after the other needs one process only."""
        assert len({pool.submit(os.getpid).result() for _ in range(10)}) == 1

    def test_all_slots_work_at_once(self, pool: Pool, tmp_path: Path) -> None:
        """Two tasks that wait for one another both get on."""
        first = pool.submit(sit, tmp_path / "a", tmp_path / "b")
        second = pool.submit(sit, tmp_path / "b", tmp_path / "a")
        assert first.result(SECONDS) != second.result(SECONDS)

    def test_large_data_goes_both_ways_at_once(self, pool: Pool) -> None:
        """50 MB there and back in each slot, as bytes and as arrays."""
        data = os.urandom(1 << 20) * 50
        array = np.frombuffer(data, "u1").copy()
        echoes = [pool.submit(bytes.__add__, data, b""), pool.submit(np.negative, array)]
        assert echoes[0].result(SECONDS) == data
        assert np.array_equal(echoes[1].result(SECONDS), np.negative(array))

    def test_arrays_can_be_written_on_both_sides(self, one: Pool) -> None:
        """What travels beside the pickle is memory like any other."""

        def add_one(array: Any) -> Any:
            array += 1
            return array

        result = one.submit(add_one, np.zeros(100_000)).result()
        result += 1
        assert (result == 2).all()

    def test_two_threads_share_a_pool(self, pool: Pool) -> None:
        """Tasks of two runs interleave, and each gets its own results."""
        results: dict[int, list[int]] = {}

        def run(factor: int) -> None:
            sent = [pool.submit(int.__mul__, factor, n) for n in range(100)]
            results[factor] = [future.result(SECONDS) for future in sent]

        threads = [threading.Thread(target=run, args=(factor,)) for factor in (2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
        assert results == {factor: [factor * n for n in range(100)] for factor in (2, 3)}

    def test_idle_pool_keeps_nothing_alive(self, one: Pool) -> None:
        """Neither the thread nor the process holds on to the last task."""

        class Thing:
            pass

        future = one.submit(lambda thing: thing, Thing())
        result = weakref.ref(future.result())
        del future
        # The thread lets go just after it has set the result.
        wait_until(lambda: gc.collect() >= 0 and result() is None)

        def things() -> int:
            gc.collect()
            return sum(type(each).__name__ == "Thing" for each in gc.get_objects())

        assert one.submit(things).result() == 0

    def test_idle_process_keeps_no_buffer_alive(self, one: Pool) -> None:
        """What went beside a pickle is as free to go as what went inside."""

        def make() -> Any:
            array = np.zeros(100_000)
            builtins.made = weakref.ref(array)  # type: ignore[attr-defined]
            return array

        one.submit(make).result()
        assert one.submit(lambda: builtins.made() is None).result()  # type: ignore[attr-defined]

    def test_hashes_agree(self, pool: Pool, tmp_path: Path) -> None:
        """User code may split work by hash(), as on Dask."""

        def place(ready: Path, go: Path) -> int:
            sit(ready, go)
            return hash("word")

        first = pool.submit(place, tmp_path / "a", tmp_path / "b")
        second = pool.submit(place, tmp_path / "b", tmp_path / "a")
        assert first.result(SECONDS) == second.result(SECONDS)


class Odd(Exception):
    """An exception whose constructor does not take its own args."""

    def __init__(self, code: int, *, reason: str) -> None:
        super().__init__(f"{code} {reason}")


class Mute(Exception):
    """An exception that cannot even be printed."""

    def __str__(self) -> str:
        raise LookupError("no words")


def throw(error: BaseException) -> None:
    """Raise what was given."""
    raise error


class TestErrors:
    """Whatever a call raises comes back, and the process goes on."""

    def test_exception_comes_back_as_text(self, one: Pool) -> None:
        """Class, text and traceback, without our own frames."""

        def fail() -> None:
            raise ValueError("no good")

        error = one.submit(fail).exception(SECONDS)
        assert isinstance(error, RemoteError)
        assert (error.type_name, error.text) == ("ValueError", "no good")
        assert "in fail" in error.traceback_text
        assert "child.py" not in error.traceback_text
        assert error.__notes__ == [f"In the worker process:\n{error.traceback_text}".rstrip()]

    def test_odd_exceptions_come_back(self, one: Pool) -> None:
        """An exception is never pickled, so that nothing can go wrong with it."""

        def odd() -> None:
            raise Odd(3, reason="why")

        error = one.submit(odd).exception(SECONDS)
        assert isinstance(error, RemoteError)
        assert error.type_name.endswith("Odd")
        assert error.text == "3 why"

    def test_exception_without_text_comes_back(self, one: Pool) -> None:
        """Even if str() of it fails."""
        error = one.submit(throw, Mute()).exception(SECONDS)
        assert isinstance(error, RemoteError)
        assert error.text == "<str() of it raised LookupError>"

    @pytest.mark.parametrize("leave", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
    def test_leaving_does_not_end_the_process(self, one: Pool, leave: BaseException) -> None:
        """sys.exit in a task is an error of the task."""
        before = one.submit(os.getpid).result()
        error = one.submit(throw, leave).exception(SECONDS)
        assert isinstance(error, RemoteError)
        assert error.type_name == type(leave).__name__
        assert one.submit(os.getpid).result() == before

    def test_result_that_pickle_refuses_comes_by_cloudpickle(self, one: Pool) -> None:
        """A lambda, for example."""
        assert one.submit(lambda: lambda x: x + 1).result()(1) == 2

    def test_unpicklable_result_is_an_error(self, one: Pool) -> None:
        """The message is the one of the pickler."""
        error = one.submit(threading.Lock).exception(SECONDS)
        assert isinstance(error, RemoteError)
        assert error.type_name == "TypeError"
        assert "pickle" in error.text
        assert one.submit(abs, -1).result() == 1

    def test_unreadable_result_is_an_error(self, one: Pool) -> None:
        """A result may unpickle in its process, but not in this one."""

        def made_for_workers() -> object:
            return Odd(3, reason="why")

        error = one.submit(made_for_workers).exception(SECONDS)
        assert isinstance(error, RemoteError)
        assert "made_for_workers arrived, but unpickling it failed" in error.text
        assert isinstance(error.__cause__, TypeError)

    def test_call_that_cannot_be_read_is_an_error(self, one: Pool) -> None:
        """The process has no module of that name."""
        error = one.send(b"cno_such_module\nname\n.").exception(SECONDS)
        assert isinstance(error, RemoteError)
        assert error.type_name == "ModuleNotFoundError"

    def test_call_that_cannot_be_pickled_is_not_sent(self, one: Pool) -> None:
        """The sender hears of it at once."""
        with pytest.raises(TypeError, match="pickle"):
            one.submit(print, threading.Lock())


class TestDeaths:
    """A process that dies takes its own task along and no other."""

    def test_killed_process_fails_its_task_only(self, pool: Pool, tmp_path: Path) -> None:
        """The rest goes on, and the slot heals."""
        culprit = pool.submit(sit, tmp_path / "culprit", tmp_path / "never")
        bystander = pool.submit(sit, tmp_path / "bystander", tmp_path / "go")
        queued = [pool.submit(abs, -n) for n in range(10)]
        pid = pid_in(tmp_path / "culprit")
        other = pid_in(tmp_path / "bystander")
        os.kill(pid, signal.SIGKILL)
        error = culprit.exception(SECONDS)
        assert isinstance(error, ChildDied)
        assert (error.pid, error.exitcode, error.signal) == (pid, -signal.SIGKILL, "SIGKILL")
        assert str(error) == (
            f"worker process {pid} was killed by signal SIGKILL while it ran sit.\n"
            "The system does this when memory runs out."
        )
        assert [future.result(SECONDS) for future in queued] == list(range(10))
        (tmp_path / "go").touch()
        assert bystander.result(SECONDS) == other

    def test_process_that_dies_idle_is_not_missed(self, one: Pool) -> None:
        """The next task gets another process, whether the death was noticed or not."""
        for _ in range(20):
            pid = one.submit(os.getpid).result(SECONDS)
            os.kill(pid, signal.SIGKILL)
            assert one.submit(os.getpid).result(SECONDS) != pid

    def test_process_that_exits_says_its_code(self, one: Pool) -> None:
        """os._exit cannot be caught."""
        error = one.submit(os._exit, 7).exception(SECONDS)
        assert isinstance(error, ChildDied)
        assert (error.exitcode, error.signal) == (7, None)
        assert "ended with exit code 7 while it ran _exit" in str(error)

    def test_crash_says_its_signal(self, one: Pool) -> None:
        """Compiled code that reads where there is nothing."""
        error = one.submit(ctypes.string_at, 0).exception(SECONDS)
        assert isinstance(error, ChildDied)
        assert error.signal == "SIGSEGV"
        assert "A crash in compiled code" in str(error)

    def test_death_can_be_pickled(self) -> None:
        """It becomes the cause of an outcome."""
        error = ChildDied(12, -9, "resize", on_purpose=True)
        copy = pickle.loads(pickle.dumps(error))
        assert str(copy) == str(error)
        assert copy.on_purpose

    def test_running_task_can_be_killed(self, pool: Pool, tmp_path: Path) -> None:
        """What does not stop by itself is stopped, and its slot is free."""
        stuck = [pool.submit(sit, tmp_path / str(n), tmp_path / "never") for n in range(2)]
        pid_in(tmp_path / "0")
        queued = pool.submit(abs, -1)
        assert not pool.kill(queued)
        assert pool.kill(stuck[0])
        error = stuck[0].exception(SECONDS)
        assert isinstance(error, ChildDied)
        assert error.on_purpose
        assert "It was stopped on purpose." in str(error)
        assert queued.result(SECONDS) == 1
        assert not stuck[1].done()
        pid_in(tmp_path / "1")
        assert pool.kill(stuck[1])
        assert not pool.kill(queued)

    def test_task_can_be_killed_while_its_process_starts(self, one: Pool) -> None:
        """At no moment does a kill hit another task or nothing."""
        for _ in range(20):
            future = one.submit(time.sleep, 1000)
            wait_until(lambda future=future: one.kill(future))
            assert isinstance(future.exception(SECONDS), ChildDied)
            assert one.submit(abs, -1).result(SECONDS) == 1
            one.rest()

    def test_late_kill_hits_no_later_task(
        self, one: Pool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """It came when the task was as good as done: the next one gets another process."""
        hear = Child.hear

        def hear_and_kill(child: Child, ahead: Any) -> list[bytearray]:
            reply = hear(child, ahead)
            assert one.kill(future)
            return reply

        with monkeypatch.context() as patch:
            patch.setattr(Child, "hear", hear_and_kill)
            future = one.submit(sit, tmp_path / "ready", tmp_path / "go")
            (tmp_path / "go").touch()
            pid = future.result(SECONDS)
        assert one.submit(os.getpid).result(SECONDS) != pid

    def test_copy_of_a_process_does_not_hide_its_death(self, one: Pool, tmp_path: Path) -> None:
        """A task that forked is noticed when it dies, although its copy lives on."""

        def fork_and_sit(ready: Path, copy: Path, never: Path) -> None:
            if os.fork() == 0:
                sit(copy, never)
            sit(ready, never)

        paths = [tmp_path / name for name in ("ready", "copy", "never")]
        future = one.submit(fork_and_sit, *paths)
        copy = pid_in(paths[1])
        os.kill(pid_in(paths[0]), signal.SIGKILL)
        try:
            assert isinstance(future.exception(SECONDS), ChildDied)
        finally:
            os.kill(copy, signal.SIGKILL)

    def test_copy_that_comes_back_is_not_heard(self, one: Pool, tmp_path: Path) -> None:
        """A task that forks gives one result, and its copy writes it nowhere else."""

        def fork_and_open(folder: Path) -> int:
            copy = os.fork()
            if copy:
                return os.waitpid(copy, 0)[1]
            for n in range(100):  # one gets the number of the line
                os.open(folder / str(n), os.O_CREAT | os.O_WRONLY)
            return 0

        assert one.submit(fork_and_open, tmp_path).result(SECONDS) == 0
        assert [path.stat().st_size for path in tmp_path.iterdir()] == [0] * 100
        assert one.submit(abs, -1).result(SECONDS) == 1

    def test_process_that_cannot_start(
        self, one: Pool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Both kinds of it are errors of the scheduler, and pass."""
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", "/bin/false")
            error = one.submit(abs, -1).exception(SECONDS)
            assert isinstance(error, SchedulerError)
            assert "it ended with exit code 1 while it started" in str(error)
            patch.setattr(sys, "executable", str(tmp_path / "missing"))
            error = one.submit(abs, -1).exception(SECONDS)
            assert isinstance(error, SchedulerError)
            assert "No such file" in str(error)
        assert one.submit(abs, -1).result(SECONDS) == 1

    def test_deadly_sigpipe_does_no_harm(self, start: Callable[..., Script]) -> None:
        """Scripts that want to end like a Unix tool set it."""
        script = start(
            """
            import os, signal
            from flowgraph.backends.pool import Pool
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            with Pool(1) as pool:
                print(type(pool.submit(os._exit, 1).exception()).__name__)
                big = pool.submit(len, bytes(10_000_000))
                pool.submit(os.getpid).result()
                print(big.result())
                os.kill(pool.submit(os.getpid).result(), signal.SIGKILL)
                print(pool.submit(len, bytes(10_000_000)).result())
            """,
        )
        assert script.output() == "ChildDied\n10000000\n10000000\n"


class TestSetting:
    """A warm process sees what the parent sees."""

    def test_folder_is_followed(
        self, one: Pool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Between two runs the parent went elsewhere."""
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            monkeypatch.chdir(tmp_path / name)
            assert Path(one.submit(os.getcwd).result()) == (tmp_path / name).resolve()

    def test_environment_is_followed(self, one: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
        """Variables come, change and go; programs that a task starts see it too."""
        see = ["printenv", "FLOWGRAPH_TEST"]
        monkeypatch.setenv("FLOWGRAPH_TEST", "a")
        assert one.submit(subprocess.check_output, see).result() == b"a\n"
        monkeypatch.setenv("FLOWGRAPH_TEST", "b")
        assert one.submit(subprocess.check_output, see).result() == b"b\n"
        monkeypatch.delenv("FLOWGRAPH_TEST")
        assert one.submit(os.environ.get, "FLOWGRAPH_TEST").result() is None
        assert one.submit(dict, os.environ).result() == dict(os.environ)

    def test_path_is_followed(
        self, one: Pool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A module that was just written is found, too quickly for the clock of the folder."""

        def answer() -> object:
            import fresh_module

            return fresh_module.ANSWER

        assert isinstance(one.submit(answer).exception(), RemoteError)
        monkeypatch.syspath_prepend(tmp_path)
        assert isinstance(one.submit(answer).exception(), RemoteError)
        before = tmp_path.stat()
        (tmp_path / "fresh_module.py").write_text("ANSWER = 42")
        os.utime(tmp_path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert one.submit(answer).result() == 42

    def test_what_a_task_changes_is_undone_for_the_next_run(
        self, one: Pool, tmp_path: Path
    ) -> None:
        """A run is not to feel the one before; tasks of one run do, as in one process."""
        here = Setting.here()
        go = pickle.dumps((os.chdir, (str(tmp_path),)))
        see = pickle.dumps((os.getcwd, ()))
        one.send(go, setting=here).result()
        assert one.send(see, setting=here).result() == str(tmp_path.resolve())
        assert one.send(see, setting=Setting.here()).result() == os.getcwd()

    def test_no_task_runs_in_a_wrong_folder(self, one: Pool, tmp_path: Path) -> None:
        """A folder that cannot be entered is an error of every task of the run."""
        lost = Setting(str(tmp_path / "lost"), {}, [], [])
        see = pickle.dumps((os.getcwd, ()))
        for _ in range(2):
            error = one.send(see, setting=lost).exception(SECONDS)
            assert isinstance(error, RemoteError)
            assert error.type_name == "FileNotFoundError"
        (tmp_path / "lost").mkdir()
        assert one.send(see, setting=lost).result() == str((tmp_path / "lost").resolve())

    def test_interpreter_options_are_handed_on(self, tmp_path: Path) -> None:
        """Asserts are off in the processes if they are off in the parent."""
        script = tmp_path / "script.py"
        script.write_text(
            "from flowgraph.backends.pool import Pool\n"
            "with Pool(1) as pool: print(pool.submit(eval, '__debug__').result())\n"
        )
        env = os.environ | {"PYTHONPATH": package_folder()}
        command = [sys.executable, "-O", str(script)]
        assert subprocess.check_output(command, env=env) == b"False\n"


class TestStop:
    """The stop signal reaches running tasks."""

    def test_running_task_sees_it(self, pool: Pool, tmp_path: Path) -> None:
        """One run is stopped, and the other goes on."""
        stop, other = pool.new_stop(), pool.new_stop()

        def work(signal: Any, ready: Path) -> str:
            ready.touch()
            wait_until(signal.is_set)
            return "stopped"

        stopped = pool.submit(work, stop, tmp_path / "a")
        bystander = pool.submit(work, other, tmp_path / "b")
        wait_until((tmp_path / "a").exists)
        wait_until((tmp_path / "b").exists)
        stop.set()
        assert stopped.result(SECONDS) == "stopped"
        assert not bystander.done()
        other.set()
        assert bystander.result(SECONDS) == "stopped"


class TestCancel:
    """Tasks that no process has begun are never begun."""

    def test_queued_task_is_never_sent(self, one: Pool, tmp_path: Path) -> None:
        """Future.cancel works until a process takes the task."""
        running = one.submit(sit, tmp_path / "ready", tmp_path / "go")
        queued = one.submit(Path.touch, tmp_path / "sent")
        last = one.submit(abs, -1)
        pid_in(tmp_path / "ready")
        assert queued.cancel()
        assert not running.cancel()
        (tmp_path / "go").touch()
        assert last.result(SECONDS) == 1
        assert not (tmp_path / "sent").exists()
        with pytest.raises(CancelledError):
            queued.result()

    def test_all_queued_tasks_are_cancelled(self, one: Pool, tmp_path: Path) -> None:
        """Who waits for them hears of it at once, though the process is busy."""
        running = one.submit(sit, tmp_path / "ready", tmp_path / "go")
        pid_in(tmp_path / "ready")
        queued = [one.submit(abs, -n) for n in range(5)]
        one.cancel_pending()
        assert wait(queued, SECONDS).not_done == set()
        assert all(future.cancelled() for future in queued)
        assert not running.done()
        (tmp_path / "go").touch()
        running.result(SECONDS)
        assert one.submit(abs, -1).result(SECONDS) == 1


class TestEnd:
    """No process outlives its pool, and no pool its process."""

    def test_shutdown_finishes_what_was_sent(self) -> None:
        """Then the processes are gone, and nothing more is taken."""
        pool = Pool(2)
        sent = [pool.submit(os.getpid) for _ in range(20)]
        pool.shutdown()
        pool.shutdown()
        assert all(future.done() for future in sent)
        assert not any(is_running(pid) for pid in {future.result() for future in sent})
        with pytest.raises(RuntimeError, match="shut down"):
            pool.submit(abs, -1)

    def test_shutdown_can_cancel(self, tmp_path: Path) -> None:
        """What runs is finished, what waits is not."""
        pool = Pool(1)
        running = pool.submit(sit, tmp_path / "ready", tmp_path / "go")
        queued = pool.submit(abs, -1)
        pid_in(tmp_path / "ready")
        pool.shutdown(wait=False, cancel_futures=True)
        assert queued.cancelled()
        (tmp_path / "go").touch()
        assert running.result(SECONDS)
        pool.shutdown()

    def test_no_files_are_left_open(self) -> None:
        """Neither by good processes nor by dead ones."""

        def use() -> None:
            with Pool(2) as pool:
                pool.submit(os._exit, 1).exception(SECONDS)
                for future in [pool.submit(abs, n) for n in range(4)]:
                    future.result(SECONDS)

        use()
        before = len(os.listdir("/dev/fd"))
        for _ in range(5):
            use()
        # Clusters of other tests may open one or the other meanwhile.
        assert len(os.listdir("/dev/fd")) < before + 5

    def test_resting_pool_has_no_idle_process(self, one: Pool) -> None:
        """It starts another one when there is work."""
        pid = one.submit(os.getpid).result()
        # The slot becomes idle just after the result was set.
        wait_until(lambda: one.rest() or not is_running(pid))
        assert one.submit(os.getpid).result() != pid

    def test_exit_does_not_wait_for_tasks(
        self, start: Callable[..., Script], tmp_path: Path
    ) -> None:
        """A script ends when it ends; its processes do not stay, and idle ones may tidy up."""
        script = start(
            """
            import atexit, os, time
            from pathlib import Path
            from flowgraph.backends.pool import Pool

            def busy():
                Path("busy").write_text(str(os.getpid()))
                Path("busy").rename("is_busy")
                time.sleep(1000)

            pool = Pool(2)
            pool.submit(busy)
            while not Path("is_busy").exists():
                time.sleep(0.002)

            def tidy_up():
                time.sleep(0.05)  # what takes a moment is waited for
                print("tidied up")

            pool.submit(atexit.register, tidy_up).result()
            print(pool.submit(os.getpid).result(), flush=True)
            """,
        )
        pid, *rest = script.output().split("\n")
        assert rest == ["tidied up", ""]
        assert not is_running(int(pid))
        assert not is_running(int((tmp_path / "is_busy").read_text()))

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
    def test_processes_do_not_outlive_a_killed_parent(
        self, start: Callable[..., Script], tmp_path: Path, number: int
    ) -> None:
        """Neither a busy one, nor an idle one, nor that of a task."""
        script = start(
            """
            import os, time
            from pathlib import Path
            from flowgraph.backends.pool import Pool

            def busy(name, nested=False):
                if nested:
                    Pool(1).submit(busy, "nested")
                while nested and not Path("nested").exists():
                    time.sleep(0.002)
                Path(name + ".part").write_text(str(os.getpid()))
                Path(name + ".part").rename(name)
                time.sleep(1000)

            pool = Pool(2)
            pool.submit(busy, "busy", True)
            while not Path("busy").exists():
                time.sleep(0.002)
            print(pool.submit(os.getpid).result(), flush=True)
            time.sleep(1000)
            """,
        )
        pids = [int(script.line()), pid_in(tmp_path / "busy"), pid_in(tmp_path / "nested")]
        assert all(is_running(pid) for pid in pids)
        script.process.send_signal(number)
        wait_until(lambda: not any(is_running(pid) for pid in pids))

    def test_processes_do_not_wait_for_a_forked_copy(self, start: Callable[..., Script]) -> None:
        """A copy of the parent lives on: the processes leave with the original."""
        script = start(
            """
            import os, time, warnings
            from flowgraph.backends.pool import Pool
            warnings.simplefilter("ignore", DeprecationWarning)
            pool = Pool(1)
            pid = pool.submit(os.getpid).result()
            pool.submit(time.sleep, 1000)
            copy = os.fork()
            if copy:
                print(pid, copy, flush=True)
            time.sleep(1000)
            """,
        )
        pid, copy = map(int, script.line().split())
        try:
            script.process.kill()
            wait_until(lambda: not is_running(pid))
            assert is_running(copy)
        finally:
            os.kill(copy, signal.SIGKILL)


class TestScripts:
    """What users do at the top level of a file."""

    def test_no_guard_is_needed(self, start: Callable[..., Script]) -> None:
        """The script runs once, and its classes are the same when they come back."""
        script = start(
            """
            print("once", flush=True)
            from flowgraph.backends.pool import shared_pool

            class Point:
                def __init__(self, x):
                    self.x = x

            def move(point):
                print("from the task")
                return Point(point.x + 1)

            moved = shared_pool(1).submit(move, Point(1)).result()
            print(type(moved) is Point, moved.x, flush=True)
            """,
        )
        assert script.output() == "once\nfrom the task\nTrue 2\n"

    def test_ctrl_c_is_for_the_parent(self, start: Callable[..., Script], tmp_path: Path) -> None:
        """The terminal sends it to the whole group; the processes go on with their tasks."""
        script = start(
            """
            import signal, time
            from pathlib import Path
            from flowgraph.backends.pool import Pool
            # A shell that started the tests in the background has switched it off.
            signal.signal(signal.SIGINT, signal.default_int_handler)

            def task():
                Path("ready").touch()
                while not Path("go").exists():
                    time.sleep(0.002)
                return "finished"

            with Pool(1) as pool:
                future = pool.submit(task)
                try:
                    future.result()
                except KeyboardInterrupt:
                    print("interrupted", flush=True)
                print(future.result())
            """,
            start_new_session=True,
        )
        wait_until((tmp_path / "ready").exists)
        os.killpg(script.process.pid, signal.SIGINT)
        assert script.line() == "interrupted\n"
        (tmp_path / "go").touch()
        assert script.output() == "finished\n"

    def test_process_has_a_session_of_its_own(self, one: Pool) -> None:
        """The terminal's signals reach no program that a task has started either."""
        assert one.submit(os.getsid, 0).result() != os.getsid(0)

    def test_interrupt_sent_to_a_process_is_ignored(self, one: Pool, tmp_path: Path) -> None:
        """Programs that a task starts still take it."""
        future = one.submit(sit, tmp_path / "ready", tmp_path / "go")
        pid = pid_in(tmp_path / "ready")
        os.kill(pid, signal.SIGINT)
        (tmp_path / "go").touch()
        assert future.result(SECONDS) == pid
        program = [sys.executable, "-c", "import os; os.kill(os.getpid(), 2)"]
        run = one.submit(subprocess.run, program, stderr=subprocess.DEVNULL).result(SECONDS)
        assert run.returncode in (-signal.SIGINT, 1)


class TestShared:
    """Runs of one process share warm pools."""

    @pytest.fixture(autouse=True)
    def alone(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """A registry of the test's own."""
        pools: dict[int, Pool] = {}
        monkeypatch.setattr(pool_module, "_shared", pools)
        yield
        for made in pools.values():
            made.shutdown()

    def test_pool_is_kept(self) -> None:
        """One for each size."""
        assert shared_pool(1) is shared_pool(1) is not shared_pool(2)

    def test_third_size_sends_the_first_to_rest(self) -> None:
        """Its process goes, and the pool stays good for whoever holds it."""
        first = shared_pool(1)
        pid = first.submit(os.getpid).result()
        shared_pool(2)
        assert is_running(pid)
        wait_until(lambda: shared_pool(3) and not is_running(pid))
        assert first.submit(abs, -1).result() == 1

    def test_busy_pool_is_left_alone(self, tmp_path: Path) -> None:
        """Other runs do not end a task."""
        future = shared_pool(1).submit(sit, tmp_path / "ready", tmp_path / "go")
        pid = pid_in(tmp_path / "ready")
        shared_pool(2)
        shared_pool(3)
        (tmp_path / "go").touch()
        assert future.result(SECONDS) == pid

    def test_closed_pool_is_replaced(self) -> None:
        """Somebody used it in a with-statement."""
        with shared_pool(1) as first:
            first.submit(abs, -1).result()
        assert shared_pool(1).submit(abs, -1).result() == 1

    @pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
    def test_forked_copy_makes_its_own(self) -> None:
        """And leaves the original's processes to the original."""
        pool = shared_pool(1)
        pid = pool.submit(os.getpid).result()
        stop = pool.new_stop()

        def copy(answers: Any) -> None:
            try:
                pool.submit(abs, -1)
            except RuntimeError as error:
                answers.put(str(error))
            pool.shutdown()
            with shared_pool(1) as own:
                answers.put(own.submit(os.getpid).result())
                own.new_stop().set()

        context = multiprocessing.get_context("fork")
        answers = context.SimpleQueue()
        process = context.Process(target=copy, args=(answers,))
        process.start()
        assert "the process that was forked" in answers.get()
        assert answers.get() != pid
        process.join(SECONDS)
        assert process.exitcode == 0
        assert not stop.is_set()
        assert pool.submit(os.getpid).result() == pid

    @pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
    def test_forked_copy_does_not_hold_a_process(self, tmp_path: Path) -> None:
        """It leaves by itself when the original shuts the pool, and is not forced after a while."""
        pool = shared_pool(1)
        pool.submit(atexit.register, (tmp_path / "left").touch).result()
        context = multiprocessing.get_context("fork")
        process = context.Process(target=sit, args=(tmp_path / "ready", tmp_path / "go"))
        process.start()
        pid_in(tmp_path / "ready")
        pool.shutdown()
        assert (tmp_path / "left").exists()
        (tmp_path / "go").touch()
        process.join(SECONDS)
        assert process.exitcode == 0

    @pytest.mark.parametrize("workers", [0, -1, 1.5, True, "2"])
    def test_number_of_workers_is_checked(self, workers: Any) -> None:
        """At once, and by name."""
        with pytest.raises(GraphError, match="workers="):
            shared_pool(workers)

    def test_windows_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The module can be imported there, for threads need it not."""
        monkeypatch.setattr(pool_module.os, "name", "nt")
        with pytest.raises(SchedulerError, match="needs a POSIX system"):
            Pool(1)
