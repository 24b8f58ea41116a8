"""Reads tables of a FlatBuffers file without a schema, a copy, or a dependency.

A table is a place in a buffer; what its fields mean is the caller's business. Every place is checked before it is read:
a file that is cut off or hostile gives an error.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from modelbuild.formats.protobuf import Buffer

MAX_ITEMS = 1 << 20
"""Items of a vector that are looked at one by one."""


class FlatbufferError(ValueError):
    """A place outside of the file, or far too many items."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table. Fields are numbered as in the schema, from 0; one that is not there has its default."""

    buffer: Buffer
    at: int

    def number(self, field: int, form: str, default: int = 0) -> int:
        """A scalar in the form of ``struct``: "b", "i", "I", "Q" ..."""
        place = self._place(field)
        return int(_unpack(self.buffer, place, form)) if place else default

    def text(self, field: int) -> str:
        """A string; "" where there is none.

        Raises:
            FlatbufferError: it lies outside of the file, or is no UTF-8.
        """
        place = self._place(field)
        return _text(self.buffer, _follow(self.buffer, place)) if place else ""

    def texts(self, field: int) -> Iterator[str]:
        """A vector of strings."""
        return (_text(self.buffer, table.at) for table in self.tables(field))

    def table(self, field: int) -> Table | None:
        """A table inside."""
        place = self._place(field)
        return Table(self.buffer, _follow(self.buffer, place)) if place else None

    def tables(self, field: int) -> Iterator[Table]:
        """A vector of tables."""
        start, length = self.span(field, 4)
        for place in range(start, start + 4 * length, 4):
            yield Table(self.buffer, _follow(self.buffer, place))

    def integers(self, field: int) -> tuple[int, ...]:
        """A vector of int32."""
        start, length = self.span(field, 4)
        return struct.unpack(f"<{length}i", self.buffer[start : start + 4 * length])

    def span(self, field: int, width: int = 1) -> tuple[int, int]:
        """Where the items of a vector begin, and how many there are, each ``width`` bytes; (0, 0) where there is none.

        Raises:
            FlatbufferError: it goes past the end of the file.
        """
        place = self._place(field)
        return _span(self.buffer, _follow(self.buffer, place), width) if place else (0, 0)

    def _place(self, field: int) -> int:
        """Where a field is; 0 where it is not."""
        entries = self.at - int(_unpack(self.buffer, self.at, "i"))
        at = 4 + 2 * field
        if at >= int(_unpack(self.buffer, entries, "H")):
            return 0
        offset = int(_unpack(self.buffer, entries + at, "H"))
        return self.at + offset if offset else 0


def root(buffer: Buffer) -> Table:
    """The table that a file begins with.

    Raises:
        FlatbufferError: it lies outside of the file.
    """
    return Table(buffer, _follow(buffer, 0))


def _span(buffer: Buffer, at: int, width: int = 1) -> tuple[int, int]:
    length = int(_unpack(buffer, at, "I"))
    missing = at + 4 + width * length - len(buffer)
    if missing > 0:
        raise FlatbufferError(f"{missing} bytes are missing")
    if width > 1 and length > MAX_ITEMS:
        raise FlatbufferError(f"a list at byte {at} claims {length} items")
    return at + 4, length


def _text(buffer: Buffer, at: int) -> str:
    start, length = _span(buffer, at)
    try:
        return buffer[start : start + length].decode("utf-8")
    except UnicodeDecodeError as error:
        raise FlatbufferError(f"a name at byte {start} is no UTF-8") from error


def _follow(buffer: Buffer, at: int) -> int:
    return at + int(_unpack(buffer, at, "I"))


def _unpack(buffer: Buffer, at: int, form: str) -> Any:
    if at < 0 or at + struct.calcsize(f"<{form}") > len(buffer):
        raise FlatbufferError(f"it refers to byte {at}, and has {len(buffer)}")
    return struct.unpack_from(f"<{form}", buffer, at)[0]
