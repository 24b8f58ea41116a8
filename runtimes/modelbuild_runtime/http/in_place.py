"""Large bodies, read straight into the memory where they stay: nothing copies them on their way from the socket to the
model. While a client sends such requests, this protocol is there in place of its connection.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Optional

from modelbuild_runtime.http.heads import Head

if TYPE_CHECKING:
    from modelbuild_runtime.http.connection import Connection

_FIRST = 1 << 20
"""Bytes for which there is room at once; for more of a body as it arrives, so that nobody takes memory by a promise."""
_GROWTH = 4
_SPARE = 1
"""Room behind a body: a read that does not fill it is the last one, and needs no other to find nothing."""
_ALIGNMENT = 16
_TEXT_LENGTH = b"inference-header-content-length"


class InPlace(asyncio.BufferedProtocol):
    """Reads what is left of the body of ``head``, whose beginning was read before. After it further requests of the
    same head, which is ``text``, until another comes; none where ``text`` is empty.
    """

    __slots__ = ("_begin", "_body", "_buffer", "_connection", "_end", "_head", "_reading", "_text", "_view", "_whole")

    def __init__(self, connection: Connection, head: Head, text: bytes) -> None:
        self._connection = connection
        self._head = head
        self._text = text
        self._reading = False  # the head was seen: what comes is its body
        self._whole = False  # all of that is there
        self._buffer: bytearray
        self._view: Optional[memoryview] = None
        self._begin = 0  # of the bytes of a request in the buffer
        self._body = 0  # where its body begins
        self._end = 0

    def go_on(self, body: memoryview) -> None:
        """Read on behind this beginning of a body."""
        self._reading = True
        self._make_room(0)
        self._end = self._body + len(body)
        self._grow()
        self._view[self._body : self._end] = body  # type: ignore[index]  # there is one

    # asyncio's callbacks

    def get_buffer(self, _size: int) -> memoryview:
        if self._view is None:  # only now: a client that waits takes no memory
            self._make_room(len(self._text))
        self._grow()
        return self._view[self._end :]  # type: ignore[index]  # there is one

    def buffer_updated(self, size: int) -> None:
        connection = self._connection
        self._end += size
        if connection.finished:  # nothing is a request any more
            self._leave(b"")
            return
        if not self._reading:
            text = bytes(self._view[self._begin : self._body])  # type: ignore[index]  # there is one
            if self._end < self._body or connection.known(text) is not self._head:
                self._leave(bytes(self._view[self._begin : self._end]))  # type: ignore[index]  # there is one
                return
            self._reading = True
            if not connection.begin_body(self._head):
                return
        connection.read_more(size)
        if not self._whole and self._end - self._body >= self._head.length:
            self._whole = True  # more may be read before the next turn of the loop: the beginning of what follows
            asyncio.get_running_loop().call_soon(self._finish)  # then whoever reads has let go of the buffer

    def eof_received(self) -> bool:
        return self._connection.eof_received()

    def connection_lost(self, error: Optional[Exception]) -> None:
        self._connection.connection_lost(error)

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()

    # Inside

    def _make_room(self, before: int) -> None:
        """Room for a request with so many bytes of head. What follows the text in a body of text and raw tensors lies
        where arrays may.
        """
        text = self._head.headers.get(_TEXT_LENGTH, b"")
        start = before + (int(text) if text.isdigit() and len(text) < _ALIGNMENT else 0)
        self._begin = self._end = -start % _ALIGNMENT
        self._body = self._begin + before
        self._buffer = bytearray(min(self._body + self._head.length + _SPARE, _FIRST))
        self._view = memoryview(self._buffer)

    def _grow(self) -> None:
        """There is room left for something."""
        while self._end >= len(self._buffer):
            whole = max(self._body + self._head.length, self._end) + _SPARE
            larger = bytearray(min(whole, _GROWTH * len(self._buffer)))
            larger[: len(self._buffer)] = self._buffer
            self._buffer, self._view = larger, memoryview(larger)

    def _finish(self) -> None:
        """The body is there."""
        connection, buffer, start = self._connection, self._buffer, self._body
        if connection.finished:
            return
        end = start + self._head.length
        rest = bytes(buffer[end : self._end])
        self._view = None
        self._reading = self._whole = False
        del self._buffer
        del buffer[end:]
        del buffer[:start]  # which moves nothing
        connection.take_body(self._head, buffer)
        if rest or not self._text:
            self._leave(rest)

    def _leave(self, data: bytes) -> None:
        """Let the connection read for itself, and first what was read already."""
        self._view = None
        self._connection.read_by(self._connection)
        if data:
            self._connection.data_received(data)
