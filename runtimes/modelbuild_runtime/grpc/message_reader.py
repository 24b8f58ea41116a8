"""The messages in the bytes of a call: each has a flag that says whether it is compressed, a length, and its bytes.

Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

import struct
from typing import NamedTuple, Optional, Union

import msgspec

from modelbuild_runtime.errors import InvalidInput, TooLarge, Unsupported

PREFIX = 5
_read = struct.Struct(">BI").unpack_from
_write = struct.Struct(">BI").pack

Data = Union[bytes, memoryview]


def prefix(size: int) -> bytes:
    """What goes before a message of so many bytes that is not compressed."""
    return _write(0, size)


class Message(NamedTuple):
    """One message as it was sent."""

    body: bytes
    compressed: bool


class MessageReader(msgspec.Struct, eq=False):
    """``received`` are all bytes so far; ``waiting`` those that were not taken yet."""

    _largest: int
    received: int = 0
    _buffer: Union[bytes, bytearray] = b""

    @property
    def waiting(self) -> int:
        """Bytes of messages that were not taken yet."""
        return len(self._buffer)

    def feed(self, data: Data) -> None:
        """Some more bytes.

        Raises:
            TooLarge: the message that they begin is larger than a message may be.
            InvalidInput: they are no message.
        """
        self.received += len(data)
        if not self._buffer:
            self._buffer = bytes(data)
        else:
            if isinstance(self._buffer, bytes):
                self._buffer = bytearray(self._buffer)
            self._buffer += data
        if len(self._buffer) >= PREFIX:
            self._size()

    def whole(self, data: Data) -> bool:
        """Whether these are all bytes of a call that has one message, as most have: it follows its ``PREFIX``, and is
        not compressed. They are taken then.
        """
        size = len(data) - PREFIX
        if self.received or not 0 <= size <= self._largest or data[:PREFIX] != prefix(size):
            return False
        self.received = len(data)
        return True

    def next(self) -> Optional[Message]:
        """The next message, None where it is not complete yet.

        Raises:
            ServerError: as of ``feed``.
        """
        buffer = self._buffer
        if len(buffer) < PREFIX:
            return None
        end = PREFIX + self._size()
        if len(buffer) < end:
            return None
        message = Message(bytes(memoryview(buffer)[PREFIX:end]), bool(buffer[0]))
        if len(buffer) == end:
            self._buffer = b""
        elif isinstance(buffer, bytes):
            self._buffer = bytearray(memoryview(buffer)[end:])
        else:
            del buffer[:end]
        return message

    def only(self) -> Message:
        """The one message of a call that takes one.

        Raises:
            Unsupported: there is none, or another after it.
            ServerError: it is not complete, or as of ``feed``.
        """
        message = self.next()
        if message is None:
            self.finish()
            raise Unsupported("this method takes one message, and the call has none")
        if self._buffer:
            raise Unsupported("this method takes one message, and the call has more")
        return message

    def finish(self) -> None:
        """There is no more.

        Raises:
            InvalidInput: a message has begun.
        """
        if self._buffer:
            raise InvalidInput("the call ends within a message")

    def _size(self) -> int:
        flag, size = _read(self._buffer)
        if flag > 1:
            raise InvalidInput(f"a message begins with the flag {flag}, which is none")
        if size > self._largest:
            raise TooLarge(f"a message of {size} bytes is larger than {self._largest}")
        return int(size)
