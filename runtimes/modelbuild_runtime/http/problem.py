"""Errors as application/problem+json (RFC 9457): the shape on routes that belong to no particular protocol."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import Any, Dict

import msgspec

from modelbuild_runtime.errors import ServerError
from modelbuild_runtime.http.message import HttpRequest, HttpResponse


@lru_cache(maxsize=64)
def phrase(status: int) -> str:
    """What a status is called; handlers of other servers may make up statuses."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def problem(http: HttpRequest, error: ServerError) -> HttpResponse:
    """The error in words for people (``title``, ``detail``) and programs (``code``, ``field``)."""
    body = problem_body(error.status, error.message, error.code, http.id, error.field)
    return HttpResponse(error.status, body, "application/problem+json")


def problem_body(status: int, detail: str, code: str, identity: str, field: str = "") -> bytes:
    """The document itself."""
    start = _start(status, detail, code, field)
    return start + b',"request_id":%b}' % msgspec.json.encode(identity) if identity else start + b"}"


@lru_cache(maxsize=16)  # of many that are refused, most are told the same; what is told may be long
def _start(status: int, detail: str, code: str, field: str) -> bytes:
    """The document up to what only this request has."""
    body: Dict[str, Any] = {
        "type": "about:blank",
        "title": phrase(status),
        "status": status,
        "detail": detail,
        "code": code,
    }
    if field:
        body["field"] = field
    return msgspec.json.encode(body)[:-1]
