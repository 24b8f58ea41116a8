"""Universal Binary JSON, as XGBoost writes it. Values under given keys, such as the trees, are passed over unbuilt."""

from __future__ import annotations

import struct
from collections.abc import Set as AbstractSet
from typing import Any

from modelbuild.formats.protobuf import Buffer

MAX_DEPTH = 64
MAX_ITEMS = 1 << 22
"""Numbers of one array that are built."""

_NUMBERS = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q", b"d": ">f", b"D": ">d"}
_LENGTHS = (b"i", b"U", b"I", b"l", b"L")
_CONSTANTS = {b"T": True, b"F": False, b"Z": None}


class UbjsonError(ValueError):
    """The bytes are no UBJSON, or not a whole document."""


def read_ubjson(buffer: Buffer, without: AbstractSet[str]) -> Any:
    """The document, but for the values of the keys ``without``.

    Raises:
        UbjsonError: it is cut off or malformed.
    """
    return _Reader(buffer, without).value(0, keep=True)


class _Reader:
    def __init__(self, buffer: Buffer, without: AbstractSet[str]) -> None:
        self._buffer = buffer
        self._without = without
        self._at = 0

    def value(self, depth: int, *, keep: bool) -> Any:
        """One value; None in place of a container that is not kept."""
        return self._of(self._take(1), depth, keep=keep)

    def _of(self, mark: bytes, depth: int, *, keep: bool) -> Any:
        if mark in _NUMBERS:
            return self._number(mark)
        if mark == b"S":
            return self._text()
        if mark in _CONSTANTS:
            return _CONSTANTS[mark]
        if depth >= MAX_DEPTH:
            raise UbjsonError(f"it is nested too deeply at byte {self._at}")
        if mark == b"{":
            return self._object(depth + 1, keep=keep)
        if mark == b"[":
            return self._array(depth + 1, keep=keep)
        raise UbjsonError(f"it is malformed at byte {self._at - 1}")

    def _object(self, depth: int, *, keep: bool) -> dict[str, Any] | None:
        found: dict[str, Any] = {}
        while (mark := self._take(1)) != b"}":
            self._at -= len(mark)
            key = self._text()
            kept = keep and key not in self._without
            value = self.value(depth, keep=kept)
            if kept:
                found[key] = value
        return found if keep else None

    def _array(self, depth: int, *, keep: bool) -> list[Any] | None:
        """Of counted values of one type, of counted values, or of values up to a bracket."""
        mark = self._take(1)
        if mark == b"$":
            kind = self._take(1)
            if self._take(1) != b"#":
                raise UbjsonError(f"it is malformed at byte {self._at - 1}")
            return self._typed(kind, keep=keep)
        items = []
        if mark == b"#":
            for _ in range(self._length()):
                item = self.value(depth, keep=keep)
                if keep:
                    items.append(item)
        else:
            while mark != b"]":
                item = self._of(mark, depth, keep=keep)
                if keep:
                    items.append(item)
                mark = self._take(1)
        return items if keep else None

    def _typed(self, kind: bytes, *, keep: bool) -> list[Any] | None:
        if kind not in _NUMBERS:
            raise UbjsonError(f"it is malformed at byte {self._at - 2}")
        count = self._length()
        layout = _NUMBERS[kind]
        data = self._take(count * struct.calcsize(layout), keep=keep)
        if not keep:
            return None
        if count > MAX_ITEMS:
            raise UbjsonError(f"it has an array of {count} numbers where none is expected")
        return list(struct.unpack(f">{count}{layout[1]}", data))

    def _text(self) -> str:
        return self._take(self._length()).decode("utf-8", errors="replace")

    def _length(self) -> int:
        mark = self._take(1)
        length = self._number(mark) if mark in _LENGTHS else -1
        if length < 0:
            raise UbjsonError(f"it is malformed at byte {self._at}")
        return int(length)

    def _number(self, mark: bytes) -> Any:
        layout = _NUMBERS[mark]
        return struct.unpack(layout, self._take(struct.calcsize(layout)))[0]

    def _take(self, count: int, *, keep: bool = True) -> bytes:
        end = self._at + count
        if end > len(self._buffer):
            raise UbjsonError(f"it ends at byte {len(self._buffer)}, in the middle of a value")
        data = bytes(self._buffer[self._at : end]) if keep else b""
        self._at = end
        return data
