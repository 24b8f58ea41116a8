"""What would keep the loop from others for long: large bodies are read, and large answers encoded, beside it. Answers
stay in order all the same, since each request waits in its connection's line.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Callable, Protocol, Tuple

from modelbuild_runtime.beside import Then, Work, at_once
from modelbuild_runtime.http.compression import SLOW, compressed
from modelbuild_runtime.http.exchange import Exchange
from modelbuild_runtime.http.heads import Head
from modelbuild_runtime.http.limits import SMALL, Limits
from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.http.router import Bound
from modelbuild_runtime.log import about
from modelbuild_runtime.process.host.memory import uncollected
from modelbuild_runtime.process.requests.large import HUGE, LARGE, kept
from modelbuild_runtime.process.requests.reading import read
from modelbuild_runtime.request import Response, Rows
from modelbuild_runtime.settings import Settings

logger = logging.getLogger(__name__)

_READ = Rows([])


class Responder(Protocol):
    """The application: where this is done, and what becomes of it."""

    settings: Settings
    beside: Callable[[Work], None]
    beside_long: Callable[[Work], None]

    def respond(self, exchange: Exchange, response: HttpResponse) -> None: ...
    def fail(self, exchange: Exchange, error: BaseException, allowed: Tuple[str, ...]) -> None: ...
    def fail_to_encode(self, exchange: Exchange, error: BaseException) -> None: ...


class Offload:
    """Reading within ``limits``, encoding and compressing, each followed by what the loop does next."""

    def __init__(self, app: Responder, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    def read(self, exchange: Exchange, head: Head) -> None:
        """Read the body and go on: it is large or compressed, or its route takes long."""
        bound: Bound = exchange.bound  # type: ignore[assignment]  # its route was found
        size = len(exchange.http.body)
        if size > SMALL:
            exchange.connection.keep(size)
        heavy = size >= LARGE and not (bound.light is not None and bound.light(exchange.http))
        beside = self._app.beside if heavy or bound.slow else at_once
        if head.content_encoding is not None or (heavy and size >= HUGE):  # nobody knows how large it is inside
            beside = self._app.beside_long
        beside(partial(self._read, exchange, bound, head))

    def encode(self, exchange: Exchange, response: Response) -> None:
        """Put a large prediction into the protocol's shape, and send it. Until it is this one's turn there may be many
        that wait: they keep nothing of what was read.
        """
        exchange.inputs = None
        exchange.request.payload = _READ
        self._app.beside(partial(self._encode, exchange, kept(response)))

    def compress(self, exchange: Exchange, response: HttpResponse, coding: str) -> None:
        """Send a response in this coding; a small one is compressed at once."""
        beside = self._app.beside if len(response.body) >= SLOW else at_once
        beside(partial(self._compress, exchange, response, coding))

    def _read(self, exchange: Exchange, bound: Bound, head: Head) -> Then:
        allowed = head.match.allowed
        try:
            read(exchange, bound, head, self._limits, self._app.settings.timeout)
            if bound.slow:
                return partial(if_wanted, exchange, partial(self._app.respond, exchange, bound.answer(exchange.http)))
        except BaseException as error:  # noqa: BLE001  # this may be the thread, which has to live on
            return partial(if_wanted, exchange, partial(self._app.fail, exchange, error, allowed))
        return partial(if_wanted, exchange, partial(self._go_on, exchange, allowed))

    def _go_on(self, exchange: Exchange, allowed: Tuple[str, ...]) -> None:
        try:
            if exchange.request is not None:
                exchange.served.submit(exchange)
            else:
                self._app.respond(exchange, exchange.bound.answer(exchange.http))  # type: ignore[union-attr]
        except Exception as error:  # noqa: BLE001  # whatever it is, there is an answer
            self._app.fail(exchange, error, allowed)

    def _encode(self, exchange: Exchange, response: Response) -> Then:
        try:
            with uncollected:
                answer = exchange.bound.encode(exchange.http, exchange.request, response)  # type: ignore[union-attr]
        except BaseException as error:  # noqa: BLE001  # this may be the thread, which has to live on
            return partial(if_wanted, exchange, partial(self._app.fail_to_encode, exchange, error))
        if exchange.cache:
            answer.headers += (("x-cache", exchange.cache),)
        return partial(if_wanted, exchange, partial(self._app.respond, exchange, answer))

    def _compress(self, exchange: Exchange, response: HttpResponse, coding: str) -> Then:
        try:
            response = compressed(response, coding)
        except BaseException:  # this may be the thread, which has to live on
            logger.exception("an answer cannot be compressed", extra=about(exchange))
        return partial(exchange.connection.deliver, exchange, response)  # also to whom the queue has given up


def if_wanted(exchange: Exchange, then: Callable[[], None]) -> None:
    """Go on unless the client has gone."""
    if not exchange.cancelled:
        then()
