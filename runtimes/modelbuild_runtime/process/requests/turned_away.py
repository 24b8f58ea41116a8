"""Clients that are turned away because too many ask, and when they are told.

Reading a request, refusing it and writing that costs about 30 microseconds of a processor that the model needs, and the
interpreter's lock. A hundred clients that ask again as soon as they are refused would take most of both. So only so
many are told in a second, and the others a little later: an answer that comes late makes the next question late.
"""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Callable, List, Tuple

if TYPE_CHECKING:
    from modelbuild_runtime.http.exchange import Exchange
    from modelbuild_runtime.http.message import HttpResponse

Tell = Callable[["Exchange", "HttpResponse"], None]

_A_SECOND = 500
"""Who is told at once, or in order: about 2 % of a processor."""
_AT_ONCE = 50
"""As many without waiting, where none were turned away before."""
_TURN = 0.05
"""Seconds between two looks at who waits. They are told, and ask again, together: that is cheaper than one by one."""
_LONG = 1.0
"""Seconds after which more are told: Retry-After asks them to wait for no longer before the next try. Who does not wait
for so long is told in half of the time."""
_MOST_A_SECOND = 1000
"""Who is told then: about 3 % of a processor, and every client where no more than so many ask."""
_LONGEST = 10.0
"""Seconds after that until everybody is told, whatever it costs."""


class TurnedAway:
    """Those of one process. ``tell`` sends a client its answer. ``draining`` says whether the process is about to end,
    and nobody is to wait.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, tell: Tell, draining: Callable[[], bool]) -> None:
        self._loop = loop
        self._tell = tell
        self._draining = draining
        self._waiting: List[Tuple[float, int, Exchange, HttpResponse]] = []  # by when each is due
        self._number = count()
        self._room = float(_AT_ONCE)
        self._since = monotonic()

    def later(self, exchange: Exchange, response: HttpResponse) -> None:
        """Tell a client now, if few were told, or soon."""
        now = monotonic()
        if not self._waiting:
            self._refill(now)
            if self._room >= 1:
                self._room -= 1
                self._tell(exchange, response)
                return
            self._loop.call_later(_TURN, self._turn)
        due = now + _LONG
        if 0 < exchange.deadline < due:
            due = (now + exchange.deadline) / 2
        heappush(self._waiting, (due, next(self._number), exchange, response))

    def _turn(self) -> None:
        now = monotonic()
        most = _MOST_A_SECOND * min(1.0, now - self._since)
        self._refill(now)
        waiting, told = self._waiting, 0
        while waiting:
            late = now - waiting[0][0]
            if self._room < 1 and (late < 0 or told >= most) and late < _LONGEST and not self._draining():
                break
            _, _, exchange, response = heappop(waiting)
            if exchange.cancelled:  # the client has gone
                continue
            self._room = max(0.0, self._room - 1)
            told += 1
            self._tell(exchange, response)
        if waiting:
            self._loop.call_later(_TURN, self._turn)

    def _refill(self, now: float) -> None:
        self._room = min(_AT_ONCE, self._room + (now - self._since) * _A_SECOND)
        self._since = now
