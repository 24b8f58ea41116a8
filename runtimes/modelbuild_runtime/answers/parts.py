"""Answers in parts, each sent as soon as it is made: as JSON lines, as server-sent events, or just as they come."""

from __future__ import annotations

from typing import Any, Iterator

from modelbuild_runtime.answers import json_answer
from modelbuild_runtime.http import media_type

STREAMED = (media_type.JSON_LINES, media_type.EVENTS)
"""The media types that parts have a form in; in any other, text and bytes go out one after the other."""


def encode(parts: Iterator[Any], kind: str) -> Iterator[bytes]:
    """Each part in its media type's form."""
    form = {media_type.JSON_LINES: _line, media_type.EVENTS: _event}.get(kind, _plain)
    return (form(part) for part in parts)


def _line(part: Any) -> bytes:
    return json_answer.encode(_said(part), tokens=True) + b"\n"


def _event(part: Any) -> bytes:
    """An event of the HTML standard's event streams: text may have several lines, each a field of its own."""
    said = _said(part)
    text = said if isinstance(said, str) else json_answer.encode(said, tokens=True).decode()
    return b"".join(b"data: %b\n" % line.encode() for line in text.splitlines() or [""]) + b"\n"


def _plain(part: Any) -> bytes:
    if isinstance(part, (bytes, bytearray, memoryview)):
        return bytes(part)
    return part.encode() if isinstance(part, str) else _line(part)


def _said(part: Any) -> Any:
    return bytes(part).decode("utf-8", "replace") if isinstance(part, (bytes, bytearray, memoryview)) else part
