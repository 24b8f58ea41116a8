"""Errors as application/problem+json (RFC 9457): the shape on routes that belong to no particular protocol."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Dict

import msgspec

from modelbuild_runtime.errors import ServerError
from modelbuild_runtime.http.message import HttpRequest, HttpResponse


def phrase(status: int) -> str:
    """What a status is called; handlers of other servers may make up statuses."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def problem(http: HttpRequest, error: ServerError) -> HttpResponse:
    """The error in words for people (``title``, ``detail``) and programs (``code``, ``field``)."""
    body: Dict[str, Any] = {
        "type": "about:blank",
        "title": phrase(error.status),
        "status": error.status,
        "detail": error.message,
        "code": error.code,
    }
    if error.field:
        body["field"] = error.field
    if http.id:
        body["request_id"] = http.id
    return HttpResponse(error.status, msgspec.json.encode(body), "application/problem+json")
