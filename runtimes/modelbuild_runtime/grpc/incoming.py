"""The way in of one call: bytes become messages, which take memory until they are handed over, and the client is told
when it may send on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

import msgspec

from modelbuild_runtime.errors import RequestTimeout
from modelbuild_runtime.grpc import frames
from modelbuild_runtime.grpc.call import Call
from modelbuild_runtime.grpc.message_reader import Data, MessageReader

if TYPE_CHECKING:
    from modelbuild_runtime.grpc.session import Session

FIRST_CREDIT = 1 << 20
"""Bytes that a client may send on one stream before it is told to go on."""
_LEAST_RATE = 1024.0
"""Bytes a second that a client must send, once the read timeout is over."""


class Incoming(msgspec.Struct, eq=False):
    """``messages`` are read from it; ``credit`` is what the client may still send."""

    _session: Session
    _stream: int
    _call: Call
    messages: MessageReader
    _since: float
    credit: int = FIRST_CREDIT
    _held: int = 0  # bytes that were received and are in memory

    def feed(self, data: Data, *, ended: bool) -> None:
        """Some bytes of messages, the last ones perhaps.

        Raises:
            StreamViolation: the client had announced another length.
            ServerError: there is no room for them, or they are no messages.
        """
        size = len(data)
        if size:
            self._since = self._session.app.now
            self._held += size
            if not self._session.holding.add(size):
                raise self._session.holding.full()
        self.messages.feed(data)
        length = self._call.length
        if ended and length is not None and self.messages.received != length:
            raise frames.StreamViolation(frames.PROTOCOL_ERROR)

    def whole(self, data: Data) -> bool:
        """Whether these are all bytes of the call, and its one message: see ``MessageReader``.

        Raises:
            ServerError: there is no room for them.
        """
        size = len(data)
        if self._call.length not in (None, size) or not self.messages.whole(data):
            return False
        self._held = size
        if not self._session.holding.add(size):
            raise self._session.holding.full()
        return True

    def let_send(self, *, enough: bool) -> None:
        """Let the client send as much again as was taken; ``enough`` waits to be answered for now."""
        taken = FIRST_CREDIT - self.credit
        if enough:
            taken -= self.messages.waiting
        if taken > FIRST_CREDIT // 2:
            self.credit += taken
            self._session.write(frames.window_update(self._stream, taken))

    def release(self, kept: int = 0) -> None:
        """All but ``kept`` bytes of what was handed over are not needed any more."""
        size = self.messages.waiting + kept
        if size < self._held:
            self._session.holding.release(self._held - size)
            self._held = size

    def drop(self) -> None:
        """Nothing of it is needed any more."""
        self._session.holding.release(self._held)
        self._held = 0

    def late(self, now: float) -> Optional[RequestTimeout]:
        """Why nobody waits any longer for what the client has to send, if that is so."""
        settings, reader, passed = self._session.app.settings, self.messages, now - self._since
        if self._call.many and not reader.waiting:
            if passed > settings.keep_alive:
                return RequestTimeout("nothing was sent on this stream for too long")
        elif passed > settings.read_timeout + reader.received / _LEAST_RATE:
            return RequestTimeout("the request was not sent in time")
        return None
