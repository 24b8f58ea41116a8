"""Walks over protobuf's wire format without a schema, a copy, or a dependency.

A message is a range of a buffer. Only the headers of its fields are looked at: a tensor of gigabytes in a mapped
file costs nothing to step over. What a field means is the caller's business.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

VARINT = 0
FIXED64 = 1
BYTES = 2
FIXED32 = 5

Buffer = bytes | mmap.mmap


class WireError(ValueError):
    """The bytes are no protobuf message, or end too early. ``offset`` is where."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(f"{message} at byte {offset}")
        self.offset = offset


class WireField(NamedTuple):
    """One field. ``value`` is the number of a varint; of any other, its contents are buffer[start:end]."""

    number: int
    wire: int
    start: int
    end: int
    value: int = 0


@contextmanager
def mapped(path: Path) -> Iterator[Buffer]:
    """The bytes of a file, mapped rather than read."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
            yield buffer


def fields(buffer: Buffer, start: int = 0, end: int | None = None, *, cut: bool = False) -> Iterator[WireField]:
    """The fields of the message in buffer[start:end]. With ``cut``, contents that run past the end are let pass,
    which tells a truncated message from one of another kind.

    Raises:
        WireError: a field is malformed or ends too late.
    """
    stop = len(buffer) if end is None else end
    at = start
    while at < stop:
        key, after = _varint(buffer, at, stop)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise WireError("field number 0", at)
        if wire == VARINT:
            value, at = _varint(buffer, after, stop)
            yield WireField(number, wire, after, at, value)
            continue
        if wire == BYTES:
            size, begin = _varint(buffer, after, stop)
            finish = begin + size
        elif wire in {FIXED64, FIXED32}:
            begin = after
            finish = after + (8 if wire == FIXED64 else 4)
        else:
            raise WireError(f"wire type {wire}", at)
        if finish > stop and not cut:
            raise WireError(f"field {number} is cut off: {finish - stop} bytes are missing", at)
        at = finish
        yield WireField(number, wire, begin, finish)


def _varint(buffer: Buffer, at: int, stop: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= stop:
            raise WireError("a number is cut off", at)
        byte = buffer[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise WireError("a number is longer than 10 bytes", at)


def text(buffer: Buffer, item: WireField) -> str:
    """The contents of a string field.

    Raises:
        WireError: it is no string, or no UTF-8.
    """
    if item.wire != BYTES:
        raise WireError(f"field {item.number} is no string", item.start)
    try:
        return buffer[item.start : item.end].decode("utf-8")
    except UnicodeDecodeError as error:
        raise WireError(f"field {item.number} is no UTF-8", item.start) from error


def signed(value: int) -> int:
    """An int64 from the varint that carries it."""
    return value - (1 << 64) if value >= 1 << 63 else value


def integers(buffer: Buffer, item: WireField) -> Iterator[int]:
    """The values of a repeated int64 field, packed or not."""
    if item.wire == VARINT:
        yield signed(item.value)
        return
    at = item.start
    while at < item.end:
        value, at = _varint(buffer, at, item.end)
        yield signed(value)
