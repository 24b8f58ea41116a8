"""The access log: a line for each request, when its answer leaves. Between two predictions the code that makes a line
would be out of the processor's caches, and take ten times as long: what is told is noted, and lines are made and
written many at once, a moment later.
"""

from __future__ import annotations

import time
from typing import Callable, List

from modelbuild_runtime.http.exchange import Exchange
from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.process.access_log.lines import Answered, Lines
from modelbuild_runtime.process.access_log.outlet import Outlet
from modelbuild_runtime.process.access_log.styles import Style
from modelbuild_runtime.trace.context import TRACEPARENT

_MOST = 100
"""Lines that are made at once: less than a pipe holds."""
_ERROR = 400
_LONGEST = 0.1
"""Seconds that a line may wait for more."""


class AccessLog:
    """``later`` has something done in so many seconds."""

    def __init__(self, style: Style, outlet: Outlet, later: Callable[[float, Callable[[], None]], object]) -> None:
        self._lines = Lines(style)
        self._outlet = outlet
        self._later = later
        self._answered: List[Answered] = []
        self._waits = False

    def tell(self, exchange: Exchange, response: HttpResponse, seconds: float) -> None:
        """A request was answered, and took so long. Bodies are measured as they are read and made, before and after any
        compression; an answer in parts has no size yet. Probes that find all well are no news.
        """
        if exchange.bound is not None and exchange.bound.route.public is True and response.status < _ERROR:
            return
        http, answered = exchange.http, self._answered
        answered.append(
            (
                (exchange.bound or exchange.protocol, exchange.served.name, http.method, http.path, response.status),
                exchange.id,
                exchange.span or http.headers.get(TRACEPARENT),
                exchange.cache,
                len(http.body),
                len(response.body),
                exchange.count,
                seconds,
                exchange.received,
                exchange.queued,
                exchange.encoding,
                exchange.ran,
            )
        )
        if len(answered) >= _MOST:
            self.write()
        elif not self._waits:
            self._waits = True
            self._later(_LONGEST, self._waited)

    def write(self) -> None:
        """Write the lines of all that was told."""
        answered, self._answered = self._answered, []
        if answered:
            self._outlet.write(b"".join(self._lines.of(answered, time.time() - time.monotonic())))

    def close(self, seconds: float) -> None:
        """The loop has stopped: write what is left, if that does not take longer."""
        self.write()
        self._outlet.close(seconds)

    def _waited(self) -> None:
        self._waits = False
        self.write()
