"""HTTP as values: what the connection parsed, and what it is to write. No sockets here."""

from __future__ import annotations

from typing import Dict, Iterator, Optional, Tuple, Union

import msgspec


class HttpRequest(msgspec.Struct, eq=False):
    """One whole request. ``path`` is percent-decoded, without the query; header names are lower case.
    ``params`` are the route's placeholders, ``id`` the request's id (x-request-id, or made here), ``received`` the
    loop's clock when it was complete.
    """

    method: str
    path: str
    query: str
    headers: Dict[bytes, bytes]
    body: Union[bytes, bytearray]
    params: Dict[str, str]
    id: str = ""
    received: float = 0.0


class HttpResponse(msgspec.Struct, eq=False):
    """A response. Content-Length, Date-less head and connection handling are the connection's business. ``parts`` are
    sent one by one in place of ``body``, each as soon as it is made.
    """

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Tuple[Tuple[str, str], ...] = ()
    parts: Optional[Iterator[bytes]] = None
