"""LZ4 frames, decompressed: joblib can write them, and the standard library cannot read them.

The format is specified in the LZ4 project's lz4_Frame_format.md and lz4_Block_format.md. Checksums are not verified:
the pickle inside says soon enough whether the bytes are whole.
"""

from __future__ import annotations

import struct

_MAGIC = b"\x04\x22\x4d\x18"
_WINDOW = 1 << 16
_BLOCK_SIZES = {4: 1 << 16, 5: 1 << 18, 6: 1 << 20, 7: 1 << 22}


class Lz4Decompressor:
    """The interface of ``bz2.BZ2Decompressor`` for one LZ4 frame."""

    def __init__(self) -> None:
        self.eof = False
        self._pending = bytearray()
        self._ready = bytearray()
        self._history = b""
        self._linked = self._checked = False
        self._block_size = 0

    @property
    def needs_input(self) -> bool:
        """Whether there is nothing left to give without more data."""
        return not self._ready and not self.eof

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """At most ``max_length`` bytes; the rest waits for the next call.

        Raises:
            ValueError: the data are no LZ4.
        """
        self._pending += data
        self._advance()
        size = len(self._ready) if max_length < 0 else max_length
        given = bytes(self._ready[:size])
        del self._ready[:size]
        self._advance()  # Whether this was the end must be known before more is asked for.
        return given

    def _advance(self) -> None:
        while not self._ready and not self.eof and self._step():
            pass

    def _step(self) -> bool:
        """Do one block; False where more data are needed."""
        if not self._block_size:
            return self._read_header()
        if len(self._pending) < 4:
            return False
        (word,) = struct.unpack_from("<I", self._pending)
        if word == 0:
            self.eof = True
            return False
        size = word & 0x7FFF_FFFF
        if size > self._block_size:
            raise ValueError("a block is larger than the frame allows")
        end = 4 + size + 4 * self._checked
        if len(self._pending) < end:
            return False
        block = bytes(self._pending[4 : 4 + size])
        del self._pending[:end]
        plain = block if word >> 31 else _decode(block, self._history if self._linked else b"", self._block_size)
        self._history = (self._history + plain)[-_WINDOW:]
        self._ready += plain
        return True

    def _read_header(self) -> bool:
        if len(self._pending) < 7:
            return False
        if self._pending[:4] != _MAGIC:
            raise ValueError("no LZ4 frame")
        flags, descriptor = self._pending[4], self._pending[5]
        size = 7 + 8 * bool(flags & 8) + 4 * bool(flags & 1)
        if flags >> 6 != 1 or flags & 1:
            raise ValueError("an LZ4 frame of another version, or with a dictionary")
        if len(self._pending) < size:
            return False
        self._linked = not flags & 0x20
        self._checked = bool(flags & 0x10)
        self._block_size = _BLOCK_SIZES.get(descriptor >> 4 & 7, 0)
        if not self._block_size:
            raise ValueError("an unknown block size")
        del self._pending[:size]
        return True


def _decode(block: bytes, history: bytes, limit: int) -> bytes:
    """One block: literals, and copies of what came up to 64 KiB before."""
    out = bytearray(history)
    start, at, size = len(history), 0, len(block)
    try:
        while at < size:
            token = block[at]
            at += 1
            count, at = _length(block, at, token >> 4)
            out += block[at : at + count]
            at += count
            if at >= size:
                break
            offset = block[at] | block[at + 1] << 8
            count, at = _length(block, at + 2, token & 15)
            _copy(out, offset, count + 4)
            if len(out) - start > limit:
                raise ValueError("a block expands beyond what the frame allows")
    except IndexError as error:
        raise ValueError("a block is cut off") from error
    return bytes(out[start:])


def _length(block: bytes, at: int, nibble: int) -> tuple[int, int]:
    count = nibble
    while nibble == 15:
        byte = block[at]
        at += 1
        count += byte
        if byte != 255:
            break
    return count, at


def _copy(out: bytearray, offset: int, count: int) -> None:
    begin = len(out) - offset
    if offset == 0 or begin < 0:
        raise ValueError("a copy from before the beginning")
    if offset >= count:
        out += out[begin : begin + count]
    else:
        pattern = bytes(out[begin:])
        out += (pattern * (count // offset + 1))[:count]
