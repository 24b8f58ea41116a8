"""What a header block asks for: which method, how long it may take, how its messages are compressed.

Clients send the same block for each call: what was found once is remembered for as long as the block means the same.

Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Dict, Optional

import msgspec

from modelbuild_runtime.errors import HeadTooLarge, InvalidInput, ServerError, Unsupported
from modelbuild_runtime.grpc.header_block import Fields, HeaderBlocks, sorted_out
from modelbuild_runtime.http.heads import Head

if TYPE_CHECKING:
    from modelbuild_runtime.http.application import Application
    from modelbuild_runtime.http.routes import Routes

ENCODINGS = (b"identity", b"gzip", b"deflate")
_TIMEOUT = re.compile(rb"(\d{1,8})([HMSmun])")
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_MOST_FIELDS = 100
_MOST_KNOWN = 64
_LONGEST_KNOWN = 1024
_BINARY = b"application/octet-stream"
_NOT_OF_CALLS = (b"content-length", b"content-encoding")
"""Fields that HTTP gives a meaning, and gRPC none."""


class Call(msgspec.Struct, eq=False):
    """One method with its metadata. ``head`` is handed to the application with each message, ``inflating`` with those
    that are compressed. ``timeout`` is in seconds from now. ``many``: each message of a stream is a request. ``error``
    is why there will be no answer but this one; ``refused`` the HTTP status for what is no call of gRPC at all.
    """

    head: Head
    inflating: Optional[Head] = None
    timeout: Optional[float] = None
    many: bool = False
    length: Optional[int] = None
    error: Optional[ServerError] = None
    refused: int = 0


class Calls:
    """The calls of one connection."""

    def __init__(self, app: Application, routes: Routes) -> None:
        self._app = app
        self._routes = routes
        self._blocks = HeaderBlocks(app.settings.max_head)
        self._known: Dict[bytes, Call] = {}
        self._changes = routes.changes

    def read(self, block: bytes) -> Call:
        """The call that a block asks for.

        Raises:
            Violation: the block cannot be decoded.
            StreamViolation: it is no request.
        """
        known = self._known.get(block)
        if known is not None and self._changes == self._routes.changes:
            return known
        if self._changes != self._routes.changes:
            self._known.clear()
            self._changes = self._routes.changes
        before = self._blocks.changes
        call = self._call(self._blocks.read(block))
        if self._blocks.changes != before:
            self._known.clear()
        elif self._app.opened and len(block) <= _LONGEST_KNOWN:  # routes are others before
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[block] = call
        return call

    def fields(self, block: bytes) -> Fields:
        """The fields of a block that asks for nothing, such as trailers.

        Raises:
            Violation: the block cannot be decoded.
        """
        before = self._blocks.changes
        fields = self._blocks.read(block)
        if self._blocks.changes != before:
            self._known.clear()
        return fields

    def _call(self, fields: Fields) -> Call:
        pseudo, headers = sorted_out(fields)
        length = headers.get(b"content-length", b"")
        for name in _NOT_OF_CALLS:
            headers.pop(name, None)
        if b":authority" in pseudo:
            headers[b"host"] = pseudo[b":authority"]
        head = self._routes.head(b"GRPC", pseudo[b":path"], headers, "2", keep_alive=True)
        head.content_type = _BINARY
        call = Call(head, length=int(length) if length.isdigit() else None)
        call.refused = _refused(pseudo[b":method"], headers.get(b"content-type", b""))
        if call.refused:
            return call
        routes = head.match.routes
        call.many = bool(routes) and routes[0].route.many
        try:
            if len(fields) > _MOST_FIELDS:
                raise HeadTooLarge(f"more than {_MOST_FIELDS} metadata fields")
            call.timeout = _timeout(headers.get(b"grpc-timeout"))
            if call.timeout:  # from the message's arrival here; the call's own timer is exact
                head.patience = min(call.timeout, head.patience or call.timeout)
            call.inflating = _inflating(head, headers.get(b"grpc-encoding", b"identity"))
            if head.match.refused is not None:
                raise head.match.refused
            if not routes and self._app.opened:
                raise Unsupported(f"there is no method {head.match.path[:200]}")
        except ServerError as error:
            call.error = error
        return call


def _refused(method: bytes, content_type: bytes) -> int:
    if method != b"POST":
        return 405
    kind = content_type.partition(b";")[0].strip().lower()
    return 0 if kind == b"application/grpc" or kind.startswith(b"application/grpc+") else 415


def _timeout(text: Optional[bytes]) -> Optional[float]:
    if text is None:
        return None
    match = _TIMEOUT.fullmatch(text)
    if match is None:
        raise InvalidInput(f"grpc-timeout {text[:20]!r} is not understood", field="grpc-timeout")
    return int(match.group(1)) * _UNITS[match.group(2)]


def _inflating(head: Head, encoding: bytes) -> Optional[Head]:
    encoding = encoding.strip().lower()
    if encoding == b"identity":
        return None
    if encoding not in ENCODINGS:
        raise Unsupported(f"grpc-encoding {encoding[:20]!r} is not supported; use gzip, deflate or identity")
    return msgspec.structs.replace(head, content_encoding=encoding, usual=None)
