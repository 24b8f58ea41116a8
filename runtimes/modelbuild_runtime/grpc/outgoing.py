"""The way back of one call: frames are written as far as the client takes them, the rest waits here."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Deque, Optional

import msgspec

from modelbuild_runtime.grpc import frames
from modelbuild_runtime.grpc.answer_block import END
from modelbuild_runtime.grpc.message_reader import PREFIX, Data, prefix

if TYPE_CHECKING:
    from modelbuild_runtime.grpc.session import Session

_LARGE = 1 << 15
"""Bytes from which it costs less to write twice than to copy."""
_MUCH = 1 << 10
"""Bytes of a frame that is worth an acknowledgement, though it is not all that was to be written."""


class Outgoing(msgspec.Struct, eq=False):
    """``window`` is what the client takes on this stream; ``since`` when it last took something."""

    _session: Session
    _stream: int
    window: int
    since: float
    begun: bool = False
    done: bool = False
    waiting: int = 0
    _queue: Deque[Data] = msgspec.field(default_factory=deque)
    _trailers: Optional[bytes] = None

    def begin(self, block: bytes) -> None:
        """Write the head, unless it is written."""
        if not self.begun:
            self.begun = True
            session = self._session
            session.write(frames.headers(self._stream, block, 0, session.room.largest_frame))

    def send(self, message: bytes) -> bool:
        """Write a message. False where the memory for what clients do not take is used up."""
        size = len(message) + PREFIX
        if size > _LARGE:
            self._queue += (prefix(len(message)), message)
        else:
            self._queue.append(prefix(len(message)) + message)
        self.waiting += size
        fits = self._session.holding.add(size) or self._session.holding.alone
        self.flush()
        return fits or not self._queue

    def finish(self, trailers: bytes) -> None:
        """Write the end, after all that waits."""
        self._trailers = trailers
        self.flush()

    def whole(self, block: bytes, message: bytes) -> bool:
        """Write head, message and end in one piece, if the client takes that now."""
        stream, size, room = self._stream, len(message) + PREFIX, self._session.room
        largest = room.largest_frame
        if size > self.window or size > room.window or size > largest or room.paused or self.begun:
            return False
        if len(block) > largest:
            return False
        room.window -= size
        self.begun = self.done = True
        self._session.write(
            b"".join(
                (
                    frames.head(frames.HEADERS, frames.END_HEADERS, stream, len(block)),
                    block,
                    frames.head(frames.DATA, 0, stream, size),
                    prefix(size - PREFIX),
                    message,
                    frames.head(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, stream, len(END)),
                    END,
                )
            )
        )
        return True

    def flush(self) -> None:
        """Write what waits, as far as the client takes it."""
        session, room, queue = self._session, self._session.room, self._queue
        while queue:
            most = min(self.window, room.window, room.largest_frame)
            if most <= 0 or room.paused:
                room.blocked[self._stream] = None
                return
            data = queue.popleft()
            if len(data) <= most or most >= _MUCH:
                session.wrote()
            if len(data) > most:
                view = memoryview(data)
                queue.appendleft(view[most:])
                data = view[:most]
            self._write(data)
        if self._trailers is not None and not self.done:
            self.done = True
            block, flags = self._trailers, frames.END_STREAM
            session.write(frames.headers(self._stream, block, flags, room.largest_frame))

    def drop(self) -> None:
        """Nothing is written any more."""
        self._queue.clear()
        if self.waiting:
            self._session.holding.release(self.waiting)
            self.waiting = 0
        self.done = True

    def _write(self, data: Data) -> None:
        session, size = self._session, len(data)
        self.since = session.app.now
        self.window -= size
        self.waiting -= size
        session.room.window -= size
        session.holding.release(size)
        head = frames.head(frames.DATA, 0, self._stream, size)
        if size > _LARGE:
            session.write(head)
            session.write(data)
        else:
            session.write(b"".join((head, data)))
