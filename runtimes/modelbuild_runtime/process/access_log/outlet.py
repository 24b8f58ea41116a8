"""Where lines go out: mostly a pipe, whose reader may be slow, or have stopped. The event loop does not wait for that.

It writes what there is room for, and leaves the rest to a thread that waits. Until that has caught up, what comes is
kept behind it, up to a limit; what is beyond is dropped, counted, and told of when there is room again.
"""

from __future__ import annotations

import fcntl
import logging
import os
import select
import sys
import termios
from collections import deque
from functools import partial
from time import monotonic, sleep
from typing import Callable, Deque

from modelbuild_runtime.beside import Then, Work

logger = logging.getLogger(__name__)

_PIECE = select.PIPE_BUF
"""Bytes for which a pipe has room where it says that it has room, and between which no other process's lines get."""
_MOST_KEPT = 4 << 20
_AGAIN = 0.01
"""Seconds between two looks at what does not say whether it has room, and at the thread when the process ends."""
_FOR_EVER = -1
_GET_SIZE = 1032  # F_GETPIPE_SZ, which fcntl knows from Python 3.10


class Outlet:
    """A file descriptor. ``beside`` has a thread for it alone; whatever else is here is the loop's. ``count`` is told
    how many lines were dropped. ``alone``: no other process writes there, so that an empty pipe has room for all that
    it can hold.
    """

    def __init__(
        self, descriptor: int, beside: Callable[[Work], None], count: Callable[[int], None], *, alone: bool
    ) -> None:
        self._descriptor = descriptor
        self._beside = beside
        self._count = count
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._whole = _size(descriptor) if alone else 0
        self._kept: Deque[bytes] = deque()
        self._taken = 0  # bytes that were ever kept
        self._gone = 0  # those of them that are not kept any more; the thread's
        self._behind = False
        self._untold = 0

    def write(self, lines: bytes) -> None:
        """Whole lines. They go out after all before them."""
        if self._behind:
            if self._taken - self._gone + len(lines) > _MOST_KEPT:
                self._drop(lines.count(b"\n"))
            else:
                self._keep(lines)
            return
        try:
            done = self._write(lines, 0)
        except OSError:  # nobody reads, or the disk is full
            self._drop(lines.count(b"\n"))
            return
        if done < len(lines):
            self._keep(lines[done:])
            self._behind = True
            self._beside(self._catch_up)
        elif self._untold:
            self._tell()

    def close(self, seconds: float) -> None:
        """The loop has stopped: wait until all is out, if that does not take longer."""
        due = monotonic() + seconds
        if self._kept:
            self._beside(self._catch_up)
        while self._kept and monotonic() < due:
            sleep(_AGAIN)
        if self._untold and not self._kept:
            self._tell()

    def _keep(self, lines: bytes) -> None:
        self._kept.append(lines)
        self._taken += len(lines)

    def _write(self, lines: bytes, patience: int) -> int:
        """Write until there is no room for so many milliseconds; returns how far that went."""
        done, size = 0, len(lines)
        while done < size and (room := self._room(patience)):
            end = done + room
            if end < size:
                end = lines.rfind(b"\n", done, end) + 1 or end
            try:
                done += os.write(self._descriptor, lines[done:end])
            except BlockingIOError:  # it was made so by whoever started this process
                break
        return done

    def _room(self, patience: int) -> int:
        """Bytes that can be written without waiting."""
        if self._whole and not _unread(self._descriptor):
            return self._whole
        return _PIECE if self._poll.poll(patience) else 0

    def _catch_up(self) -> Then:
        """In the thread: write what is kept, and what comes meanwhile."""
        kept, failed = self._kept, 0
        while kept:
            lines = kept[0]
            try:
                done = self._write(lines, _FOR_EVER)
            except OSError:
                done = len(lines)
                failed += lines.count(b"\n")
            if done < len(lines):
                kept[0] = lines[done:]
                sleep(_AGAIN)
            else:
                kept.popleft()
            self._gone += done
        return partial(self._caught_up, failed)

    def _caught_up(self, failed: int) -> None:
        if failed:
            self._drop(failed)
        if self._kept:  # since the thread looked
            self._beside(self._catch_up)
            return
        self._behind = False
        if self._untold and not failed:
            self._tell()

    def _drop(self, lines: int) -> None:
        self._untold += lines
        self._count(lines)

    def _tell(self) -> None:
        logger.warning("%d lines of the access log were dropped: whoever reads it was too slow, or away", self._untold)
        self._untold = 0


def _size(descriptor: int) -> int:
    """Bytes that a pipe holds; 0 of what is none."""
    try:
        return fcntl.fcntl(descriptor, _GET_SIZE)
    except OSError:
        return 0


def _unread(descriptor: int) -> int:
    """Bytes that are in a pipe."""
    return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)
