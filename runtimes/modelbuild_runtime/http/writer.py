"""Responses to bytes, in the order of the requests: a response is written as soon as all before it are."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Callable, Deque, Optional

from modelbuild_runtime.errors import ServerError
from modelbuild_runtime.http.exchange import Exchange
from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.http.pump import Pump
from modelbuild_runtime.http.unusual import lay_out, lay_out_parts
from modelbuild_runtime.http.wire import CONTINUE, LARGE, render

if TYPE_CHECKING:
    from modelbuild_runtime.http.application import Application
    from modelbuild_runtime.http.connection import Connection
    from modelbuild_runtime.http.holding import Holding


class Writer:
    """Writes for one connection, and asks in its name: see ``Asker``. ``pending`` are the requests whose responses are
    not yet written, oldest first. ``paused``: the client does not read. ``wants_continue``: it sends a body when it is
    told to go on, after the answers to all requests before.
    """

    __slots__ = (
        "_app",
        "_connection",
        "_holding",
        "_pump",
        "_transport",
        "number",
        "paused",
        "pending",
        "unsent",
        "wants_continue",
    )

    def __init__(self, app: Application, connection: Connection, holding: Holding) -> None:
        self._app = app
        self._connection = connection
        self._holding = holding
        self._transport: asyncio.Transport
        self._pump: Optional[Pump] = None  # of the first of the pending, whose answer is being sent in parts
        self.number = 0
        self.unsent: Callable[[], int] = int
        self.paused = False
        self.pending: Deque[Exchange] = deque()
        self.wants_continue = False

    def begin(self, transport: asyncio.Transport) -> None:
        """The connection is made."""
        self._transport = transport

    def deliver(self, exchange: Exchange, response: HttpResponse) -> None:
        """Write a response as soon as all before it are written."""
        pending = self.pending
        if exchange.plain and not self._app.draining and len(response.body) < LARGE and response.parts is None:
            rendered = render(response, exchange.id)
            if len(pending) == 1 and not self.wants_continue and not self.paused and not self._holding.bodies:
                pending.clear()
                self._transport.write(rendered)
                self._connection.since = self._app.now
                return
            exchange.data = rendered
        elif response.parts is not None:
            lay_out_parts(exchange, response, response.parts, self, draining=self._app.draining)
        else:
            lay_out(exchange, response, draining=self._app.draining)
        self._write_ready()

    def keep(self, size: int) -> None:
        """The body that was just read is of this size, and stays until it is answered.

        Raises:
            ServerError: there is no room for it.
        """
        error = self._holding.keep(size)
        if error is not None:
            raise error

    def expect(self) -> None:
        """The client waits to be told to go on."""
        self.wants_continue = True
        if not self.pending:
            self._send_continue()

    def resume(self) -> None:
        """The client reads again."""
        if self._pump is not None:
            self._pump.more()

    def forget(self) -> None:
        """Nobody waits for answers any more."""
        for exchange in self.pending:
            exchange.abandon()
            if exchange.pump is not None:
                exchange.pump.stop()
        self.pending.clear()

    # Answers in parts

    @property
    def takes_parts(self) -> bool:
        """False while the client does not read."""
        return not self.paused

    def write_part(self, part: bytes) -> None:
        """One part of the first answer."""
        chunked = self.pending[0].version != "1.0"
        self._transport.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        self._connection.since = self._app.now

    def end_parts(self) -> None:
        """The first answer is whole."""
        self._pump = None
        first = self.pending.popleft()
        if first.version != "1.0":
            self._transport.write(b"0\r\n\r\n")
        if not first.keep_alive:
            self._connection.close()
            return
        self._connection.since = self._app.now
        self._write_ready()

    def abort_parts(self, _error: ServerError) -> None:
        """The first answer cannot be finished: the client learns it from an end without an end."""
        self._pump = None
        self._transport.abort()

    # Inside

    def _write_ready(self) -> None:
        """Write the answers that are there, up to one whose parts are still to come."""
        pending = self.pending
        while pending and (data := pending[0].data) is not None:
            first = pending[0]
            if first.pump is not None:
                first.data, self._pump = None, first.pump
                self._transport.write(data)
                self._pump.more()
                return
            pending.popleft()
            self._transport.write(data)
            if first.rest:
                self._transport.write(first.rest)
            if not first.keep_alive:
                self._connection.close()
                return
        if not pending and self.wants_continue:
            self._send_continue()
        self._connection.written()

    def _send_continue(self) -> None:
        self.wants_continue = False
        self._transport.write(CONTINUE)
