"""Large JSON in several calls of the parser: no other thread runs while one of them lasts, and one for millions of
values would last half a second.
"""

from __future__ import annotations

from itertools import chain
from typing import Any, Dict, Iterator, List

import msgspec

LARGE = 4 << 20
"""Bytes from which a value is read part by part."""

_SLICE = 1 << 20

_decode = msgspec.json.Decoder().decode
_members = msgspec.json.Decoder(Dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(List[msgspec.Raw]).decode


def read(text: bytes) -> Any:
    """What a decoder makes of it in one call.

    Raises:
        ValueError: it is not JSON. Where that one call tells better.
    """
    if len(text) < LARGE:
        return _decode(text)
    begin = text[:_SLICE].lstrip()[:1]
    if begin == b"{":
        return {name: read(bytes(value)) for name, value in _members(text).items()}
    if begin != b"[":
        return _decode(text)
    flat = text.count(b"[") == 1 and b"{" not in text and b"\\" not in text
    return list(chain.from_iterable(_of_scalars(text) if flat else _of_items(text)))


def _of_scalars(text: bytes) -> Iterator[List[Any]]:
    """A list of nothing but numbers, words and text without escapes, cut at commas."""
    start, end = text.index(b"[") + 1, text.rindex(b"]")
    comma = start
    while comma >= 0:
        comma = text.find(b",", start + _SLICE, end)
        if comma >= 0 and text.count(b'"', start, comma) % 2:  # it is in a text
            comma = text.find(b",", text.index(b'"', comma), end)
        part = _decode(b"[%b]" % text[start : comma if comma >= 0 else end])
        if not part:
            raise ValueError("there is no value between two commas")
        yield part
        start = comma + 1
    if text[end + 1 :].strip():
        raise ValueError("there is something behind the list")


def _of_items(text: bytes) -> Iterator[List[Any]]:
    """A list of anything, a few items at a time."""
    items = _items(text)
    step = max(1, len(items) * _SLICE // len(text))
    for start in range(0, len(items), step):
        part = b"[%b]" % b",".join(items[start : start + step])
        yield _decode(part) if len(part) < LARGE else [read(bytes(item)) for item in items[start : start + step]]
