"""HDF5 files with nothing but attributes of their root group, as h5py writes them."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from modelbuild.formats.hdf5 import MAGIC

HEADER = 96
HEAP = 4096


def hdf5(attributes: Mapping[str, str | bytes | int], *, cut: int = 0) -> bytes:
    """``str`` is of any length, in a heap; ``bytes`` of a fixed one, in place."""
    heap = b""
    messages = b""
    count = 0
    for number, (name, value) in enumerate(attributes.items(), 1):
        if isinstance(value, str):
            data = value.encode()
            heap += struct.pack("<HHIQ", number, 1, 0, len(data)) + padded(data)
            datatype, body = struct.pack("<B3BI", 0x19, 1, 0, 0, 16), struct.pack("<IQI", len(data), HEAP, number)
        elif isinstance(value, bytes):
            datatype, body = struct.pack("<B3BI", 0x13, 0, 0, 0, len(value)), value
        else:
            datatype, body = struct.pack("<B3BI", 0x10, 8, 0, 0, 8), struct.pack("<q", value)
        title, space = name.encode() + b"\0", struct.pack("<4BI", 1, 0, 0, 0, 0)
        sizes = struct.pack("<BBHHH", 1, 0, len(title), len(datatype), len(space))
        attribute = padded(sizes + padded(title) + padded(datatype) + padded(space) + body)
        messages += struct.pack("<HHB3x", 0x0C, len(attribute), 0) + attribute
        count += 1
    header = struct.pack("<BBHII4x", 1, 0, count, 1, len(messages)) + messages
    collection = b"GCOL" + struct.pack("<B3xQ", 1, 16 + len(heap) + 16) + heap + bytes(16)
    end = HEAP + len(collection)
    superblock = MAGIC + struct.pack("<8B2HI4Q", 0, 0, 0, 0, 0, 8, 8, 0, 4, 16, 0, 0, 2**64 - 1, end, 2**64 - 1)
    superblock += struct.pack("<QQ", 0, HEADER)
    whole = superblock.ljust(HEADER, b"\0") + header
    assert len(whole) <= HEAP
    whole = whole.ljust(HEAP, b"\0") + collection
    return whole[: len(whole) - cut]


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)
