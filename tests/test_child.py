"""The child's side of a worker process: what is answered to a task."""

from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
import sys

import pytest

from flowgraph.runtime import child
from flowgraph.runtime.setting import Setting, package_folder
from flowgraph.runtime.wire import dumps, read_message, write_message


def ask(function, *args, setting=b""):
    """The reply to a call, as it would go over the line."""
    payload, buffers = dumps((function, args))
    return child.answer([bytearray(setting), bytearray(payload), *map(bytearray, buffers)])


def test_result_is_pickled():
    head, data = ask(divmod, 7, 2)
    assert head == child.OK
    assert pickle.loads(data) == (3, 1)


def test_large_buffers_go_beside_the_pickle():
    head, data, buffer = ask(pickle.PickleBuffer, bytearray(1 << 20))
    assert head == child.OK
    assert len(data) < 1000
    assert buffer.nbytes == 1 << 20


def test_message_is_emptied_before_the_call():
    """A task's bytes need not stay in memory while it runs."""
    payload, _ = dumps((len, ("abc",)))
    message = [bytearray(), bytearray(payload)]
    assert pickle.loads(child.answer(message)[1]) == 3
    assert message == []


def fail(kind):
    raise kind("no\ud800good")


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt, MemoryError])
def test_any_exception_is_a_reply(kind):
    head, name, text, traceback = ask(fail, kind)
    assert (head, name, text) == (child.ERROR, kind.__name__.encode(), rb"no\ud800good")
    assert b"in fail" in traceback
    assert b"runtime/child.py" not in traceback


def test_class_is_named_with_its_module():
    _, name, _, _ = ask(json.loads, "{")
    assert name == b"json.decoder.JSONDecodeError"


def test_error_that_cannot_be_described_is_a_reply(monkeypatch):
    """Memory that is full, for example."""

    def fail(error):
        raise MemoryError

    monkeypatch.setattr(child, "_describe", fail)
    assert ask(int, "x") == [child.ERROR, b"ValueError", b"", b""]


def test_unpicklable_result_without_cloudpickle_is_the_error_of_pickle(monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    head, name, text, _ = ask(eval, "lambda: None")
    assert head == child.ERROR
    assert b"Error" in name
    assert b"pickle" in text or b"lambda" in text
    assert b"cloudpickle" not in text


def test_setting_is_applied_first(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(sys, "path", list(sys.path))
    here = Setting.here()
    try:
        there = Setting(str(tmp_path), here.environ, here.path, here.argv)
        _, data = ask(os.getcwd, setting=pickle.dumps(there))
        assert pickle.loads(data) == str(tmp_path.resolve())
    finally:
        here.apply()


def test_flag_is_set_from_its_number_on():
    cells = memoryview(bytearray(16)).cast("Q")
    early, late = child.Flag(cells, 1, 5), child.Flag(cells, 1, 6)
    assert not early.is_set()
    cells[1] = 5
    assert early.is_set()
    assert not late.is_set()


def test_flag_needs_the_memory_of_a_parent(monkeypatch):
    monkeypatch.setattr(child, "_cells", None)
    with pytest.raises(RuntimeError, match="worker process"):
        child.flag(0, 1)


@pytest.fixture
def process(tmp_path):
    """A child whose four ends are in the test's hands: the process, its line, its life."""
    flags = tmp_path / "flags"
    flags.write_bytes((7).to_bytes(8, sys.byteorder))
    ours, theirs = socket.socketpair()
    life, alive = os.pipe()
    memory = os.open(flags, os.O_RDWR)
    files = (theirs.fileno(), life, memory)
    code = f"from flowgraph.runtime.child import main; main{files}"
    process = subprocess.Popen(
        [sys.executable, "-c", code], pass_fds=files, env={"PYTHONPATH": package_folder()}
    )
    theirs.close()
    os.close(life)
    os.close(memory)
    with process, ours, os.fdopen(alive, "wb") as alive_file:
        yield process, ours, alive_file
        process.kill()


def send(line, function, *args):
    write_message(line.fileno(), [b"", pickle.dumps((function, args))])


def test_process_says_when_it_is_ready_and_leaves_when_the_line_is_closed(process):
    running, line, _ = process
    assert read_message(line.fileno()) == [child.READY]
    send(line, abs, -1)
    assert read_message(line.fileno()) == [child.OK, pickle.dumps(1, protocol=5)]
    line.close()
    assert running.wait(20) == 0


def test_process_leaves_in_the_middle_of_a_task_when_the_parent_is_gone(process):
    running, line, alive = process
    assert read_message(line.fileno()) == [child.READY]
    send(line, eval, "__import__('time').sleep(1000)")
    alive.close()
    assert running.wait(20) == 1


def test_process_sees_the_flags_of_its_parent(process):
    _, line, _ = process
    assert read_message(line.fileno()) == [child.READY]
    for number, is_set in ((7, True), (8, False)):
        send(
            line,
            eval,
            f"__import__('flowgraph.runtime.child').runtime.child.flag(0, {number}).is_set()",
        )
        assert pickle.loads(read_message(line.fileno())[1]) is is_set


def test_starting_imports_little():
    """A start takes some 20 ms, half of them Python's own; each of these would add to it."""
    code = "import sys; sys.path.append(sys.argv[1]); import flowgraph.runtime.child"
    code += "; print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", code, package_folder()]
    loaded = subprocess.check_output(command, text=True).split()
    heavy = "dask cloudpickle dataclasses inspect socket threading subprocess traceback pathlib"
    assert set(heavy.split()).isdisjoint(loaded)


TELLS = """
import threading
from flowgraph.runtime import child

def tells():
    global late
    late = child.teller()
    thread = threading.Thread(target=late, args=(b"in a thread",))
    thread.start()
    thread.join()
    late(b"in its own")
    return 1

def tells_late():
    late(b"too late")
    return 2
"""


def test_a_task_tells_its_parent_before_its_reply_and_never_after(process):
    _, line, _ = process
    assert read_message(line.fileno()) == [child.READY]
    send(line, exec, f"exec({TELLS!r}, __import__('__main__').__dict__)")
    assert read_message(line.fileno())[0] == child.OK
    send(line, eval, "__import__('__main__').tells()")
    assert read_message(line.fileno()) == [child.AHEAD, b"in a thread"]
    assert read_message(line.fileno()) == [child.AHEAD, b"in its own"]
    assert read_message(line.fileno()) == [child.OK, pickle.dumps(1, protocol=5)]
    send(line, eval, "__import__('__main__').tells_late()")
    assert read_message(line.fileno()) == [child.OK, pickle.dumps(2, protocol=5)]


def test_nobody_is_told_where_there_is_no_parent():
    assert child.teller() is None
