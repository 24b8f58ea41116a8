"""The header blocks of answers: the head before the first message, and the trailers after the last."""

from __future__ import annotations

from functools import lru_cache
from typing import Optional, Tuple

from modelbuild_runtime.grpc import status
from modelbuild_runtime.grpc.call import ENCODINGS
from modelbuild_runtime.grpc.header_block import literal, metadata
from modelbuild_runtime.http.message import HttpResponse

END = literal(b"grpc-status", b"0")
"""The trailers where nothing went wrong."""
_HEAD = b"\x88" + literal(b"content-type", b"application/grpc")
_REQUEST_ID = b"\x00\x0cx-request-id"
_ACCEPTED = literal(b"grpc-accept-encoding", b",".join(ENCODINGS))
_STATUS_FIELDS = frozenset((status.STATUS, status.MESSAGE))


def head_block(request_id: str, response: Optional[HttpResponse]) -> bytes:
    """The head, with the protocol's own fields as metadata; request ids are shorter than 127."""
    if not request_id:
        return _HEAD
    identity = request_id.encode()
    block = b"%b%b%c%b" % (_HEAD, _REQUEST_ID, len(identity), identity)
    return block + metadata(response.headers, _STATUS_FIELDS) if response and response.headers else block


def error_block(request_id: str, response: HttpResponse, *, begun: bool) -> bytes:
    """The trailers of a call that failed; all of its answer, where none has begun."""
    block = _ending(response.headers)
    if begun:
        return block + metadata(response.headers, _STATUS_FIELDS)
    return head_block(request_id, response) + block + (_ACCEPTED if response.status == 501 else b"")


@lru_cache(maxsize=16)  # many are refused with the same words
def _ending(headers: Tuple[Tuple[str, str], ...]) -> bytes:
    return b"".join([literal(name.encode(), value.encode()) for name, value in headers if name in _STATUS_FIELDS])
