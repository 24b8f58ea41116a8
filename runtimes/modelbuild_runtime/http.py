"""HTTP as values: what the connection parsed, and what it is to write. No sockets here."""

from __future__ import annotations

from typing import Dict, Tuple, Union


class HttpRequest:
    """One whole request. ``path`` is percent-decoded, without the query; header names are lower case.
    ``params`` are the route's placeholders, ``id`` the request's id (x-request-id, or made here).
    """

    __slots__ = ("body", "headers", "id", "method", "params", "path", "query", "received")

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        headers: Dict[bytes, bytes],
        body: Union[bytes, bytearray],
        params: Dict[str, str],
        id: str = "",  # noqa: A002
        received: float = 0.0,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.params = params
        self.id = id
        self.received = received


class HttpResponse:
    """A whole response. Content-Length, Date-less head and connection handling are the connection's business."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        content_type: str = "application/json",
        headers: Tuple[Tuple[str, str], ...] = (),
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers
