"""Clients that are turned away because too many ask, and when they are told.

Reading a request, refusing it and writing that costs about 30 microseconds of a processor that the model needs, and the
interpreter's lock. A hundred clients that ask again as soon as they are refused would take most of both. So only so
many are told in a second, and the others a little later: an answer that comes late makes the next question late.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic
from typing import Callable, Deque, Tuple

Tell = Callable[[], None]

_A_SECOND = 500
"""Who is told at once, or in order: about 2 % of a processor."""
_AT_ONCE = 50
"""As many without waiting, where none were turned away before."""
_TURN = 0.02
"""Seconds between two looks at who waits. They are told, and ask again, together: that is cheaper than one by one."""
_LONGEST = 1.0
"""Seconds after which everybody is told: no more than Retry-After asks them to wait for the next try."""


class TurnedAway:
    """Those of one process. ``draining`` says whether the process is about to end, and nobody is to wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop, draining: Callable[[], bool]) -> None:
        self._loop = loop
        self._draining = draining
        self._waiting: Deque[Tuple[float, Tell]] = deque()
        self._room = float(_AT_ONCE)
        self._since = monotonic()

    def later(self, tell: Tell) -> None:
        """Tell a client now, if few were told, or soon."""
        now = monotonic()
        if not self._waiting:
            self._refill(now)
            if self._room >= 1:
                self._room -= 1
                tell()
                return
            self._loop.call_later(_TURN, self._turn)
        self._waiting.append((now + _LONGEST, tell))

    def _turn(self) -> None:
        now = monotonic()
        self._refill(now)
        waiting = self._waiting
        while waiting and (self._room >= 1 or waiting[0][0] <= now or self._draining()):
            _, tell = waiting.popleft()
            self._room = max(0.0, self._room - 1)
            tell()
        if waiting:
            self._loop.call_later(_TURN, self._turn)

    def _refill(self, now: float) -> None:
        self._room = min(_AT_ONCE, self._room + (now - self._since) * _A_SECOND)
        self._since = now
