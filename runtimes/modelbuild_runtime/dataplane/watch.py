"""A clock for deadlines: it looks by the nearest of them, and soon in any case. One timer, however many wait."""

from __future__ import annotations

import asyncio
import math
from time import monotonic
from typing import Callable, Optional

PATROL = 0.05
"""Most seconds between two looks."""
_LEAST_PATROL = 0.001


class Watch:
    """``look`` is called on ``loop``, once for each time that this was asked for or an earlier one. ``at`` is when that
    will be, or was.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, look: Callable[[], None]) -> None:
        self.at = 0.0
        self._loop = loop
        self._look = look
        self._timer: Optional[asyncio.TimerHandle] = None

    def by(self, deadline: float = math.inf) -> None:
        """Look by then at the latest."""
        now = monotonic()
        at = min(deadline, now + PATROL)
        if self._timer is not None:
            if self.at <= at:
                return
            self._timer.cancel()
        self.at = at
        self._timer = self._loop.call_later(max(at - now, 0.0) + _LEAST_PATROL, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._look()
