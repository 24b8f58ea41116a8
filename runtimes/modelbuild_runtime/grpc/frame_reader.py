"""Bytes to frames: takes them apart, holds each to the rules for its kind, and joins header blocks.

Source: RFC 9113, sections 3.4, 4 and 6.
"""

from __future__ import annotations

from typing import Callable, Iterator, Mapping, NamedTuple, Optional, Protocol, Tuple

from modelbuild_runtime.grpc import frames
from modelbuild_runtime.grpc.frames import Violation

LARGEST_FRAME = 1 << 16
_EVEN = "a client's streams have odd numbers"


class Receiver(Protocol):
    """Who is told of the frames. Any of these may raise a ``Violation``."""

    def on_data(self, stream: int, payload: bytes, size: int, *, ended: bool) -> None: ...
    def on_headers(self, stream: int, block: bytes, *, ended: bool) -> None: ...
    def on_reset(self, stream: int) -> None: ...
    def on_settings(self, pairs: Iterator[Tuple[int, int]]) -> None: ...
    def on_ping(self, payload: bytes) -> None: ...
    def on_goaway(self) -> None: ...
    def on_window(self, stream: int, increment: int) -> None: ...
    def on_idle_frame(self) -> None: ...  # one that asks for nothing


class _Block(NamedTuple):
    """A header block that is still being read."""

    stream: int
    ended: bool
    text: bytearray


class FrameReader:
    """Reads one connection; ``greeted`` once its preface was read, ``rest`` is what is half read."""

    __slots__ = ("_block", "_largest_block", "_receiver", "_stopped", "greeted", "rest")

    def __init__(self, receiver: Receiver, largest_block: int) -> None:
        self._receiver = receiver
        self._largest_block = largest_block
        self._block: Optional[_Block] = None
        self._stopped = False
        self.greeted = False
        self.rest = b""

    @property
    def begun(self) -> bool:
        """Whether something is half read."""
        return bool(self.rest) or self._block is not None or not self.greeted

    @property
    def in_block(self) -> bool:
        """Whether a header block is half read."""
        return self._block is not None

    def feed(self, data: bytes) -> bool:
        """Read on. Returns whether something was whole.

        Raises:
            Violation: the connection cannot go on.
        """
        if self.rest:
            data = self.rest + data
        at = 0 if self.greeted else self._greet(data)
        size = len(data)
        while size - at >= frames.HEAD_SIZE and self.greeted and not self._stopped:
            word, flags, stream = frames.read_head(data, at)
            kind, length = word & 0xFF, word >> 8
            if length > LARGEST_FRAME:
                raise Violation(frames.FRAME_SIZE_ERROR, "the frame is larger than was agreed")
            start = at + frames.HEAD_SIZE
            if start + length > size:
                break
            if self._block is not None and kind != frames.CONTINUATION:
                raise Violation(frames.PROTOCOL_ERROR, "a header block is interrupted")
            at = start + length
            read = _READ.get(kind)
            if read is None:
                self._receiver.on_idle_frame()
            else:
                read(self, flags, stream & frames.LARGEST_WINDOW, data[start:at])
        self.rest = b"" if self._stopped else data[at:]
        return at > 0

    def stop(self) -> None:
        """Nothing is read any more, not even what is there already."""
        self._stopped = True
        self.rest = b""
        self._block = None

    def _greet(self, data: bytes) -> int:
        known = min(len(data), len(frames.PREFACE))
        if data[:known] != frames.PREFACE[:known]:
            raise Violation(frames.PROTOCOL_ERROR, "this port is for gRPC, which begins with the preface of HTTP/2")
        self.greeted = known == len(frames.PREFACE)
        return known if self.greeted else 0

    def _data(self, flags: int, stream: int, payload: bytes) -> None:
        ended, size = bool(flags & frames.END_STREAM), len(payload)
        if flags & frames.PADDED:
            payload = frames.unpadded(payload)
        if not stream & 1:
            raise Violation(frames.PROTOCOL_ERROR, _EVEN)
        if not payload and not ended:
            self._receiver.on_idle_frame()
        self._receiver.on_data(stream, payload, size, ended=ended)

    def _headers(self, flags: int, stream: int, payload: bytes) -> None:
        if flags & frames.PADDED:
            payload = frames.unpadded(payload)
        if not stream & 1:
            raise Violation(frames.PROTOCOL_ERROR, _EVEN)
        if flags & frames.WITH_PRIORITY:
            _check_size(len(payload) >= 5, "there is no room for a priority")
            payload = payload[5:]
        ended = bool(flags & frames.END_STREAM)
        if not flags & frames.END_HEADERS:
            self._block = _Block(stream, ended, bytearray())
            self._continuation(0, stream, payload)
            return
        self._check_block(len(payload))
        self._receiver.on_headers(stream, payload, ended=ended)

    def _continuation(self, flags: int, stream: int, payload: bytes) -> None:
        block = self._block
        if block is None or block.stream != stream:
            raise Violation(frames.PROTOCOL_ERROR, "there is nothing to be continued")
        block.text.extend(payload)
        self._check_block(len(block.text))
        if flags & frames.END_HEADERS:
            self._block = None
            self._receiver.on_headers(stream, bytes(block.text), ended=block.ended)
        else:
            self._receiver.on_idle_frame()

    def _check_block(self, size: int) -> None:
        if size > self._largest_block:
            raise Violation(frames.ENHANCE_YOUR_CALM, "the header block is larger than the server takes")

    def _priority(self, _flags: int, stream: int, payload: bytes) -> None:
        _check(stream, "the connection has no priority")
        _check_size(len(payload) == 5, "a priority has five bytes")
        self._receiver.on_idle_frame()

    def _rst_stream(self, _flags: int, stream: int, payload: bytes) -> None:
        _check(stream & 1, _EVEN)
        _check_size(len(payload) == 4, "an error code has four bytes")
        self._receiver.on_reset(stream)

    def _settings(self, flags: int, stream: int, payload: bytes) -> None:
        _check(not stream, "settings are the connection's")
        if flags & frames.ACK:
            _check_size(not payload, "settings are acknowledged with nothing more")
            return
        _check_size(len(payload) % 6 == 0, "a setting has six bytes")
        self._receiver.on_idle_frame()
        self._receiver.on_settings(frames.read_settings(payload))

    def _push_promise(self, _flags: int, _stream: int, _payload: bytes) -> None:
        raise Violation(frames.PROTOCOL_ERROR, "clients push nothing")

    def _ping(self, flags: int, stream: int, payload: bytes) -> None:
        _check(not stream, "pings are the connection's")
        _check_size(len(payload) == 8, "a ping has eight bytes")
        self._receiver.on_idle_frame()
        if not flags & frames.ACK:
            self._receiver.on_ping(payload)

    def _goaway(self, _flags: int, stream: int, payload: bytes) -> None:
        _check(not stream, "only connections go away")
        _check_size(len(payload) >= 8, "whoever goes away says why")
        self._receiver.on_idle_frame()
        self._receiver.on_goaway()

    def _window_update(self, _flags: int, stream: int, payload: bytes) -> None:
        _check_size(len(payload) == 4, "an increment has four bytes")
        self._receiver.on_window(stream, frames.read_word(payload)[0] & frames.LARGEST_WINDOW)


def _check(holds: object, message: str) -> None:
    if not holds:
        raise Violation(frames.PROTOCOL_ERROR, message)


def _check_size(holds: object, message: str) -> None:
    if not holds:
        raise Violation(frames.FRAME_SIZE_ERROR, message)


_READ: Mapping[int, Callable[[FrameReader, int, int, bytes], None]] = {
    frames.DATA: FrameReader._data,  # noqa: SLF001  # its own
    frames.HEADERS: FrameReader._headers,  # noqa: SLF001
    frames.PRIORITY: FrameReader._priority,  # noqa: SLF001
    frames.RST_STREAM: FrameReader._rst_stream,  # noqa: SLF001
    frames.SETTINGS: FrameReader._settings,  # noqa: SLF001
    frames.PUSH_PROMISE: FrameReader._push_promise,  # noqa: SLF001
    frames.PING: FrameReader._ping,  # noqa: SLF001
    frames.GOAWAY: FrameReader._goaway,  # noqa: SLF001
    frames.WINDOW_UPDATE: FrameReader._window_update,  # noqa: SLF001
    frames.CONTINUATION: FrameReader._continuation,  # noqa: SLF001
}
