"""Errors as gRPC tells them: a code and a message, in the trailers of an answer that always has the HTTP status 200.

Source: https://grpc.github.io/grpc/core/md_doc_statuscodes.html and https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import Dict

from modelbuild_runtime.errors import ServerError
from modelbuild_runtime.http.message import HttpRequest, HttpResponse

CONTENT_TYPE = "application/grpc"
STATUS = "grpc-status"
MESSAGE = "grpc-message"

OK = 0
CANCELLED = 1
UNKNOWN = 2
INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
NOT_FOUND = 5
ALREADY_EXISTS = 6
PERMISSION_DENIED = 7
RESOURCE_EXHAUSTED = 8
FAILED_PRECONDITION = 9
ABORTED = 10
OUT_OF_RANGE = 11
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14
DATA_LOSS = 15
UNAUTHENTICATED = 16

_CODES: Dict[int, int] = {
    401: UNAUTHENTICATED,
    403: PERMISSION_DENIED,
    404: NOT_FOUND,
    405: UNIMPLEMENTED,
    408: DEADLINE_EXCEEDED,
    409: ABORTED,
    413: RESOURCE_EXHAUSTED,
    429: RESOURCE_EXHAUSTED,
    431: RESOURCE_EXHAUSTED,
    499: CANCELLED,
    501: UNIMPLEMENTED,
    503: UNAVAILABLE,
    504: DEADLINE_EXCEEDED,
}
_LONGEST = 1024
"""Bytes of a message: clients take 8 KiB of trailers at most, percent-encoded."""
_PLAIN = frozenset(range(0x20, 0x7F)) - {ord("%")}


def code_of(status: int) -> int:
    """The code for an HTTP status that the server itself gave."""
    return _CODES.get(status, INVALID_ARGUMENT if 400 <= status < 500 else INTERNAL)


def grpc_error(_http: HttpRequest, error: ServerError, code: int = 0) -> HttpResponse:
    """Any error as the answer that ends a call; a protocol may say the code where the usual one is not its own."""
    return failure(error.status, code or code_of(error.status), error.message)


def failure(status: int, code: int, message: str) -> HttpResponse:
    """The end of a call that failed. ``status`` is what a client of HTTP would be told: it is counted, and logged."""
    return HttpResponse(status, b"", CONTENT_TYPE, ((STATUS, str(code)), (MESSAGE, quoted(message))))


def shaped(response: HttpResponse) -> HttpResponse:
    """An error that was not meant for gRPC, as one that is: whatever happens, a call ends as a client understands."""
    if response.content_type == CONTENT_TYPE:
        return response
    phrase = next((one.phrase for one in HTTPStatus if one == response.status), "the call failed")
    return failure(response.status, code_of(response.status), phrase)


@lru_cache(maxsize=16)  # many are refused with the same words
def quoted(message: str) -> str:
    """A message, cut and percent-encoded as the header grpc-message wants it."""
    encoded = message.encode("utf-8", "replace")
    if len(encoded) > _LONGEST:
        encoded = encoded[:_LONGEST].decode("utf-8", "ignore").encode() + b"..."
    return "".join([chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in encoded])
