"""Reads through the compressions that models are saved with, a piece at a time and never more than is reasonable."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

from modelbuild.errors import ArtifactError
from modelbuild.formats.lz4 import Lz4Decompressor

PIECE = 1 << 18
ALWAYS_FINE = 1 << 30
"""Bytes that any file may expand to; beyond them the ratio counts."""
MAX_RATIO = 100
MEMORY = 1 << 29
"""Bytes that a decompressor may ask for: a header can claim a dictionary of 4 GiB."""


class Decompressor(Protocol):
    """What the standard library's decompressors have in common."""

    @property
    def eof(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class Kind(NamedTuple):
    """A compression: its name, how its files begin, and what undoes it."""

    name: str
    magic: bytes
    new: Callable[[], Decompressor]


KINDS = (
    Kind("gzip", b"\x1f\x8b\x08", lambda: zlib.decompressobj(wbits=31)),
    Kind("bz2", b"BZh", bz2.BZ2Decompressor),
    Kind("xz", b"\xfd7zXZ\x00", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY)),
    Kind("lzma", b"\x5d\x00\x00", lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=MEMORY)),
    Kind("lz4", b"\x04\x22\x4d\x18", Lz4Decompressor),
    # Two bytes are weak evidence, so that zlib comes last.
    Kind("zlib", b"\x78\x01", zlib.decompressobj),
    Kind("zlib", b"\x78\x5e", zlib.decompressobj),
    Kind("zlib", b"\x78\x9c", zlib.decompressobj),
    Kind("zlib", b"\x78\xda", zlib.decompressobj),
)


def compression(head: bytes) -> str:
    """The name of the compression that a file begins like, or ""."""
    return next((kind.name for kind in KINDS if head.startswith(kind.magic)), "")


def open_plain(path: Path) -> BinaryIO:
    """The file's bytes, decompressed where they are compressed. Seeks forward only.

    Reading raises ``ArtifactError`` where the stream is corrupt, cut off, or a decompression bomb.
    """
    file = path.open("rb")
    head = file.read(8)
    file.seek(0)
    kind = next((kind for kind in KINDS if head.startswith(kind.magic)), None)
    if kind is None:
        return file
    return io.BufferedReader(_Plain(file, kind, path), PIECE)


class _Plain(io.RawIOBase):
    def __init__(self, file: BinaryIO, kind: Kind, path: Path) -> None:
        self._file = file
        self._kind = kind
        self._path = path
        self._undo = kind.new()
        self._ahead = b""
        self._done = 0
        self._limit = max(ALWAYS_FINE, MAX_RATIO * path.stat().st_size)

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._done

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        want = len(buffer)
        data = b""
        while not data and not self._undo.eof:
            data = self._next(want)
        buffer[: len(data)] = data
        self._done += len(data)
        if self._done > self._limit:
            raise ArtifactError(
                f"{self._path.name} expands to more than {self._limit >> 20} MiB, over {MAX_RATIO} times its size.",
                hint="That is a decompression bomb. If it is a real model, save it without compression.",
            )
        return len(data)

    def _next(self, want: int) -> bytes:
        pending = self._ahead or self._pull()
        try:
            data = self._undo.decompress(pending, want)
        except (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError) as error:
            raise ArtifactError(
                f"{self._path.name} is a corrupt {self._kind.name} file: {error}.", hint="Copy or save it again."
            ) from error
        self._ahead = getattr(self._undo, "unconsumed_tail", b"")
        return bytes(data)

    def _pull(self) -> bytes:
        """More of the file, unless the decompressor still holds output back."""
        if not getattr(self._undo, "needs_input", True):
            return b""
        piece = self._file.read(PIECE)
        if not piece:
            raise ArtifactError(
                f"{self._path.name} is a {self._kind.name} file that ends too early.",
                hint="It was cut off while it was written or copied: copy or save it again.",
            )
        return piece
