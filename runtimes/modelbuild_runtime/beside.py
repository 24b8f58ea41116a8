"""Work that would keep the loop from others: it is done by one thread beside it, one piece after the other."""

from __future__ import annotations

import asyncio
import sys
import threading
from queue import SimpleQueue
from typing import Callable, Optional

Then = Callable[[], None]
Work = Callable[[], Then]
"""What is done beside the loop, and never raises; and what that makes the loop do."""

_SWITCH = 0.001
"""Seconds for which a thread may keep the interpreter to itself, while the loop has something to do."""


class Beside:
    """The thread, by its name. It is started by the first work, so that a process can be forked before."""

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str) -> None:
        self._loop = loop
        self._name = name
        self._waiting: SimpleQueue[Optional[Work]] = SimpleQueue()
        self._thread: Optional[threading.Thread] = None

    def do(self, work: Work) -> None:
        """Have it done, and its end on the loop."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._labour, name=self._name, daemon=True)
            self._thread.start()
            sys.setswitchinterval(_SWITCH)
        self._waiting.put(work)

    def end(self) -> None:
        """There is no more to do."""
        self._waiting.put(None)

    def _labour(self) -> None:
        while self._do_next():
            pass

    def _do_next(self) -> bool:
        """By itself, so that nothing is kept of one piece of work while the next is waited for."""
        work = self._waiting.get()
        if work is None:
            return False
        try:
            self._loop.call_soon_threadsafe(work())
        except RuntimeError:  # the loop was closed
            return False
        return True


def at_once(work: Work) -> None:
    """Where there is no loop to keep, or little to do."""
    work()()
