"""One call: its messages in, its answers out in the same order. To the application it is what a connection is for
HTTP/1.1: the place where requests wait for their responses.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Dict, Iterator, List, Optional

from modelbuild_runtime.errors import (
    DeadlineExceeded,
    InvalidInput,
    NotReady,
    PredictionFailed,
    RequestTimeout,
    ServerError,
)
from modelbuild_runtime.grpc import frames, status
from modelbuild_runtime.grpc.call import ENCODINGS, Call
from modelbuild_runtime.grpc.header_block import literal, metadata
from modelbuild_runtime.grpc.message_reader import Data, MessageReader
from modelbuild_runtime.grpc.outgoing import Outgoing
from modelbuild_runtime.http.exchange import Exchange
from modelbuild_runtime.http.message import HttpResponse

if TYPE_CHECKING:
    from modelbuild_runtime.grpc.connection import Connection

logger = logging.getLogger(__name__)

FIRST_CREDIT = 1 << 20
"""Bytes that a client may send on one stream before it is told to go on."""
_MAX_PENDING = 64
"""Messages of one stream in flight from which no more are taken from it."""
_LEAST_RATE = 1024.0
"""Bytes a second that a client must send, once the read timeout is over."""
_HEAD = b"\x88" + literal(b"content-type", b"application/grpc")
_END = literal(b"grpc-status", b"0")
_ACCEPTED = literal(b"grpc-accept-encoding", b",".join(ENCODINGS))
_REQUEST_ID = b"\x00\x0cx-request-id"
_STATUS_FIELDS = frozenset((status.STATUS, status.MESSAGE))
_NO_MORE = b"no more"


class Stream:
    """``pending`` are the messages whose answers are not written yet, oldest first; ``credit`` is what the client may
    still send. ``ended``: it sends no more. ``closing``: nothing more is taken from it. ``over``: nobody waits.
    """

    __slots__ = (
        "_answers",
        "_call",
        "_connection",
        "_next",
        "_parts",
        "_reader",
        "_since",
        "_size",
        "_timer",
        "closing",
        "credit",
        "ended",
        "id",
        "out",
        "over",
        "pending",
    )

    def __init__(self, connection: Connection, identity: int, call: Call) -> None:
        self.id = identity
        self.pending: List[Exchange] = []
        self.out = Outgoing(connection, identity, connection.first_window)
        self.credit = FIRST_CREDIT
        self.ended = self.closing = self.over = False
        self._connection = connection
        self._call = call
        self._reader = MessageReader(connection.app.settings.max_body)
        self._answers: Dict[Exchange, HttpResponse] = {}  # those that wait for others before them
        self._parts: Optional[Iterator[Optional[bytes]]] = None  # the rest of the answer that is being written
        self._next: Optional[asyncio.Handle] = None
        self._size = 0  # bytes that were received and are in memory
        self._since = connection.app.now
        self._timer: Optional[asyncio.TimerHandle] = None

    def begin(self) -> None:
        """The call has begun: its time runs, and what has no chance ends at once."""
        call = self._call
        if call.timeout is not None:
            self._timer = asyncio.get_running_loop().call_later(call.timeout, self._expire)
        if call.error is not None:
            self.refuse(call.error)

    # What the client sends

    def receive(self, data: Data, *, ended: bool) -> None:
        """Some bytes of messages, the last ones perhaps.

        Raises:
            StreamViolation: the client had announced another length.
        """
        self.ended = ended
        if self.closing:
            return
        size = len(data)
        if size:
            self._since = self._connection.app.now
            self._size += size
            if not self._connection.holding.add(size):
                self.refuse(self._connection.holding.full())
                return
        try:
            self._reader.feed(data)
            length = self._call.length
            if ended and length is not None and self._reader.received != length:
                raise frames.StreamViolation(frames.PROTOCOL_ERROR)
            self._take()
        except ServerError as error:
            self.refuse(error)

    def _take(self) -> None:
        """Hand over the messages that are complete."""
        if self._call.many:
            self._take_many()
        elif self.ended:
            self._ask(*self._reader.only())
        if self.ended or self.closing:
            return
        taken = FIRST_CREDIT - self.credit
        if self._call.many and len(self.pending) >= _MAX_PENDING:
            taken -= self._reader.waiting
        if taken > FIRST_CREDIT // 2:
            self.credit += taken
            self._connection.write(frames.window_update(self.id, taken))

    def _take_many(self) -> None:
        while len(self.pending) < _MAX_PENDING and not self.closing:
            message = self._reader.next()
            if message is None:
                break
            self._ask(*message)
        if not self.pending and not self.closing:
            self._connection.holding.release(self._size - self._reader.waiting)
            self._size = self._reader.waiting
            if self.ended:
                self._reader.finish()
                self._finish(_END)

    def _ask(self, body: bytes, compressed: bool) -> None:  # noqa: FBT001  # as they stand on the wire
        head = self._call.head
        if compressed:
            if self._call.inflating is None:
                raise InvalidInput("a message is compressed, and grpc-encoding does not say how", field="grpc-encoding")
            head = self._call.inflating
        self._connection.app.accept(self, head, body)  # type: ignore[arg-type]  # all of a connection that it needs

    # What ends a call early

    def refuse(self, error: ServerError) -> None:
        """End the call with an error; what was asked before is given up."""
        if self.closing:
            return
        self.closing = True
        waiting, app = self.pending, self._connection.app
        for exchange in waiting:
            exchange.cancelled = True
        self._answers.clear()
        self._stop_parts()
        if waiting:
            del waiting[1:]
            app.refuse(waiting[0], error)
        else:
            app.reject(self, self._call.head, error)  # type: ignore[arg-type]  # as above

    def cancel(self) -> None:
        """Nobody waits any more."""
        self.over = self.closing = True
        for exchange in self.pending:
            exchange.cancelled = True
        self.pending.clear()
        self._answers.clear()
        self._stop_parts()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.out.drop()
        self._connection.holding.release(self._size)
        self._size = 0

    def leave(self) -> None:
        """The server stops: what waits for more than is on its way has to end."""
        if self._parts is not None or (self._call.many and not self.pending):
            self.refuse(NotReady("the server stops"))

    def patrol(self, now: float) -> None:
        """Called about once a second: part with clients that are too slow."""
        settings, reader = self._connection.app.settings, self._reader
        passed = now - self._since
        if self.out.waiting:
            if now - self.out.since > settings.timeout:
                self._connection.reset(self, frames.CANCEL)
        elif self._parts is not None:
            self.go_on()
        elif self.ended or self.closing or self.pending:
            return
        elif self._call.many and not reader.waiting:
            if passed > settings.keep_alive:
                self.refuse(RequestTimeout("nothing was sent on this stream for too long"))
        elif passed > settings.read_timeout + reader.received / _LEAST_RATE:
            self.refuse(RequestTimeout("the request was not sent in time"))

    def _expire(self) -> None:
        self._timer = None
        if not self.closing:
            self._connection.app.metrics.shed("deadline")
            self.refuse(DeadlineExceeded("the deadline passed before the answer was there"))

    # What is answered

    def deliver(self, exchange: Exchange, response: HttpResponse) -> None:
        """Write an answer as soon as all before it are written."""
        if self.over or exchange not in self.pending:
            return
        self._answers[exchange] = response
        self._write_ready()
        if self._call.many and not self.closing:
            try:
                self._take()
            except ServerError as error:
                self.refuse(error)

    def go_on(self) -> None:
        """The client takes more."""
        self.out.flush()
        if self.out.done:
            self._close()
        elif self._parts is not None and self._next is None and not self.out.waiting:
            self._write_part()

    def _write_ready(self) -> None:
        pending = self.pending
        while pending and self._parts is None and not self.over:
            response = self._answers.pop(pending[0], None)
            if response is None:
                return
            if response.parts is None:
                self._answer(pending.pop(0), response)
            else:
                self.out.begin(self._block(pending[0], response))
                self._parts = response.parts  # type: ignore[assignment]  # None among them: nothing new yet
                self._write_part()

    def _answer(self, exchange: Exchange, response: HttpResponse) -> None:
        if response.status >= 400:
            response = status.shaped(response)
        if any(name == status.STATUS for name, _ in response.headers):
            self._fail(exchange, response)
            return
        if self._call.many:
            self.out.begin(self._block(exchange, response))
            self._send(response.body)
            return
        if self.out.whole(self._block(exchange, response), response.body, _END):
            self._close()
            return
        self.out.begin(self._block(exchange, response))
        self._send(response.body)
        self._finish(_END)

    def _block(self, exchange: Exchange, response: HttpResponse) -> bytes:
        identity = exchange.id.encode()
        block = b"%b%b%c%b" % (_HEAD, _REQUEST_ID, len(identity), identity)
        return block + metadata(response.headers, _STATUS_FIELDS) if response.headers else block

    def _fail(self, exchange: Exchange, response: HttpResponse) -> None:
        """An error, in trailers or in a head that is all of the answer."""
        block = b"".join(
            [literal(name.encode(), value.encode()) for name, value in response.headers if name in _STATUS_FIELDS]
        )
        if self.out.begun:
            self._finish(block + metadata(response.headers, _STATUS_FIELDS))
            return
        if response.status == 501:
            block += _ACCEPTED
        self._finish(self._block(exchange, response) + block)

    def _send(self, message: bytes) -> None:
        if not self.out.send(message):
            self._connection.reset(self, frames.ENHANCE_YOUR_CALM)

    def _finish(self, trailers: bytes) -> None:
        if self.over:
            return
        self.closing = True
        if trailers is _END and not self.out.begun:
            trailers = _HEAD + _END  # a stream of no messages
        self.out.finish(trailers)
        if self.out.done:
            self._close()

    def _close(self) -> None:
        self.cancel()
        self._connection.close_stream(self)

    # Answers in parts

    def _write_part(self) -> None:
        """Write the next part. One a turn of the loop, so that nobody waits for all of them."""
        self._next = None
        if self._parts is None or self.out.waiting:
            return
        try:
            part = next(self._parts, _NO_MORE)
        except Exception as error:  # noqa: BLE001  # a handler may raise anything
            self._break_off(error)
            return
        if part is _NO_MORE:
            self._parts = None
            self.pending.pop(0)
            if self._call.many:
                self._write_ready()
                self._take()
            else:
                self._finish(_END)
        elif part is not None:
            self._send(part)
            if not self.over and not self.out.waiting:
                self._next = asyncio.get_running_loop().call_soon(self._write_part)

    def _break_off(self, error: Exception) -> None:
        identity = self.pending[0].id
        if not isinstance(error, ServerError):
            logger.error("an answer broke off", exc_info=error, extra={"request": identity})
            error = PredictionFailed(f"the answer broke off; the server's log says why, under request id {identity}")
        self.refuse(error)

    def _stop_parts(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None
        parts, self._parts = self._parts, None
        if parts is not None and hasattr(parts, "close"):
            parts.close()
