"""Pipes whose reader is slow, gone, or comes back."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from modelbuild_runtime.process.access_log.outlet import Outlet

LINE = b"x" * 99 + b"\n"


class Loop:
    """One thread beside it, and what that hands back, which is done when the test says so."""

    def __init__(self) -> None:
        self.thens: list[Callable[[], None]] = []
        self._last: threading.Thread | None = None

    def beside(self, work: Any) -> None:
        before = self._last

        def labour() -> None:
            if before is not None:
                before.join()
            self.thens.append(work())

        self._last = threading.Thread(target=labour, daemon=True)
        self._last.start()

    def turn(self) -> None:
        due, self.thens = self.thens, []
        for then in due:
            then()


class Pipe:
    """A pipe, and an outlet into it."""

    def __init__(self, *, alone: bool) -> None:
        self.loop = Loop()
        self.reads, self.writes = os.pipe()
        self.dropped: list[int] = []
        self.outlet = Outlet(self.writes, self.loop.beside, self.dropped.append, alone=alone)

    def read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            found += os.read(self.reads, size - len(found))
        return found

    def until_idle(self) -> None:
        limit = time.monotonic() + 10
        while not self.loop.thens:
            assert time.monotonic() < limit
            time.sleep(0.001)
        self.loop.turn()

    def close(self) -> None:
        for descriptor in (self.reads, self.writes):
            if descriptor >= 0:
                os.close(descriptor)


@pytest.fixture(params=[True, False], ids=["alone", "among others"])
def pipe(request):
    pipe = Pipe(alone=request.param)
    yield pipe
    pipe.close()


def numbered(count: int, start: int = 0) -> bytes:
    return b"".join(b"%099d\n" % number for number in range(start, start + count))


def test_what_there_is_room_for_is_written_at_once(pipe):
    pipe.outlet.write(numbered(100))
    assert pipe.read(10_000) == numbered(100)
    assert not pipe.loop.thens


def test_nobody_waits_for_who_does_not_read_and_all_is_read_in_order_later(pipe):
    began = time.monotonic()
    for start in range(0, 10_000, 100):
        pipe.outlet.write(numbered(100, start))
    assert time.monotonic() - began < 2
    assert pipe.read(1_000_000) == numbered(10_000)
    pipe.until_idle()
    pipe.outlet.write(numbered(10, 10_000))
    assert pipe.read(1_000) == numbered(10, 10_000)
    assert not pipe.dropped


def test_what_is_too_much_is_dropped_counted_and_told(pipe, caplog):
    lines = LINE * 1000
    for _ in range(50):
        pipe.outlet.write(lines)
    dropped = sum(pipe.dropped)
    assert dropped % 1000 == 0
    assert 4_000_000 < 5_000_000 - 100 * dropped < 4_500_000
    assert not caplog.records
    assert pipe.read(5_000_000 - 100 * dropped).count(LINE) == 50_000 - dropped
    pipe.until_idle()
    assert caplog.records[0].getMessage().startswith(f"{dropped} lines of the access log were dropped")
    pipe.outlet.write(LINE)
    assert pipe.read(100) == LINE
    assert len(caplog.records) == 1


def test_the_end_waits_for_the_reader(pipe):
    pipe.outlet.write(LINE * 2000)
    reader = threading.Timer(0.2, lambda: found.append(pipe.read(200_000)))
    found: list[bytes] = []
    reader.start()
    pipe.outlet.close(10)
    reader.join()
    assert found == [LINE * 2000]


def test_the_end_waits_no_longer_than_it_may(pipe):
    pipe.outlet.write(LINE * 2000)
    began = time.monotonic()
    pipe.outlet.close(0.1)
    assert time.monotonic() - began < 2
    pipe.read(200_000)


def test_what_is_left_to_the_thread_after_the_last_turn_is_written_too(pipe):
    pipe.outlet.write(LINE * 2000)
    pipe.read(200_000)
    while not pipe.loop.thens:
        time.sleep(0.001)
    pipe.outlet.write(LINE)  # the loop does not know yet that the thread has ended
    pipe.outlet.close(10)
    assert pipe.read(100) == LINE


def test_a_reader_that_is_gone(pipe, caplog):
    os.close(pipe.reads)
    pipe.reads = -1
    with caplog.at_level(logging.WARNING):
        pipe.outlet.write(LINE * 3)
    assert pipe.dropped == [3]


def test_a_reader_that_goes_while_lines_wait_for_it(pipe):
    pipe.outlet.write(LINE * 2000)
    os.close(pipe.reads)
    pipe.reads = -1
    pipe.until_idle()
    assert 1000 < sum(pipe.dropped) <= 2000


def test_a_pipe_that_does_not_wait_by_itself(pipe):
    flags = fcntl.fcntl(pipe.writes, fcntl.F_GETFL)
    fcntl.fcntl(pipe.writes, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    pipe.outlet.write(numbered(2000))
    assert pipe.read(200_000) == numbered(2000)
    assert not pipe.dropped


def test_a_line_longer_than_what_is_written_at_once(pipe):
    lines = b"y" * 10_000 + b"\n" + LINE
    pipe.outlet.write(lines)
    assert pipe.read(len(lines)) == lines


def test_a_file_has_room(tmp_path):
    descriptor = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    Outlet(descriptor, Loop().beside, lambda _: None, alone=True).write(LINE * 2000)
    os.close(descriptor)
    assert (tmp_path / "log").read_bytes() == LINE * 2000
