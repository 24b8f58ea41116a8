from __future__ import annotations

import bz2
import gzip
import lzma
import os
import struct
import zlib

import pytest

from modelbuild.errors import ArtifactError
from modelbuild.formats import compression as module
from modelbuild.formats.compression import compression, open_plain
from modelbuild.formats.lz4 import Lz4Decompressor

TEXT = b"abc" * 6 + b"x" * 300 + bytes(range(40)) + b"abc" * 3 + b"end of the line"
# Written by liblz4: with the content's size, and with checksums of the block and of the content.
FRAMES = [
    (
        "04224d1868407e010000000000008f490000003b61626303001f780100ff19f519000102030405060708090a0b0c0d0e0f10111213141516"
        "1718191a1b1c1d1e1f20212223242526276301f000656e64206f6620746865206c696e6500000000"
    ),
    (
        "04224d187440bd490000003b61626303001f780100ff19f519000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e"
        "1f20212223242526276301f000656e64206f6620746865206c696e6550478cde000000000d5fe7ef"
    ),
]
PACKED = {
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}


@pytest.mark.parametrize("kind", PACKED)
def test_every_compression_is_recognised_and_undone(kind, tmp_path):
    data = os.urandom(300_000) + bytes(300_000)
    path = tmp_path / "m"
    path.write_bytes(PACKED[kind](data))
    assert compression(path.read_bytes()[:8]) == kind
    with open_plain(path) as file:
        assert file.read() == data
        assert file.tell() == len(data)


def test_plain_files_are_as_they_are(tmp_path):
    (tmp_path / "m").write_bytes(b"plain")
    with open_plain(tmp_path / "m") as file:
        assert file.read() == b"plain"


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("keep", [0.2, 0.9])
def test_cut_off(kind, keep, tmp_path):
    packed = PACKED[kind](os.urandom(10_000))
    (tmp_path / "m").write_bytes(packed[: int(len(packed) * keep)])
    with open_plain(tmp_path / "m") as file, pytest.raises(ArtifactError, match="ends too early"):
        file.read()


@pytest.mark.parametrize("kind", PACKED)
def test_corrupt(kind, tmp_path):
    packed = bytearray(PACKED[kind](bytes(range(256)) * 40))
    packed[16:40] = b"\xff" * 24
    (tmp_path / "m").write_bytes(packed)
    with open_plain(tmp_path / "m") as file, pytest.raises(ArtifactError, match=r"corrupt|ends too early"):
        file.read()


@pytest.mark.parametrize("kind", PACKED)
def test_bombs(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ALWAYS_FINE", 1 << 20)
    monkeypatch.setattr(module, "MAX_RATIO", 10)
    (tmp_path / "m").write_bytes(PACKED[kind](bytes(4 << 20)))
    with open_plain(tmp_path / "m") as file, pytest.raises(ArtifactError, match="expands to more than 1 MiB"):
        file.read()


def test_a_header_that_asks_for_gigabytes_of_memory(tmp_path):
    packed = bytearray(lzma.compress(b"x" * 1000, lzma.FORMAT_ALONE))
    packed[1:5] = struct.pack("<I", 0xFFFF_0000)
    (tmp_path / "m").write_bytes(packed)
    with open_plain(tmp_path / "m") as file, pytest.raises(ArtifactError, match="corrupt"):
        file.read()


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_lz4_in_pieces(frame, step):
    data, plain = bytes.fromhex(frame), b""
    undo = Lz4Decompressor()
    for at in range(0, len(data), step):
        plain += undo.decompress(data[at : at + step], 11)
        while not undo.needs_input and not undo.eof:
            plain += undo.decompress(b"", 11)
    assert plain == TEXT
    assert undo.eof


def lz4_frame(block: bytes, *, flags: int = 0x60) -> bytes:
    return b"\x04\x22\x4d\x18" + bytes([flags, 0x40, 0]) + struct.pack("<I", len(block)) + block + bytes(4)


@pytest.mark.parametrize(
    "frame, message",
    [
        (lz4_frame(b"\x10a\x05\x00"), "before the beginning"),
        (lz4_frame(b"\x10a\x00\x00"), "before the beginning"),
        (lz4_frame(b"\xf0"), "cut off"),
        (lz4_frame(b"\x1fa\x01\x00" + b"\xff" * 500 + b"\0"), "beyond what the frame allows"),
        (lz4_frame(b"", flags=0x20), "another version"),
        (b"\x04\x22\x4d\x18\x60\x40\0" + struct.pack("<I", 1 << 30), "larger than the frame allows"),
        (b"\x04\x22\x4d\x18\x60\x00\0" + bytes(8), "unknown block size"),
    ],
)
def test_lz4_that_is_none(frame, message, tmp_path):
    (tmp_path / "m").write_bytes(frame)
    with open_plain(tmp_path / "m") as file, pytest.raises(ArtifactError, match=message):
        file.read()
