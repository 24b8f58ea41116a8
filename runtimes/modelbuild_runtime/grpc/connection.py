"""One client's connection over HTTP/2 with prior knowledge: its socket, and patience with who is slow, silent or wrong.

Source: RFC 9113.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Callable, List, Optional

from modelbuild_runtime.grpc import frames, messages
from modelbuild_runtime.grpc.frame_reader import FrameReader
from modelbuild_runtime.grpc.frames import Violation
from modelbuild_runtime.grpc.session import Session
from modelbuild_runtime.http.exchange import Exchange

if TYPE_CHECKING:
    from modelbuild_runtime.http.application import Application
    from modelbuild_runtime.http.routes import Routes

logger = logging.getLogger(__name__)

_QUIET = 60.0
"""Seconds without a frame, while calls are open, after which the client is asked whether it is there."""
_LEAST_RATE = 1024.0
"""Bytes a second that a frame must arrive with, once the read timeout is over."""
_LINGER = 2.0
"""Seconds to read and drop what a client still sends, because closing at once would destroy what it was told last."""
_NOT_HTTP2 = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: 54\r\n\r\n"
    b"this port is for gRPC; HTTP/1.1 is spoken on another.\n"
)


class Connection(asyncio.Protocol):
    """The frames that come are handed to the ``session``, which writes those that go.

    What messages are made of is read when somebody speaks gRPC: most servers are never asked so. It takes a while, so
    it is done beside the loop, and only who speaks waits for it, with what was ``_unread`` so far.
    """

    __slots__ = ("_app", "_lingering", "_pinged", "_reader", "_since", "_transport", "_unread", "session")

    def __init__(self, app: Application, routes: Routes) -> None:
        self.session = Session(app, routes, self._close)
        self._app = app
        self._transport: asyncio.Transport
        self._reader = FrameReader(self.session, app.settings.max_head)
        self._pinged = 0.0  # when the client was asked whether it is there, and has not said a thing since
        self._lingering = False  # all is said
        self._since = app.now
        self._unread: Optional[bytes] = None if messages.prepared() else b""

    @property
    def pending(self) -> List[Exchange]:
        """The requests that have no answer yet."""
        return [exchange for stream in self.session.streams.values() for exchange in stream.pending]

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # TCP sockets have the full transport
        self.session.write = self._transport.write
        peer = transport.get_extra_info("socket")
        if peer is not None and peer.family in {socket.AF_INET, socket.AF_INET6}:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._app.coming.pop(self, None)
        self._app.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._unread is not None and self._app.opened:
            self._wait(data)
        elif not self._lingering:
            self._take(data)

    def connection_lost(self, _error: Optional[Exception]) -> None:
        self._lingering = True
        self._app.connections.discard(self)
        self.session.give_up()
        self._reader.stop()

    def pause_writing(self) -> None:
        """The client does not read: read no more of what it sends."""
        self.session.room.paused = True
        self._since = self._app.now
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self.session.room.paused = False
        if not self._transport.is_closing():
            self._transport.resume_reading()
            self.session.room.go_on()

    # The server's

    def drain(self) -> None:
        """The server stops: take no more calls, and close as soon as none is on its way."""
        if not self._lingering:
            self.session.drain(greeted=self._reader.greeted)

    def abort(self) -> None:
        """Part with the client at once."""
        self._transport.abort()

    def patrol(self, now: float) -> None:
        """Called about once a second: part with clients that are too slow, idle for too long, or do not read."""
        settings, session, passed = self._app.settings, self.session, now - self._since
        session.forgive()
        if self._lingering or session.room.paused:
            if passed > (_LINGER if self._lingering else settings.timeout):
                self._transport.abort()
        elif self._reader.begun and passed > settings.read_timeout + len(self._reader.rest) / _LEAST_RATE:
            self._violated(Violation(frames.PROTOCOL_ERROR, "a frame was not sent in time"))
        elif self._pinged and now - self._pinged > _QUIET:
            self._transport.abort()
        elif not session.streams and passed > settings.keep_alive:
            session.leave()
        else:
            if session.streams and passed > _QUIET and not self._pinged:  # perhaps it has gone without a word
                self._pinged = now
                session.write(frames.frame(frames.PING, 0, 0, b"mbuild??"))
            session.patrol(now)

    # Inside

    def _take(self, data: bytes) -> None:
        try:
            if not self._reader.greeted:
                self._greet(data)
            if self._reader.feed(data) and not self._reader.in_block:
                self._since = self._app.now
                self._pinged = 0.0
        except Violation as violation:
            self._violated(violation)

    def _wait(self, data: bytes) -> None:
        begun, self._unread = bool(self._unread), (self._unread or b"") + data
        if not begun:
            self._transport.pause_reading()
            self._app.beside(self._prepare)

    def _prepare(self) -> Callable[[], None]:
        try:
            messages.prepare()
        except BaseException:  # this is the thread, which has to live on; each call will say so
            logger.exception("the messages of gRPC cannot be read")
        return self._go_on

    def _go_on(self) -> None:
        data, self._unread = self._unread or b"", None
        if not self._lingering and not self._transport.is_closing():
            self._transport.resume_reading()
            self._take(data)

    def _greet(self, data: bytes) -> None:
        """The client's first bytes: our settings are the answer, if they are those of HTTP/2."""
        begun = self._reader.rest + data
        if begun.startswith(frames.PREFACE):
            self.session.greet()
        elif b" HTTP/1." in begun:
            self.session.write(_NOT_HTTP2)
            self._close()

    def _close(self) -> None:
        self._lingering = True
        self._reader.stop()
        self._transport.close()

    def _violated(self, violation: Violation) -> None:
        self._lingering = True
        self._since = self._app.now
        self.session.give_up()
        self._reader.stop()
        if self._transport.is_closing():
            return
        self.session.write(frames.goaway(self.session.last, violation.code, violation.message))
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()
