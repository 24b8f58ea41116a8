"""A response as the bytes that go on the wire. Head and body are one piece, so that they are one write."""

from __future__ import annotations

import re
from functools import lru_cache
from http import HTTPStatus
from typing import Dict, Tuple

from modelbuild_runtime.http.message import HttpResponse

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LARGE = 1 << 16
"""Bytes from which a body is cheaper to write by itself than to copy behind its head."""
KEEP_ALIVE = b"connection: keep-alive\r\n"
CLOSE = b"connection: close\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"

_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")
_NOT_TOKEN = re.compile(r"[^!#$%&'*+.^_`|~0-9A-Za-z-]")
_OURS = frozenset(("connection", "content-length", "content-type", "keep-alive", "transfer-encoding", "upgrade"))
"""Fields that say where a response ends or what it is: written here, never by a handler."""
_starts: Dict[Tuple[int, str], bytes] = {}


def render(response: HttpResponse, request_id: str, connection: bytes = b"", *, head: bool = False) -> bytes:
    """Status line, header fields and body. ``connection`` is a header line; ``head`` leaves out the body, and so does a
    response in parts.
    """
    start = _starts.get((response.status, response.content_type)) or _start(response.status, response.content_type)
    if response.headers:
        start += _fields(response.headers)
    body = response.body
    if response.parts is not None:
        return start + f"x-request-id: {request_id}\r\n".encode() + connection + b"\r\n"
    if connection:
        start += f"x-request-id: {request_id}\r\n".encode() + connection
        return start + b"content-length: %d\r\n\r\n" % len(body) + (b"" if head else body)
    rest = f"x-request-id: {request_id}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    return start + rest if head else start + rest + body  # this is most of them, and the quickest way


@lru_cache(maxsize=64)  # most answers say the same again: that nobody may keep them, how long a part of them is
def _fields(headers: Tuple[Tuple[str, str], ...]) -> bytes:
    return b"".join([field(name, value) for name, value in headers if name.lower() not in _OURS])


def field(name: str, value: str) -> bytes:
    """One header line. What could end it early is replaced, since a handler may have made it from its input."""
    return f"{_NOT_TOKEN.sub('-', name)}: {_UNSAFE.sub(' ', value)}\r\n".encode("latin-1", "replace")


def _start(status: int, content_type: str) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Status"
    start = b"HTTP/1.1 %d %b\r\n" % (status, phrase.encode())
    if content_type:
        start += field("content-type", content_type)
    if len(_starts) < 256:
        _starts[status, content_type] = start
    return start
