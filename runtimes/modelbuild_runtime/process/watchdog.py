"""Ends the process when the time to end by itself is over."""

from __future__ import annotations

import logging
import os
import threading
from queue import SimpleQueue
from time import sleep
from typing import Callable

logger = logging.getLogger(__name__)

_SPARE = 0.5
"""Seconds beyond the grace period, in which a loop that turns leaves by itself. A supervisor waits longer."""


class Watchdog:
    """A thread that waits to be told: a prediction may hold up the loop for ever, and a thread that a handler started
    may keep the interpreter from ending. ``parting`` is done before that.
    """

    def __init__(self, grace: float, parting: Callable[[], None]) -> None:
        self._grace = grace
        self._parting = parting
        self._told: SimpleQueue[None] = SimpleQueue()  # the only one that a signal handler may put something into
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def tell(self) -> None:
        """The process is to end. May be said more than once."""
        self._told.put(None)

    def _watch(self) -> None:
        self._told.get()
        sleep(self._grace + _SPARE)
        logger.error("MBUILD_GRACE is over, and a prediction or a thread of the handler goes on: leaving it")
        self._parting()
        logging.shutdown()
        os._exit(0)
