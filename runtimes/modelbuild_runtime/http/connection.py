"""One client's connection: its requests in, their responses out in the same order, and what keeps clients apart from
each other: backpressure, and patience that ends.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import TYPE_CHECKING, Callable, Deque, Optional, Union

from modelbuild_runtime.errors import RequestTimeout, ServerError
from modelbuild_runtime.http.exchange import Exchange
from modelbuild_runtime.http.heads import Head
from modelbuild_runtime.http.in_place import InPlace
from modelbuild_runtime.http.limits import SMALL
from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.http.pump import Pump
from modelbuild_runtime.http.reader import Reader
from modelbuild_runtime.http.unusual import lay_out, lay_out_parts
from modelbuild_runtime.http.wire import CONTINUE, LARGE, render

if TYPE_CHECKING:
    from modelbuild_runtime.http.application import Application
    from modelbuild_runtime.http.routes import Routes

_MAX_PENDING = 64
"""Pipelined requests in flight from which reading pauses."""
_LINGER = 2.0
"""Seconds to read and drop what a refused client still sends, because closing at once would destroy the answer on its
way; and seconds that a client which has stopped sending may wait for its answers, before it is taken for gone."""
_LEAST_RATE = 1024.0
"""Bytes a second that a client must send, once the read timeout is over."""


class Connection(asyncio.Protocol):
    """``pending`` are the requests whose responses are not yet written, oldest first. ``number`` is that by which
    another process knows the connection, 0 where none does.
    """

    __slots__ = (
        "_app",
        "_finished",
        "_fresh",
        "_half_closed",
        "_known_heads",
        "_lends",
        "_lingering",
        "_paused",
        "_pump",
        "_reader",
        "_refused",
        "_since",
        "_transport",
        "_unread",
        "_wants_continue",
        "_write_paused",
        "number",
        "pending",
        "unsent",
    )

    def __init__(self, app: Application, routes: Optional[Routes] = None) -> None:
        routes = routes or app.routes
        self._app = app
        self._known_heads = routes.known_heads
        self._reader = Reader(app, routes, self._take, self._expect)
        self._transport: asyncio.Transport
        self._since = app.now
        self._fresh = True  # no request has come yet
        self._finished = False  # no more are read; closes when the last response is written
        self._refused = False
        self._paused = False
        self._write_paused = False
        self._unread = 0  # bytes of answers that wait for the client to read, as of the last look
        self._half_closed = False
        self._lingering = False
        self._wants_continue = False
        self._lends = False  # another may read in its place
        self._pump: Optional[Pump] = None  # of the first of the pending, whose answer is being sent in parts
        self.number = 0
        self.unsent: Callable[[], int] = int  # bytes that were written and have not left, of one that has a number
        self.pending: Deque[Exchange] = deque()

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # TCP sockets have the full transport
        peer = transport.get_extra_info("socket")
        if peer is not None and peer.family in {socket.AF_INET, socket.AF_INET6}:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            keeper = self._app.keeper
            self._lends = transport.get_extra_info("sslcontext") is None
            if keeper is not None and self._lends:
                self.number = keeper.opened(peer)
                self.unsent = self._transport.get_write_buffer_size
        self._app.coming.pop(self, None)
        self._app.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._finished:
            return
        head_text = b""
        if not self._reader.begun:
            end = data.find(b"\r\n\r\n") + 4
            head_text = data[:end]
            head = self._known_heads.get(head_text) or self._known_heads.like(head_text)
            if head is not None and head.length == len(data) - end:  # such a head says nothing of the connection
                self._fresh = self._wants_continue = False
                self._app.accept(self, head, data[end:])
                if len(self.pending) > _MAX_PENDING:
                    self._pace()
                return
            if self._lends and head is not None and head.length > max(SMALL, len(data) - end):
                self._read_in_place(head, head_text, memoryview(data)[end:])
                return
        error = self._reader.feed(data, head_text)
        if error is not None:
            self._refuse(error)
        elif self._lends and self._reader.begun:
            self._hand_over()

    def eof_received(self) -> bool:
        """The client sends no more: it may still read, or be gone. Answers that come soon are written, but not over
        TLS, where the end of what is sent is the end.
        """
        self._finished = True
        if not self.pending or not self._transport.can_write_eof():
            return False
        self.pending[-1].keep_alive = self.pending[-1].plain = False
        self._half_closed = True
        self._since = self._app.now
        return True

    def connection_lost(self, _error: Optional[Exception]) -> None:
        self._finished = True
        keeper = self._app.keeper
        if self.number and keeper is not None:
            keeper.closed(self.number)
        self._app.connections.discard(self)
        self._forget()
        self._count_unread(0)
        self._reader.close()

    def pause_writing(self) -> None:
        """The client does not read its answers: read no more of its requests."""
        self._write_paused = True
        self._since = self._app.now
        self._count_unread(self._transport.get_write_buffer_size())
        if self._unread < self._app.held > self._app.max_held:  # alone it may have all of the room
            self._transport.abort()
        self._pace()

    def resume_writing(self) -> None:
        self._write_paused = False
        self._count_unread(0)
        self._pace()
        if self._pump is not None:
            self._pump.more()

    # Large bodies

    def read_by(self, reads: asyncio.BaseProtocol) -> None:
        """From now on this reads what comes: the connection itself, or another in its place."""
        transport = self._transport
        transport.pause_reading()  # uvloop looks at how a protocol reads when it begins to
        transport.set_protocol(reads)
        if not self._paused:
            transport.resume_reading()

    @property
    def finished(self) -> bool:
        """Nothing that is read is a request any more."""
        return self._finished

    def known(self, text: bytes) -> Optional[Head]:
        """The head of these bytes, if it was read before."""
        return self._known_heads.get(text)

    def begin_body(self, head: Head, received: int = 0) -> bool:
        """The head of a request with a large body was read, and so much of the body; False where it is refused."""
        error = self._reader.begin_body(head, received)
        if error is not None:
            self._refuse(error)
        return error is None

    def read_more(self, size: int) -> None:
        """So many bytes of it were read."""
        self._reader.received += size

    def take_body(self, head: Head, body: bytearray) -> None:
        """All of it was read."""
        self._reader.end_body()
        self._take(head, body)
        self._reader.taken()

    def _read_in_place(self, head: Head, text: bytes, body: memoryview) -> None:
        if self.begin_body(head, len(text) + len(body)):
            reads = InPlace(self, head, text)
            reads.go_on(body)
            self.read_by(reads)

    def _hand_over(self) -> None:
        """Let the rest of a large body be read in place, where that can be."""
        found = self._reader.hand_over()
        if isinstance(found, ServerError):
            self._refuse(found)
        elif found is not None:
            head, text, body = found
            self._read_in_place(head, text, memoryview(body))

    # Responses

    def deliver(self, exchange: Exchange, response: HttpResponse) -> None:
        """Write a response as soon as all before it are written."""
        pending = self.pending
        if exchange.plain and not self._app.draining and len(response.body) < LARGE and response.parts is None:
            exchange.data = rendered = render(response, exchange.id)
            if len(pending) == 1 and not self._wants_continue and not self._paused and not self._reader.held:
                pending.clear()
                self._transport.write(rendered)
                self._since = self._app.now
                return
        elif response.parts is not None:
            lay_out_parts(exchange, response, response.parts, self, draining=self._app.draining)
        else:
            lay_out(exchange, response, draining=self._app.draining)
        self._write_ready()

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
                self._close()
                return
        self._since = self._app.now
        self._after()

    # Answers in parts

    @property
    def takes_parts(self) -> bool:
        """False while the client does not read."""
        return not self._write_paused

    def write_part(self, part: bytes) -> None:
        """One part of the first answer."""
        chunked = self.pending[0].version != "1.0"
        self._transport.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        self._since = self._app.now

    def end_parts(self) -> None:
        """The first answer is whole."""
        self._pump = None
        first = self.pending.popleft()
        if first.version != "1.0":
            self._transport.write(b"0\r\n\r\n")
        if not first.keep_alive:
            self._close()
            return
        self._since = self._app.now
        self._write_ready()

    def abort_parts(self, _error: ServerError) -> None:
        """The first answer cannot be finished: the client learns it from an end without an end."""
        self._pump = None
        self._transport.abort()

    def drain(self) -> None:
        """The server stops: close as soon as nothing is on its way."""
        if not self.pending and not self._reader.begun:
            self._finished = True
            if not self._transport.can_write_eof() and not self._transport.get_write_buffer_size():
                self._lingering = True  # an idle client may not notice that TLS ends, and is not waited for
                self._since = self._app.now
            self._transport.close()

    def keep(self, size: int) -> None:
        """The body that was just read is of this size, and stays until it is answered.

        Raises:
            ServerError: there is no room for it.
        """
        self._reader.keep(size)

    def abort(self) -> None:
        """Part with the client at once."""
        self._transport.abort()

    def patrol(self, now: float) -> None:
        """Called about once a second: part with clients that are too slow, idle for too long, or do not read."""
        settings = self._app.settings
        passed = now - self._since
        if self._lingering or self._half_closed:
            if passed > _LINGER:
                self._transport.abort()
        elif self._write_paused:
            if (unread := self._transport.get_write_buffer_size()) != self._unread:  # it reads, if slowly
                self._count_unread(unread)
                self._since = now
            elif passed > settings.timeout:
                self._transport.abort()
        elif self._reader.begun:
            allowed = settings.read_timeout + self._reader.received / _LEAST_RATE
            if now - self._reader.since > allowed and not self._paused:
                self._refuse(RequestTimeout("the request was not sent in time"))
        elif not self.pending and passed > (settings.read_timeout if self._fresh else settings.keep_alive):
            self._finished = True
            self._transport.close()

    # Inside

    def _take(self, head: Head, body: Union[bytes, bytearray]) -> None:
        """A whole request was read."""
        self._fresh = False
        self._wants_continue = False
        if not head.keep_alive:
            self._finished = True
        self._app.accept(self, head, body)
        if len(self.pending) > _MAX_PENDING:
            self._pace()

    def _refuse(self, error: ServerError) -> None:
        """Answer with an error, after all answers before it, and close: where the next request begins is unknown."""
        self._finished = self._refused = True
        self._app.reject(self, self._reader.refused(error), error)

    def _expect(self) -> None:
        """The client sends the body when it is told to go on, after the answers to all requests before."""
        self._wants_continue = True
        if not self.pending:
            self._send_continue()

    def _send_continue(self) -> None:
        self._wants_continue = False
        self._transport.write(CONTINUE)

    def _after(self) -> None:
        """Answers were written: what has waited for that?"""
        if not self.pending:
            if self._wants_continue:
                self._send_continue()
            if not self._reader.begun:
                self._reader.release()
        if self._paused:
            self._pace()

    def _close(self) -> None:
        """All is written. Say so, and wait for the client to close where it may still be sending."""
        self._finished = True
        self._forget()
        if not self._refused:
            self._transport.close()
            return
        self._lingering = True
        self._since = self._app.now
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()  # of TLS: writes what there is, and drops what still comes, until the client ends

    def _forget(self) -> None:
        for exchange in self.pending:
            exchange.cancelled = True
            if exchange.pump is not None:
                exchange.pump.stop()
        self.pending.clear()
        self._reader.release()

    def _count_unread(self, size: int) -> None:
        """Answers that are not read take memory as bodies do."""
        self._app.held += size - self._unread
        self._unread = size

    def _pace(self) -> None:
        """Pause or resume reading."""
        pause = self._write_paused or len(self.pending) > _MAX_PENDING
        if pause == self._paused or self._transport.is_closing():
            return
        self._paused = pause
        self._since = self._app.now
        if pause:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
