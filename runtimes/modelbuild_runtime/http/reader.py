"""Bytes to requests. llhttp parses, strictly; the limits are kept here while a request is still being read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Dict, Optional, Tuple, Union

import httptools

from modelbuild_runtime.errors import ExpectationFailed, HeadTooLarge, InvalidInput, ServerError, TooLarge, UriTooLong
from modelbuild_runtime.http import head_rules
from modelbuild_runtime.http.heads import Head
from modelbuild_runtime.http.holding import Holding
from modelbuild_runtime.http.limits import SMALL

if TYPE_CHECKING:
    from modelbuild_runtime.http.application import Application
    from modelbuild_runtime.http.routes import Routes

_CHUNK_HEAD = 16
"""Bytes that a chunk may take beside its data, before it counts as head: its size, and the ends of two lines."""
_LARGE = 1 << 20
"""Bytes from which the room for a body is reserved before it is sent."""
_STEP = 4096
"""Bytes of a request that is half read which are not counted: they are part of what a connection costs."""


class Reader:
    """Reads one connection, whose ``holding`` it counts the bodies in. ``take`` gets each request; ``expect`` is called
    where a client waits for a 100.
    """

    __slots__ = (
        "_announced",
        "_app",
        "_body",
        "_chunk",
        "_chunks",
        "_expect",
        "_head_text",
        "_headers",
        "_holding",
        "_in_head",
        "_in_place",
        "_length",
        "_parser",
        "_partly",
        "_refusal",
        "_repeated",
        "_routes",
        "_settings",
        "_size",
        "_take",
        "_target",
        "begun",
        "ended",
        "received",
        "since",
    )

    def __init__(
        self,
        app: Application,
        routes: Routes,
        holding: Holding,
        take: Callable[[Head, Union[bytes, bytearray]], None],
        expect: Callable[[], None],
    ) -> None:
        self._app = app
        self._routes = routes
        self._settings = app.settings
        self._holding = holding
        self._take = take
        self._expect = expect
        self._parser = httptools.HttpRequestParser(self)
        self._refusal: Optional[ServerError] = None
        self._head_text = b""  # of a request that begins with what was read last
        self._chunk = 0
        self._partly = False  # what came of the request is not all counted
        self._size: int
        self._body: Union[bytes, bytearray]
        self._announced: bool  # the body's length was, and is counted already
        self._chunks: int
        self._length: int  # of the body, where that was announced
        self._in_place: Optional[Head] = None  # of a request whose body is read by somebody else
        self._repeated: int  # fields whose name was there already
        self.begun = False  # a request is half read
        self.ended = False  # nothing more is a request
        self.received = 0  # bytes of the request; of the read in which it began all, or none where another came before
        self.since = app.now
        self._reset()

    def feed(self, data: bytes, head_text: bytes = b"") -> Optional[ServerError]:
        """Read on. ``head_text`` is what may be the head of a request that begins with ``data``. Returns why the
        connection cannot go on, if it cannot.
        """
        if head_text:
            self._head_text = head_text
        while data:
            self._chunk = 0 if self.begun else len(data)  # its beginning belongs to the request before
            self.received += len(data)
            try:
                self._parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as upgrade:
                data = self._without_upgrade() + data[upgrade.args[0] :]
            except httptools.HttpParserError as error:
                if self.ended:  # what follows a request that closes the connection is not a request
                    return None
                return self._refusal or InvalidInput(f"malformed HTTP request: {error}")
        if self.begun and self.received - self._size - _CHUNK_HEAD * self._chunks > self._settings.max_head:
            return HeadTooLarge(f"head, trailers and extensions are larger than {self._settings.max_head} bytes")
        if self.begun and self.received - self._holding.current > _STEP:
            return self._refused_without_key() or self._holding.keep(self.received)
        return None

    def refused(self, error: ServerError) -> Head:
        """The head as far as it was read, for the answer to what is refused."""
        self.ended = True
        self._refusal = error
        if self._in_place is not None:
            return self._in_place
        try:
            method = self._parser.get_method() or b"GET"
        except Exception:  # noqa: BLE001  # there is none before the first request
            method = b"GET"
        return self._routes.head(method, self._target or b"/", self._headers, "1.1", keep_alive=False)

    def hand_over(self) -> Union[ServerError, Tuple[Head, bytes, Union[bytes, bytearray]], None]:
        """The request that is half read, for somebody else to read the rest of its large body: its head, the bytes of
        that if it may come again, and the body as far as it is there. An error if it is refused; None if the parser has
        to see its end.
        """
        if not self.begun or self._in_head or self._length <= SMALL:
            return None
        if b"upgrade" in self._headers or b"transfer-encoding" in self._headers:
            return None
        refused = self._refused_without_key()
        if refused is not None:
            return refused
        head, body, text = self._head(), self._body, self._head_text
        self._head_text = b""
        self._parser = httptools.HttpRequestParser(self)
        self._reset()
        return head, text if self._routes.known_heads.get(text) is head else b"", body

    def begin_body(self, head: Head, received: int = 0) -> Optional[ServerError]:
        """Somebody else reads the body of this request, of which so much is there."""
        self._in_place = head
        self.begun = True
        self.since = self._app.now
        self.received = received
        return self._holding.keep(head.length)

    def end_body(self) -> None:
        """It was read."""
        self._in_place = None
        self.begun = False

    def close(self) -> None:
        """Let go of the connection, whose reader this is: neither has to wait for the garbage collector."""
        self._holding.release()
        del self._take, self._expect, self._parser

    # httptools' callbacks

    def on_message_begin(self) -> None:
        self.begun = True
        self.since = self._app.now
        self._partly = not self._chunk
        self.received, self._chunk = self._chunk, 0
        self._reset()

    def on_url(self, url: bytes) -> None:
        self._target += url
        if len(self._target) > head_rules.MAX_TARGET:
            self._stop(UriTooLong(f"the request's target is longer than {head_rules.MAX_TARGET} bytes"))

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:  # a trailer: could only be used to slip something past whoever checked the head
            return
        name, value = name.lower(), value.rstrip(b" \t")  # which llhttp leaves where a read ends before it
        headers = self._headers
        if name in headers:
            if name in head_rules.SINGLE:
                self._stop(InvalidInput(f"more than one {name.decode()} field"))
            self._repeated += 1
            value = headers[name] + b", " + value
        headers[name] = value

    def on_headers_complete(self) -> None:
        self._in_head = False
        headers = self._headers
        version, most, error = self._parser.get_http_version(), self._settings.max_head, None
        if len(headers) + self._repeated > head_rules.MAX_FIELDS or self._partly or self.received > most:
            error = head_rules.too_large(self._target, headers, self._repeated, most)
        error = error or head_rules.complaint(self._parser.get_method(), version, headers)
        if error is not None:
            self._stop(error)
        if b"content-length" in headers:
            self._announce(int(headers[b"content-length"]))
        if b"expect" in headers:
            if headers[b"expect"].lower() != b"100-continue":
                self._stop(ExpectationFailed("only 100-continue can be expected"))
            if version == "1.1":
                self._check_key()
                self._expect()

    def on_body(self, body: bytes) -> None:
        before = self._size
        self._size = size = before + len(body)
        if not self._announced and size > self._settings.max_body:
            self._stop(TooLarge(f"the body is larger than {self._settings.max_body} bytes"))
        if not before:
            self._body = body
            return
        if self._body.__class__ is bytes:
            self._body = bytearray(self._body)
        self._body += body

    def on_chunk_header(self) -> None:
        self._chunks += 1

    def on_message_complete(self) -> None:
        parser = self._parser
        if b"upgrade" in self._headers and parser.should_upgrade():
            return  # llhttp stops before the body: see _without_upgrade
        self.begun = False
        self._chunk = 0
        head, body = self._head(), self._body
        self._head_text = b""
        self._reset()
        self._take(head, body)
        self._holding.current = 0

    # Inside

    def _head(self) -> Head:
        """The head that was parsed, which is remembered if it may come again."""
        parser = self._parser
        keep_alive = parser.should_keep_alive()
        if not keep_alive:
            self.ended = True
        method, version = parser.get_method(), parser.get_http_version()
        head = self._routes.head(method, self._target, self._headers, version, keep_alive=keep_alive)
        if self._head_text.startswith(b"%b %b HTTP/1.1\r\n" % (method, self._target)):
            self._routes.known_heads.add(self._head_text, head)
        return head

    def _reset(self) -> None:
        self._in_head = True
        self._size = 0
        self._target = b""
        self._headers: Dict[bytes, bytes] = {}
        self._body = b""
        self._announced = False
        self._length = 0
        self._chunks = 0
        self._repeated = 0

    def _stop(self, error: ServerError) -> None:
        """End parsing with an error."""
        self._refusal = error
        raise error

    def _announce(self, length: int) -> None:
        """Refuse a body before it is sent. Its room is reserved, and taken only as it arrives."""
        if length > self._settings.max_body:
            self._stop(TooLarge(f"the body is larger than {self._settings.max_body} bytes"))
        self._length = length
        if length > _LARGE:
            self._hold(length)
            self._announced = True

    def _check_key(self) -> None:
        """Who has no key is told so before a large body is sent, and takes no room."""
        refused = self._refused_without_key()
        if refused is not None:
            self._stop(refused)

    def _refused_without_key(self) -> Optional[ServerError]:
        if self._holding.current or self._in_head:
            return None
        return self._routes.refused(self._parser.get_method(), self._target, self._headers)

    def _hold(self, size: int) -> None:
        """Reserve the room for a large body."""
        self._check_key()
        error = self._holding.keep(size)
        if error is not None:
            self._stop(error)

    def _without_upgrade(self) -> bytes:
        """A request asked for another protocol, as Java's client does with each first one. It is answered in this one:
        its head, as if it had not asked.
        """
        if self._headers.pop(b"upgrade", None) is None:
            return b""
        self._headers.pop(b"expect", None)  # has been answered
        self._holding.release()
        fields = b"".join([b"%b: %b\r\n" % item for item in self._headers.items()])
        return b"%b %b HTTP/1.1\r\n%b\r\n" % (self._parser.get_method(), self._target, fields)
