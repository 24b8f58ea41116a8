"""Reads the attributes of an HDF5 file's root group: where Keras and others say what the file holds.

Nothing else of the format is looked at, and no data set. Every place is checked before it is read, and how much is
looked at is bounded: a file that is cut off or hostile gives an error.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from modelbuild.formats.protobuf import Buffer

MAGIC = b"\x89HDF\r\n\x1a\n"
MAX_MESSAGES = 4096
LONGEST = 1 << 26
CONTINUATION, ATTRIBUTE = 0x10, 0x0C
FIXED_STRING, VARIABLE = 3, 9


class Hdf5Error(ValueError):
    """A place outside of the file, or a structure that is none."""


@dataclass(frozen=True, slots=True)
class _File:
    """A buffer, and how many bytes its addresses and lengths take."""

    buffer: Buffer
    offsets: int = 8
    lengths: int = 8

    def take(self, at: int, size: int) -> bytes:
        if at < 0 or size < 0 or at + size > len(self.buffer):
            raise Hdf5Error(f"it refers to byte {at + size}, and has {len(self.buffer)}")
        return self.buffer[at : at + size]

    def number(self, at: int, size: int) -> int:
        return int.from_bytes(self.take(at, size), "little")

    def address(self, at: int) -> int:
        return self.number(at, self.offsets)

    def length(self, at: int) -> int:
        return self.number(at, self.lengths)


def root_attributes(buffer: Buffer) -> Mapping[str, str | None]:
    """The root group's attributes: texts, and None for values of other kinds. Those in a heap of their own, as programs
    write them that ask for the newest format, are not found.

    Raises:
        Hdf5Error: it is no HDF5 file, or is cut off.
    """
    if buffer[: len(MAGIC)] != MAGIC:
        raise Hdf5Error("it does not begin as one")
    file, header, end = _superblock(buffer)
    if end > len(buffer):
        raise Hdf5Error(f"{end - len(buffer)} bytes are missing")
    found = {}
    for kind, data in _messages(file, header):
        if kind == ATTRIBUTE:
            name, value = _attribute(file, data)
            found[name] = value
    return found


def _superblock(buffer: Buffer) -> tuple[_File, int, int]:
    """The file, where the root group's header is, and where the file ends."""
    plain = _File(buffer)
    version = plain.number(8, 1)
    if version in {0, 1}:
        file = _sized(buffer, 13)
        start = 24 + 4 * version
        # Base, free space, end, driver; then the root group's entry: its name, its header.
        return file, file.address(start + 5 * file.offsets), file.address(start + 2 * file.offsets)
    if version in {2, 3}:
        file = _sized(buffer, 9)
        return file, file.address(12 + 3 * file.offsets), file.address(12 + 2 * file.offsets)
    raise Hdf5Error(f"version {version} of its superblock is not known")


def _sized(buffer: Buffer, at: int) -> _File:
    sizes = _File(buffer).take(at, 2)
    if not set(sizes) <= {2, 4, 8}:
        raise Hdf5Error(f"its addresses have {sizes[0]} bytes")
    return _File(buffer, sizes[0], sizes[1])


# Object headers.


def _messages(file: _File, header: int) -> Iterator[tuple[int, bytes]]:
    """The messages of an object's header, wherever it goes on."""
    newer = file.take(header, 4) == b"OHDR"
    blocks = [_newer_block(file, header) if newer else (header + 16, file.number(header + 8, 4))]
    ordered = newer and bool(file.number(header + 5, 1) & 4)
    seen, count = set(), 0
    while blocks:
        at, size = blocks.pop(0)
        if at in seen:
            raise Hdf5Error("its header leads back to itself")
        seen.add(at)
        end = at + size
        step = 4 + 2 * ordered if newer else 8
        while at + step <= end:
            count += 1
            if count > MAX_MESSAGES:
                raise Hdf5Error(f"its header has over {MAX_MESSAGES} messages")
            kind, length = (
                (file.number(at, 1), file.number(at + 1, 2)) if newer else (file.number(at, 2), file.number(at + 2, 2))
            )
            shared = file.number(at + (3 if newer else 4), 1) & 2
            data = file.take(at + step, length)
            at += step + length
            if kind == CONTINUATION:
                where = _File(data, file.offsets, file.lengths)
                start, extent = where.address(0), where.length(file.offsets)
                blocks.append((start + 4, extent - 8) if newer else (start, extent))
            elif not shared:
                yield kind, data


def _newer_block(file: _File, header: int) -> tuple[int, int]:
    flags = file.number(header + 5, 1)
    at = header + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 3)
    return at + width, file.number(at, width)


# Attributes.


def _attribute(file: _File, data: bytes) -> tuple[str, str | None]:
    if len(data) < 9:
        raise Hdf5Error("an attribute is cut off")
    version, _, name_size, type_size, space_size = struct.unpack_from("<BBHHH", data)
    at = 9 if version == 3 else 8

    def part(size: int) -> bytes:
        nonlocal at
        found = data[at : at + size]
        at += -(-size // 8) * 8 if version == 1 else size
        return found

    name, datatype, space = part(name_size), part(type_size), part(space_size)
    return name.rstrip(b"\0").decode("utf-8", "replace"), _text(file, datatype, space, data[at:])


def _text(file: _File, datatype: bytes, space: bytes, value: bytes) -> str | None:
    """A single text; None where the value is something else."""
    if len(datatype) < 8 or len(space) < 2 or space[1]:
        return None
    kind, size = datatype[0] & 15, struct.unpack_from("<I", datatype, 4)[0]
    if kind == VARIABLE and datatype[1] & 15 == 1 and len(value) >= 8 + file.offsets:
        inner = _File(value, file.offsets, file.lengths)
        data = _from_heap(file, inner.address(4), inner.number(4 + file.offsets, 4))[: inner.number(0, 4)]
    elif kind == FIXED_STRING:
        data = value[:size]
    else:
        return None
    return data.rstrip(b"\0").decode("utf-8", "replace")


def _from_heap(file: _File, heap: int, wanted: int) -> bytes:
    """An object of a global heap, where texts of any length are."""
    if file.take(heap, 4) != b"GCOL":
        raise Hdf5Error("a text lies in no heap")
    at, end = heap + 8 + file.lengths, heap + file.length(heap + 8)
    step = 8 + file.lengths
    for _ in range(MAX_MESSAGES):
        if at + step > end:
            break
        index, size = file.number(at, 2), file.length(at + 8)
        if index == wanted:
            return file.take(at + step, min(size, LONGEST))
        if index == 0:
            break
        at += step + -(-size // 8) * 8
    raise Hdf5Error("a text is not in its heap")
