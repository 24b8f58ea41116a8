"""Work that would keep the loop from others: large bodies are read, and large answers written, by one thread beside it.
One after the other, so that together they take no more memory than the largest.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from queue import SimpleQueue
from typing import Callable, Optional

import msgspec

from modelbuild_runtime.request import Response

Then = Callable[[], None]
Work = Callable[[], Then]
"""What is done beside the loop, and never raises; and what that makes the loop do."""

LARGE = 1 << 18
"""Bytes of a body from which reading it takes longer than handing it over."""
_MANY = 1 << 14
_MANY_ROWS = 1 << 10
_SWITCH = 0.001
"""Seconds for which the thread may keep the interpreter to itself, while the loop has something to do."""


class Beside:
    """The thread. It is started by the first work, so that a process can be forked before."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: SimpleQueue[Work] = SimpleQueue()
        self._thread: Optional[threading.Thread] = None

    def do(self, work: Work) -> None:
        """Have it done, and its end on the loop."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._labour, name="bodies", daemon=True)
            self._thread.start()
            sys.setswitchinterval(_SWITCH)
        self._waiting.put(work)

    def _labour(self) -> None:
        while True:
            try:
                self._loop.call_soon_threadsafe(self._waiting.get()())
            except RuntimeError:  # noqa: PERF203  # the loop was closed
                return


def at_once(work: Work) -> None:
    """Where there is no loop to keep, or little to do."""
    work()()


def is_large(response: Response) -> bool:
    """Whether an answer takes long to write."""
    columns = response.columns
    if columns is None:
        return response.count > _MANY_ROWS
    for array in columns.values():  # noqa: SIM110  # faster than any(), and asked for each answer
        if array.size > _MANY:
            return True
    return False


def kept(response: Response) -> Response:
    """A copy that stays as it is while the model runs again, which may use the same memory."""
    columns = {name: array.copy() for name, array in (response.columns or {}).items()}
    return response if response.columns is None else msgspec.structs.replace(response, columns=columns)
