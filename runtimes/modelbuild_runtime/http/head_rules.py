"""What a head has to be beyond what the parser sees to: what two parties could read differently is refused."""

from __future__ import annotations

from typing import Mapping, Optional

from modelbuild_runtime.errors import HeadTooLarge, InvalidInput, ServerError, Unsupported, VersionNotSupported

MAX_TARGET = 8192
MAX_FIELDS = 100
SINGLE = frozenset((b"host", b"content-length", b"content-type", b"inference-header-content-length"))
"""Fields that two parties could read differently if there were two of them."""


def complaint(method: bytes, version: str, headers: Mapping[bytes, bytes]) -> Optional[ServerError]:
    """Why a request with this head is not read any further; None for one that is."""
    if method == b"CONNECT":
        return Unsupported("this server is no proxy")
    codings = headers.get(b"transfer-encoding")
    if version != "1.1":
        if version != "1.0":
            return VersionNotSupported(f"HTTP/{version} is not spoken here; use HTTP/1.1")
        if codings is not None:
            return InvalidInput("HTTP/1.0 has no transfer codings")
    elif b"host" not in headers:
        return InvalidInput("there is no Host field")
    if codings is not None and codings.lower() != b"chunked":
        return Unsupported("of the transfer codings only chunked is read here")
    return None


def too_large(target: bytes, headers: Mapping[bytes, bytes], repeated: int, most: int) -> Optional[ServerError]:
    """The same by its size: ``repeated`` fields have a name that was there already; ``most`` are bytes."""
    size = len(target) + sum(len(name) + len(value) + 4 for name, value in headers.items())
    if len(headers) + repeated > MAX_FIELDS or size > most:
        return HeadTooLarge(f"the request's head is larger than {MAX_FIELDS} fields or {most} bytes")
    return None
