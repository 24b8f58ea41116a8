"""Messages as bytes: how a field begins; and what a message would hold, counted before it is made. An empty message
in a list takes two of them on the wire, and a hundred in memory. The counterpart of ``http.limits.admit``, for what
has no separators to count.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Dict, Tuple, Union

from modelbuild_runtime.errors import TooLarge

FEW = 10_000
"""Values in a message that only asks something of the server."""
_VARINT, _FIXED64, _LENGTH, _, _, _FIXED32 = range(6)
_CONTINUED = bytes(range(128, 256))
"""Bytes of a number that is not over yet."""
_SIZES = {1: 8, 6: 8, 16: 8, 2: 4, 7: 4, 15: 4}
"""Of double, fixed64, sfixed64, float, fixed32 and sfixed32, as descriptor.proto numbers types."""

Fields = Dict[int, Union[int, Any]]
"""By number, what may hold many: the size of a number that may be packed, 0 where that varies; or a descriptor."""


def begin(field: int, size: int) -> bytes:
    """What goes before so many bytes of a field whose number is below 16."""
    tag = field << 3 | _LENGTH
    if size < 0x80:
        return bytes((tag, size))
    digits = [tag]
    while size > 0x7F:
        digits.append(size & 0x7F | 0x80)
        size >>= 7
    digits.append(size)
    return bytes(digits)


def admit(descriptor: Any, body: bytes, most: int) -> None:
    """Refuse a message of more values than allowed. What is no message is left to its parser.

    Raises:
        TooLarge: there are more.
    """
    if len(body) <= most:  # each value takes one byte at least
        return
    try:
        left = _count(descriptor, body, 0, len(body), most)
    except IndexError:  # it ends within a number
        return
    if left < 0:
        raise TooLarge(f"the message holds more than {most} values; send fewer rows, or raw bytes")


def _count(descriptor: Any, body: bytes, at: int, end: int, left: int) -> int:
    """How many values may still follow, below 0 where there were too many. No message of ours holds one of its kind."""
    fields = _fields(descriptor)
    while at < end and left >= 0:
        left -= 1
        tag, at = body[at], at + 1
        if tag >= 128:
            tag, at = _number(body, at - 1)
        kind = tag & 7
        if kind == _LENGTH:
            size, at = body[at], at + 1
            if size >= 128:
                size, at = _number(body, at - 1)
            field = fields.get(tag >> 3)
            if at + size > end:
                return left
            if field is not None and size:
                left = _inside(field, body, at, at + size, left)
            at += size
        elif kind == _VARINT:
            while body[at] >= 128:
                at += 1
            at += 1
        elif kind in (_FIXED32, _FIXED64):
            at += 4 if kind == _FIXED32 else 8
        elif kind > _FIXED32:  # none; the marks of groups have nothing behind them
            return left
    return left


def _inside(field: Any, body: bytes, start: int, end: int, left: int) -> int:
    if field.__class__ is not int:
        return _count(field, body, start, end, left)
    if field:
        return left - (end - start) // field
    return left - len(body[start:end].translate(None, _CONTINUED))


def _number(body: bytes, at: int) -> Tuple[int, int]:
    """A number of several bytes, and where it ends."""
    value = shift = 0
    while True:
        byte = body[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise IndexError  # no number is longer


@lru_cache(maxsize=256)
def _fields(descriptor: Any) -> Fields:
    found: Fields = {}
    for field in descriptor.fields:
        if field.message_type is not None:
            found[field.number] = field.message_type
        elif field.type not in (field.TYPE_STRING, field.TYPE_BYTES):
            found[field.number] = _SIZES.get(field.type, 0)
    return found
