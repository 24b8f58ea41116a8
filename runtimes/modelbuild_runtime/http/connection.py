"""One client's connection: what it sends goes to its reader, answers come from its writer. Here is what keeps clients
apart from each other: backpressure, and patience that ends.
"""

from __future__ import annotations

import asyncio
import socket
from time import monotonic
from typing import TYPE_CHECKING, Optional, Union

from modelbuild_runtime.errors import RequestTimeout, ServerError
from modelbuild_runtime.http.heads import Head
from modelbuild_runtime.http.holding import Holding
from modelbuild_runtime.http.in_place import InPlace
from modelbuild_runtime.http.limits import SMALL
from modelbuild_runtime.http.reader import Reader
from modelbuild_runtime.http.writer import Writer

if TYPE_CHECKING:
    from modelbuild_runtime.http.application import Application
    from modelbuild_runtime.http.routes import Routes

_MAX_PENDING = 64
"""Pipelined requests in flight from which reading pauses."""
_LINGER = 2.0
"""Seconds to read and drop what a refused client still sends, because closing at once would destroy the answer on its
way; and seconds that a client which has stopped sending may wait for its answers, before it is taken for gone."""
_BEHIND = 0.05
"""Seconds after a request in which the end of what a client sends may be a way to send it: later, it has given up."""
_LEAST_RATE = 1024.0
"""Bytes a second that a client must send, once the read timeout is over."""


class Connection(asyncio.Protocol):
    """``pending`` are the requests whose responses are not yet written, oldest first; ``writer`` is who asks for them.
    ``since`` is when the client did something last, or something was done for it.
    """

    __slots__ = (
        "_app",
        "_finished",
        "_fresh",
        "_half_closed",
        "_holding",
        "_known_heads",
        "_lends",
        "_lingering",
        "_paused",
        "_reader",
        "_refused",
        "_transport",
        "pending",
        "since",
        "writer",
    )

    def __init__(self, app: Application, routes: Optional[Routes] = None) -> None:
        routes = routes or app.routes
        self._app = app
        self._known_heads = routes.known_heads
        self._holding = Holding(app)
        self.writer = writer = Writer(app, self, self._holding)
        self.pending = writer.pending
        self._reader = Reader(app, routes, self._holding, self._take, writer.expect)
        self._transport: asyncio.Transport
        self.since = app.now
        self._fresh = True  # no request has come yet
        self._finished = False  # no more are read; closes when the last response is written
        self._refused = False
        self._paused = False
        self._half_closed = False
        self._lingering = False
        self._lends = False  # another may read in its place

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # TCP sockets have the full transport
        self.writer.begin(self._transport)
        peer = transport.get_extra_info("socket")
        if peer is not None and peer.family in {socket.AF_INET, socket.AF_INET6}:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            keeper = self._app.keeper
            self._lends = transport.get_extra_info("sslcontext") is None
            if keeper is not None and self._lends:
                self.writer.number = keeper.opened(peer)
                self.writer.unsent = self._transport.get_write_buffer_size
        self._app.coming.pop(self, None)
        self._app.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._finished:
            return
        head_text = b""
        if not self._reader.begun:
            lines, blank, body = data.partition(b"\r\n\r\n")
            head_text = lines + blank if blank else b""
            head = self._known_heads.get(head_text) or self._known_heads.like(head_text)
            if head is not None and head.length == len(body):  # such a head says nothing of the connection
                self._fresh = self.writer.wants_continue = False
                self._app.accept(self.writer, head, body)
                if len(self.pending) > _MAX_PENDING:
                    self._pace()
                return
            if self._lends and head is not None and head.length > max(SMALL, len(body)):
                self._read_in_place(head, head_text, memoryview(body))
                return
        error = self._reader.feed(data, head_text)
        if error is not None:
            self._refuse(error)
        elif self._lends and self._reader.begun:
            self._hand_over()

    def eof_received(self) -> bool:
        """The client sends no more: it is gone, unless that comes right behind its request. Then it may still read, and
        answers that come soon are written, but not over TLS, where the end of what is sent is the end.
        """
        self._finished = True
        if not self.pending or not self._transport.can_write_eof():
            return False
        if monotonic() - self.pending[-1].received > _BEHIND:
            return False
        self.pending[-1].keep_alive = self.pending[-1].plain = False
        self._half_closed = True
        self.since = self._app.now
        return True

    def connection_lost(self, _error: Optional[Exception]) -> None:
        self._finished = True
        keeper = self._app.keeper
        if self.writer.number and keeper is not None:
            keeper.closed(self.writer.number)
        self._app.connections.discard(self)
        self._forget()
        self._holding.leave(0)
        self._reader.close()
        del self.writer  # which knows the connection: neither has to wait for the garbage collector

    def pause_writing(self) -> None:
        """The client does not read its answers: read no more of its requests."""
        self.writer.paused = True
        self.since = self._app.now
        self._holding.leave(self._transport.get_write_buffer_size())
        if self._holding.crowds:
            self._transport.abort()
        self._pace()

    def resume_writing(self) -> None:
        self.writer.paused = False
        self._holding.leave(0)
        self._pace()
        self.writer.resume()

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
        self._holding.current = 0  # what is read next is another request

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

    def drain(self) -> None:
        """The server stops: close as soon as nothing is on its way."""
        if not self.pending and not self._reader.begun:
            self._finished = True
            if not self._transport.can_write_eof() and not self._transport.get_write_buffer_size():
                self._lingering = True  # an idle client may not notice that TLS ends, and is not waited for
                self.since = self._app.now
            self._transport.close()

    # What the writer says

    def written(self) -> None:
        """Answers were written: what has waited for that?"""
        self.since = self._app.now
        if not self.pending and not self._reader.begun:
            self._holding.release()
        if self._paused:
            self._pace()

    def close(self) -> None:
        """All is written. Say so, and wait for the client to close where it may still be sending."""
        self._finished = True
        self._forget()
        if not self._refused:
            self._transport.close()
            return
        self._lingering = True
        self.since = self._app.now
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()  # of TLS: writes what there is, and drops what still comes, until the client ends

    # Time

    def abort(self) -> None:
        """Part with the client at once."""
        self._transport.abort()

    def patrol(self, now: float) -> None:
        """Called about once a second: part with clients that are too slow, idle for too long, or do not read."""
        settings = self._app.settings
        passed = now - self.since
        if self._lingering or self._half_closed:
            if passed > _LINGER:
                self._transport.abort()
        elif self.writer.paused:
            if (unread := self._transport.get_write_buffer_size()) != self._holding.unread:  # it reads, if slowly
                self._holding.leave(unread)
                self.since = now
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
        self.writer.wants_continue = False
        if not head.keep_alive:
            self._finished = True
        self._app.accept(self.writer, head, body)
        if len(self.pending) > _MAX_PENDING:
            self._pace()

    def _refuse(self, error: ServerError) -> None:
        """Answer with an error, after all answers before it, and close: where the next request begins is unknown."""
        self._finished = self._refused = True
        self._app.reject(self.writer, self._reader.refused(error), error)

    def _forget(self) -> None:
        self.writer.forget()
        self._holding.release()

    def _pace(self) -> None:
        """Pause or resume reading."""
        if self._transport.is_closing():  # the writer may be gone, too
            return
        pause = self.writer.paused or len(self.pending) > _MAX_PENDING
        if pause == self._paused:
            return
        self._paused = pause
        self.since = self._app.now
        if pause:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
