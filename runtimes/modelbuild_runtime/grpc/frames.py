"""HTTP/2's frames: their kinds, flags, error codes, and how their heads are written.

Source: RFC 9113, sections 4, 6 and 7.
"""

from __future__ import annotations

import struct
from typing import Tuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20

NO_ERROR = 0x0
PROTOCOL_ERROR = 0x1
FLOW_CONTROL_ERROR = 0x3
STREAM_CLOSED = 0x5
FRAME_SIZE_ERROR = 0x6
REFUSED_STREAM = 0x7
CANCEL = 0x8
COMPRESSION_ERROR = 0x9
ENHANCE_YOUR_CALM = 0xB

ENABLE_PUSH = 0x2
MAX_CONCURRENT_STREAMS = 0x3
INITIAL_WINDOW_SIZE = 0x4
MAX_FRAME_SIZE = 0x5
MAX_HEADER_LIST_SIZE = 0x6

HEAD_SIZE = 9
LARGEST_WINDOW = (1 << 31) - 1
DEFAULT_WINDOW = 65_535
DEFAULT_FRAME = 16_384
LARGEST_FRAME = (1 << 24) - 1

read_head = struct.Struct(">IBI").unpack_from
"""Length and kind in one number (length << 8 | kind), flags, and the stream with its reserved bit."""
_write_head = struct.Struct(">IBI").pack
read_settings = struct.Struct(">HI").iter_unpack
_setting = struct.Struct(">HI").pack
_word = struct.Struct(">I").pack
read_word = struct.Struct(">I").unpack_from


class Violation(Exception):  # noqa: N818  # what the peer did
    """The peer broke the rules in a way that ends the connection; ``code`` says how."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class StreamViolation(Exception):  # noqa: N818
    """The peer broke the rules in a way that ends one stream."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def head(kind: int, flags: int, stream: int, length: int) -> bytes:
    """The nine bytes before a payload."""
    return _write_head(length << 8 | kind, flags, stream)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A whole frame."""
    return _write_head(len(payload) << 8 | kind, flags, stream) + payload


def settings(*pairs: Tuple[int, int]) -> bytes:
    """A frame that announces settings."""
    return frame(SETTINGS, 0, 0, b"".join([_setting(*pair) for pair in pairs]))


def window_update(stream: int, increment: int) -> bytes:
    """A frame that lets the peer send on."""
    return frame(WINDOW_UPDATE, 0, stream, _word(increment))


def rst_stream(stream: int, code: int) -> bytes:
    """A frame that ends a stream."""
    return frame(RST_STREAM, 0, stream, _word(code))


def goaway(last: int, code: int, message: str = "") -> bytes:
    """A frame that ends a connection."""
    return frame(GOAWAY, 0, 0, _word(last) + _word(code) + message.encode("utf-8", "replace"))


def headers(stream: int, block: bytes, flags: int, largest: int) -> bytes:
    """A header block in as many frames as the peer needs it in."""
    if len(block) <= largest:
        return frame(HEADERS, flags | END_HEADERS, stream, block)
    pieces = [block[at : at + largest] for at in range(0, len(block), largest)]
    last = len(pieces) - 1
    return b"".join(
        [
            frame(
                CONTINUATION if at else HEADERS, (0 if at else flags) | (END_HEADERS if at == last else 0), stream, part
            )
            for at, part in enumerate(pieces)
        ]
    )


def unpadded(payload: bytes) -> bytes:
    """A padded payload without its padding.

    Raises:
        Violation: there is more padding than payload.
    """
    if not payload or payload[0] >= len(payload):
        raise Violation(PROTOCOL_ERROR, "the padding is longer than the frame")
    return payload[1 : len(payload) - payload[0]]
