"""One client's connection: bytes to requests, and responses to bytes in the order of the requests.

llhttp parses, strictly. Here are the limits, kept while reading, and what keeps clients apart from each other: order,
backpressure, slow and rude peers.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import TYPE_CHECKING, Deque, Dict, List, Optional

import httptools

from modelbuild_runtime.errors import (
    ExpectationFailed,
    HeadTooLarge,
    InvalidInput,
    RequestTimeout,
    ServerError,
    TooLarge,
    Unsupported,
    UriTooLong,
    VersionNotSupported,
)
from modelbuild_runtime.exchange import Exchange
from modelbuild_runtime.http import HttpResponse
from modelbuild_runtime.wire import CLOSE, CONTINUE, KEEP_ALIVE, render

if TYPE_CHECKING:
    from modelbuild_runtime.app import Application

_MAX_TARGET = 8192
_MAX_FIELDS = 100
_MAX_PENDING = 64
"""Pipelined requests in flight from which reading pauses."""
_LINGER = 2.0
"""Seconds to read and drop what a refused client still sends, because closing at once would destroy the answer on its
way; and seconds that a client which has stopped sending may wait for its answers, before it is taken for gone."""
_LEAST_RATE = 1024.0
"""Bytes a second that a client must send, once the read timeout is over."""


class Connection(asyncio.Protocol):
    """``pending`` are the requests whose responses are not yet written, oldest first."""

    __slots__ = (
        "_app",
        "_body",
        "_chunk",
        "_finished",
        "_half_closed",
        "_head_text",
        "_headers",
        "_in_head",
        "_lingering",
        "_parser",
        "_paused",
        "_reading",
        "_received",
        "_refusal",
        "_since",
        "_size",
        "_target",
        "_transport",
        "_wants_continue",
        "_write_paused",
        "pending",
    )

    def __init__(self, app: Application) -> None:
        self._app = app
        self.pending: Deque[Exchange] = deque()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._reading = True  # a request has begun, or is expected to: a new connection has to say something
        self._in_head = True
        self._finished = False  # nothing more is parsed; closes when the last response is written
        self._paused = False
        self._write_paused = False
        self._wants_continue = False
        self._lingering = False
        self._half_closed = False
        self._refusal: Optional[ServerError] = None
        self._since = app.now
        self._received = 0
        self._chunk = 0
        self._size = 0
        self._target = b""
        self._headers: Dict[bytes, bytes] = {}
        self._body: List[bytes] = []
        self._head_text = b""  # of a request that began with what was read last

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # TCP sockets have the full transport
        peer = transport.get_extra_info("socket")
        if peer is not None and peer.family in {socket.AF_INET, socket.AF_INET6}:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._app.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._finished:
            return
        if not (self._reading and self._received):  # between two requests
            end = data.find(b"\r\n\r\n") + 4
            head = self._app.known_heads.get(data[:end])
            if head is not None and head.length == len(data) - end:
                self._reading = False
                self._app.accept(self, head, data[end:])
                if len(self.pending) > _MAX_PENDING:
                    self._pace()
                return
            self._head_text = data[:end]
        self._chunk = len(data)
        self._received += self._chunk
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._after_upgrade(data, upgrade.args[0])
        except httptools.HttpParserError as error:
            if not self._finished:  # what follows a request that closes the connection is not a request
                self._refuse(self._refusal or InvalidInput(f"malformed HTTP request: {error}"))
        if self._in_head and self._received > self._app.settings.max_head and not self._finished:
            self._refuse(HeadTooLarge(f"the request's head is larger than {self._app.settings.max_head} bytes"))

    def eof_received(self) -> bool:
        """The client sends no more: it may still read, or be gone. Answers that come soon are written."""
        self._finished = True
        if not self.pending:
            return False
        self.pending[-1].keep_alive = self.pending[-1].plain = False
        self._half_closed = True
        self._since = self._app.now
        return True

    def connection_lost(self, _error: Optional[Exception]) -> None:
        self._finished = True
        self._app.connections.discard(self)
        for exchange in self.pending:
            exchange.cancelled = True
        self.pending.clear()

    def pause_writing(self) -> None:
        """The client does not read its answers: read no more of its requests."""
        self._write_paused = True
        self._since = self._app.now
        self._pace()

    def resume_writing(self) -> None:
        self._write_paused = False
        self._pace()

    # httptools' callbacks

    def on_message_begin(self) -> None:
        self._reading = self._in_head = True
        self._since = self._app.now
        self._received = self._chunk
        self._size = 0
        self._target = b""
        self._headers = {}
        self._body = []

    def on_url(self, url: bytes) -> None:
        self._target += url
        if len(self._target) > _MAX_TARGET:
            self._stop(UriTooLong(f"the request's target is longer than {_MAX_TARGET} bytes"))

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:  # a trailer: could only be used to slip something past whoever checked the head
            return
        name = name.lower()
        headers = self._headers
        if name in headers:
            if name in _SINGLE:
                self._stop(InvalidInput(f"more than one {name.decode()} field"))
            value = headers[name] + b", " + value
        headers[name] = value

    def on_headers_complete(self) -> None:
        self._in_head = False
        headers = self._headers
        if len(headers) > _MAX_FIELDS or self._received > self._app.settings.max_head:
            self._check_head()
        version = self._parser.get_http_version()
        if version != "1.1":
            self._check_version(version)
        elif b"host" not in headers:
            self._stop(InvalidInput("there is no Host field"))
        if b"transfer-encoding" in headers and headers[b"transfer-encoding"].lower() != b"chunked":
            self._stop(Unsupported("of the transfer codings only chunked is read here"))
        length = headers.get(b"content-length")
        if length is not None and int(length) > self._app.settings.max_body:
            self._stop(TooLarge(f"the body is larger than {self._app.settings.max_body} bytes"))
        if b"expect" in headers:
            self._expect(headers[b"expect"], version)

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > self._app.settings.max_body:
            self._stop(TooLarge(f"the body is larger than {self._app.settings.max_body} bytes"))
        self._body.append(body)

    def on_message_complete(self) -> None:
        if b"upgrade" in self._headers and self._parser.should_upgrade():
            return  # llhttp stops before the body: see _after_upgrade
        self._reading = False
        self._wants_continue = False
        parser, body = self._parser, self._body
        keep_alive = parser.should_keep_alive()
        if not keep_alive:
            self._finished = True
        method, version = parser.get_method(), parser.get_http_version()
        head = self._app.head(method, self._target, self._headers, version, keep_alive=keep_alive)
        if self._head_text.startswith(b"%b %b HTTP/1.1\r\n" % (method, self._target)):
            self._app.known_heads.add(self._head_text, head)
        self._head_text = b""
        self._app.accept(self, head, body[0] if len(body) == 1 else b"".join(body))
        if len(self.pending) > _MAX_PENDING:
            self._pace()

    # Responses

    def deliver(self, exchange: Exchange, response: HttpResponse) -> None:
        """Write a response as soon as all before it are written."""
        pending = self.pending
        if exchange.plain and not self._app.draining:
            exchange.data = rendered = render(response, exchange.id)
            if len(pending) == 1 and not self._paused and not self._wants_continue:
                pending.clear()
                self._transport.write(rendered)
                self._since = self._app.now
                return
        else:
            exchange.data = self._render(exchange, response)
        while pending and (data := pending[0].data) is not None:
            first = pending.popleft()
            self._transport.write(data)
            if not first.keep_alive:
                self._close()
                return
        self._since = self._app.now
        if self._wants_continue and not pending:
            self._send_continue()
        if self._paused:
            self._pace()

    def _render(self, exchange: Exchange, response: HttpResponse) -> bytes:
        """What is not as usual: the connection closes, the client speaks HTTP/1.0, or wants no body."""
        if self._app.draining:
            exchange.keep_alive = False
        connection = CLOSE if not exchange.keep_alive else KEEP_ALIVE if exchange.version == "1.0" else b""
        return render(response, exchange.id, connection, head=exchange.http.method == "HEAD")

    def drain(self) -> None:
        """The server stops: close as soon as nothing is on its way."""
        if not self.pending and not (self._reading and self._received):
            self._finished = True
            self._transport.close()

    def patrol(self, now: float) -> None:
        """Called about once a second: part with clients that are too slow, idle for too long, or do not read."""
        settings = self._app.settings
        passed = now - self._since
        if self._lingering or self._half_closed:
            if passed > _LINGER:
                self._transport.abort()
        elif self._write_paused:
            if passed > settings.timeout:
                self._transport.abort()
        elif self._reading:
            if passed > settings.read_timeout + self._received / _LEAST_RATE and not self._paused:
                self._time_out()
        elif not self.pending and passed > settings.keep_alive:
            self._finished = True
            self._transport.close()

    # Inside

    def _stop(self, error: ServerError) -> None:
        """From inside the parser: refuse the request being read."""
        self._refusal = error
        raise error

    def _refuse(self, error: ServerError) -> None:
        """Answer with an error, after all answers before it, and close: where the next request begins is unknown."""
        self._finished = True
        self._reading = False
        self._refusal = error
        try:
            method = self._parser.get_method() or b"GET"
        except Exception:  # noqa: BLE001  # there is none before the first request
            method = b"GET"
        self._app.reject(self, method, self._target, self._headers, error)

    def _time_out(self) -> None:
        if not self._received:
            self._finished = True
            self._transport.close()
            return
        self._refuse(RequestTimeout("the request was not sent in time"))

    def _check_head(self) -> None:
        size = len(self._target) + sum(len(name) + len(value) + 4 for name, value in self._headers.items())
        if len(self._headers) > _MAX_FIELDS or size > self._app.settings.max_head:
            limit = f"{_MAX_FIELDS} fields or {self._app.settings.max_head} bytes"
            self._stop(HeadTooLarge(f"the request's head is larger than {limit}"))

    def _check_version(self, version: str) -> None:
        if version != "1.0":
            self._stop(VersionNotSupported(f"HTTP/{version} is not spoken here; use HTTP/1.1"))
        if b"transfer-encoding" in self._headers:
            self._stop(InvalidInput("HTTP/1.0 has no transfer codings"))

    def _expect(self, expectation: bytes, version: str) -> None:
        if expectation.lower() != b"100-continue":
            self._stop(ExpectationFailed("only 100-continue can be expected"))
        if version == "1.1":
            self._wants_continue = True
            if not self.pending:
                self._send_continue()

    def _send_continue(self) -> None:
        self._wants_continue = False
        if not self._size:
            self._transport.write(CONTINUE)

    def _after_upgrade(self, data: bytes, offset: int) -> None:
        """A request asked for another protocol, as Java's client does with each first one. It is answered in this one:
        read it again as if it had not asked.
        """
        head = b""
        if self._headers.pop(b"upgrade", None) is not None:
            self._headers.pop(b"expect", None)  # has been answered
            fields = b"".join([b"%b: %b\r\n" % item for item in self._headers.items()])
            head = b"%b %b HTTP/1.1\r\n%b\r\n" % (self._parser.get_method(), self._target, fields)
        if not self._finished and (again := head + data[offset:]):
            self.data_received(again)

    def _close(self) -> None:
        """All is written. Say so, and wait for the client to close where it is still sending."""
        self._finished = True
        for exchange in self.pending:
            exchange.cancelled = True
        self.pending.clear()
        if self._refusal is None or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._lingering = True
        self._since = self._app.now
        self._transport.write_eof()

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


_SINGLE = frozenset((b"host", b"content-length", b"content-type", b"inference-header-content-length"))
"""Fields that two parties could read differently if there were two of them."""
