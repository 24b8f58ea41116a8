"""Answers in parts, each sent as soon as it is made: as JSON lines, as server-sent events (WHATWG HTML, section 9.2),
or just as they come.
"""

from __future__ import annotations

from typing import Any, Callable, Iterator

from modelbuild_runtime.answers import json_answer
from modelbuild_runtime.errors import ServerError
from modelbuild_runtime.http import media_type
from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.request import Response

STREAMED = (media_type.JSON_LINES, media_type.EVENT_STREAM)
"""The media types that parts have a form in; in any other, text and bytes go out one after the other."""
EVENTS_TYPE = f"{media_type.EVENT_STREAM}; charset=utf-8"


def answer(response: Response, kind: str) -> HttpResponse:
    """The response with its parts in the form of the media type ``kind``; what a handler encoded stays as it is."""
    parts: Iterator[Any] = response.parts or iter(())
    if response.content_type:
        return HttpResponse(response.status, b"", response.content_type, response.headers, encode(parts, ""))
    content_type = EVENTS_TYPE if kind == media_type.EVENT_STREAM else kind or media_type.BYTES
    headers = (*response.headers, ("cache-control", "no-cache"))
    return HttpResponse(response.status, b"", content_type, headers, encode(parts, kind))


def encode(parts: Iterator[Any], kind: str) -> Iterator[bytes]:
    """Each part in its media type's form."""
    if kind == media_type.EVENT_STREAM:
        return events(parts, said)
    form = _line if kind == media_type.JSON_LINES else _plain
    return (form(part) for part in parts)


def events(parts: Iterator[Any], shaped: Callable[[Any], Any]) -> Iterator[bytes]:
    """An event a part, each the JSON of what ``shaped`` makes of it. What goes wrong on the way is the last event: the
    status was sent long ago.
    """
    try:
        for part in parts:
            yield event(shaped(part))
    except ServerError as error:
        yield event({"error": error.message})


def event(value: Any) -> bytes:
    """One event."""
    return b"data: " + json_answer.encode(value) + b"\n\n"


def said(part: Any) -> Any:
    """A part as JSON can say it."""
    return bytes(part).decode("utf-8", "replace") if isinstance(part, (bytes, bytearray, memoryview)) else part


def _line(part: Any) -> bytes:
    return json_answer.encode(said(part), tokens=True) + b"\n"


def _plain(part: Any) -> bytes:
    if isinstance(part, (bytes, bytearray, memoryview)):
        return bytes(part)
    return part.encode() if isinstance(part, str) else _line(part)
