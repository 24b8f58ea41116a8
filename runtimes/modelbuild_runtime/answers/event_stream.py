"""Answers in parts: as server-sent events (WHATWG HTML, section 9.2), or as a handler encoded them itself."""

from __future__ import annotations

from typing import Any, Callable, Iterator

from modelbuild_runtime.answers import json_answer
from modelbuild_runtime.errors import ServerError
from modelbuild_runtime.http import media_type
from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.request import Response

CONTENT_TYPE = f"{media_type.EVENT_STREAM}; charset=utf-8"


def of_parts(response: Response) -> HttpResponse:
    """An event of JSON a part; bytes with the handler's own content type as they are."""
    parts: Iterator[Any] = response.parts or iter(())
    if response.content_type:
        return HttpResponse(response.status, b"", response.content_type, response.headers, parts)
    return HttpResponse(200, b"", CONTENT_TYPE, (("cache-control", "no-cache"),), events(parts, _same))


def events(parts: Iterator[Any], shaped: Callable[[Any], Any]) -> Iterator[bytes]:
    """An event a part, each a JSON value that ``shaped`` makes of it. What goes wrong on the way is the last event:
    the status was sent long ago.
    """
    try:
        for part in parts:
            yield event(shaped(part))
    except ServerError as error:
        yield event({"error": error.message})


def event(value: Any) -> bytes:
    """One event."""
    return b"data: " + json_answer.encode(value) + b"\n\n"


def _same(part: Any) -> Any:
    return part.decode("utf-8", "replace") if isinstance(part, bytes) else part
