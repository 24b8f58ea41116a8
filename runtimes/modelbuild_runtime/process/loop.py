"""The event loop, and a thread for it while the main thread is busy."""

from __future__ import annotations

import asyncio
import logging
import threading

from modelbuild_runtime.process.without_tls import standing_in

try:
    with standing_in():
        import uvloop  # here, so that workers share it
except ImportError:
    uvloop = None

logger = logging.getLogger(__name__)


def new_loop() -> asyncio.AbstractEventLoop:
    """The event loop of uvloop where it exists for this platform."""
    if uvloop is None:
        logger.warning("uvloop is not installed: serving more slowly on asyncio's own loop")
    loop = asyncio.new_event_loop() if uvloop is None else uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


class Background:
    """The loop in a thread of its own, for as long as the main thread is busy."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread = threading.Thread(target=loop.run_forever, name="loading", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
