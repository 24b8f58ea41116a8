"""Answers to requests that fail: in the shape of the protocol that was asked, and saying nothing of our insides."""

from __future__ import annotations

import logging
from typing import Tuple

from modelbuild_runtime.errors import (
    MethodNotAllowed,
    Overloaded,
    PredictionFailed,
    ServerError,
    TooLarge,
    Unauthorized,
    UnsupportedCoding,
)
from modelbuild_runtime.grpc.status import grpc_error
from modelbuild_runtime.http.exchange import Exchange
from modelbuild_runtime.http.limits import CODINGS
from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.http.problem import problem
from modelbuild_runtime.log import about
from modelbuild_runtime.security.keys import CHALLENGE

logger = logging.getLogger(__name__)


def refusal(exchange: Exchange, error: ServerError, allowed: Tuple[str, ...] = ()) -> HttpResponse:
    """What is answered to an error; ``allowed`` are the methods that its path has."""
    http = exchange.http
    shape = exchange.protocol.error if exchange.protocol else grpc_error if http.method == "GRPC" else problem
    try:
        response = shape(http, error)
    except Exception:
        logger.exception("the error cannot be encoded", extra=about(exchange))
        response = problem(http, error)
    names = {name.lower() for name, _ in response.headers} if response.headers else ()
    if error.retry_after and "retry-after" not in names:
        response.headers += (("retry-after", str(error.retry_after)),)
    if error.__class__ is Overloaded:  # which comes in crowds
        return response
    if isinstance(error, MethodNotAllowed) and "allow" not in names:
        response.headers += (("allow", ", ".join(allowed)),)
    if isinstance(error, UnsupportedCoding):
        response.headers += (("accept-encoding", CODINGS),)
    if isinstance(error, Unauthorized) and "www-authenticate" not in names:
        response.headers += (("www-authenticate", CHALLENGE),)
    return response


def unreadable(exchange: Exchange, error: BaseException) -> ServerError:
    """Why the request cannot be read; or that we have a bug, which is logged."""
    if isinstance(error, ServerError):
        return error
    if isinstance(error, RecursionError):
        return TooLarge("the body is nested too deeply")
    http = exchange.http
    logger.error("request failed: %s %s", http.method, http.path, exc_info=error, extra=about(exchange))
    return ServerError(f"the server failed; its log says why, under request id {http.id}")


def unspeakable(exchange: Exchange, error: BaseException) -> ServerError:
    """Why the answer cannot be put into the protocol's shape; what nobody foresaw is logged."""
    if isinstance(error, ServerError):
        return error
    logger.error("the answer cannot be encoded", exc_info=error, extra=about(exchange))
    message = "the model's answer cannot be encoded; the server's log says why, under request id"
    return PredictionFailed(f"{message} {exchange.http.id}")
