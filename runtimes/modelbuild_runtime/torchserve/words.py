"""What both servers put around their answers, and how they say that something is wrong."""

from __future__ import annotations

from typing import Any, Tuple

import msgspec

from modelbuild_runtime.errors import (
    Conflict,
    MethodNotAllowed,
    NotFound,
    NotReady,
    Overloaded,
    PredictionFailed,
    RequestTimeout,
    ServerError,
    Unauthorized,
)
from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.schema import Shared

UNCACHED = (
    ("Pragma", "no-cache"),
    ("Cache-Control", "no-cache; no-store, must-revalidate, private"),
    ("Expires", "Thu, 01 Jan 1970 00:00:00 UTC"),
)
"""On every response, whatever a handler says."""
ERROR = Shared(
    "ModelServerError",
    {
        "type": "object",
        "properties": {"code": {"type": "integer"}, "type": {"type": "string"}, "message": {"type": "string"}},
        "required": ["code", "type", "message"],
    },
)
_OURS = {name.lower() for name, _ in UNCACHED}
_MISSING = {"model": "ModelNotFoundException", "version": "ModelVersionNotFoundException"}
_NO_ROUTE = "Requested resource is not found, please refer to API document."
_NO_METHOD = "Requested method is not allowed, please refer to API document."


def json_answer(status: int, body: Any) -> HttpResponse:
    """JSON as both servers write it: indented, with a line's end."""
    return HttpResponse(status, msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n", headers=UNCACHED)


def error_answer(status: int, kind: str, message: str) -> HttpResponse:
    """An error in their shape."""
    return json_answer(status, {"code": status, "type": kind, "message": message})


def uncached(answer: HttpResponse) -> HttpResponse:
    """An answer that nobody may keep."""
    said = answer.headers
    answer.headers = (*(field for field in said if field[0].lower() not in _OURS), *UNCACHED) if said else UNCACHED
    return answer


def told(error: ServerError, busy: str = "") -> Tuple[int, str, str]:
    """Status, type and message. Errors without a field are not about something in the request; ``busy`` is what they
    say where too much waits.
    """
    known = not error.field
    if isinstance(error, NotFound):
        return 404, _MISSING.get(error.field, "ResourceNotFoundException"), _NO_ROUTE if known else error.message
    if isinstance(error, MethodNotAllowed):
        return 405, "MethodNotAllowedException", _NO_METHOD if known else error.message
    if isinstance(error, Overloaded):
        return 503, "ServiceUnavailableException", busy if known and busy else error.message
    if isinstance(error, PredictionFailed):
        return _failed(error)
    if isinstance(error, NotReady):
        return 503, "ServiceUnavailableException", error.message
    if isinstance(error, RequestTimeout):
        return 408, "RequestTimeoutException", error.message
    if isinstance(error, Conflict):
        return 409, "ConflictStatusException", error.message
    if isinstance(error, Unauthorized):
        return 401, "InvalidKeyException", error.message
    ours = type(error) is not ServerError and error.status < 500
    return error.status, "BadRequestException" if ours else "InternalServerException", error.message


def _failed(error: PredictionFailed) -> Tuple[int, str, str]:
    """What a handler raised is told to nobody; what was wrong with its answer is known to these servers' users."""
    cause = error.__cause__
    if isinstance(cause, MemoryError) or (cause is not None and "CUDA" in str(cause)):
        return 507, "InternalServerException", "Out of resources"
    return 503, "InternalServerException", error.message if cause is None else "Prediction failed"
