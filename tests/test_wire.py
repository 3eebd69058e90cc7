"""Messages between two processes."""

from __future__ import annotations

import os
import pickle
import socket
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import binary, lists

from flowgraph.runtime.wire import dumps, read_message, write_message


@pytest.fixture
def line():
    near, far = socket.socketpair()
    with near, far:
        yield near, far


@given(lists(binary(max_size=200), max_size=6))
def test_message_arrives_as_it_was_sent(parts):
    near, far = socket.socketpair()
    with near, far:
        write_message(near.fileno(), parts)
        assert read_message(far.fileno()) == parts


def test_messages_larger_than_the_line_go_through(line):
    near, far = line
    parts = [b"a" * 3_000_000, b"", memoryview(b"b" * 70_000), bytearray(b"c")]
    writer = threading.Thread(target=write_message, args=(near.fileno(), parts))
    writer.start()
    assert read_message(far.fileno()) == [bytes(part) for part in parts]
    writer.join()


def test_end_of_a_line_is_an_error(line):
    near, far = line
    near.close()
    with pytest.raises(EOFError):
        read_message(far.fileno())
    with pytest.raises(BrokenPipeError):
        write_message(far.fileno(), [b"x"])


def test_end_in_the_middle_of_a_message_is_an_error(line):
    near, far = line
    os.write(near.fileno(), (1).to_bytes(8, "little") + (5).to_bytes(8, "little") + b"abc")
    near.close()
    with pytest.raises(EOFError):
        read_message(far.fileno())


def test_only_large_buffers_stay_out_of_the_pickle():
    arrays = [np.arange(10), np.arange(100_000), np.arange(100_000)[::2]]
    data, buffers = dumps(arrays)
    assert [buffer.nbytes for buffer in buffers] == [arrays[1].nbytes]
    for one, other in zip(pickle.loads(data, buffers=buffers), arrays, strict=True):
        assert np.array_equal(one, other)
