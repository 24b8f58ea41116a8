"""How long a client waits, as the head of its request says, whatever its protocol.

Envoy tells the servers behind it in milliseconds; so do the meshes and platforms that are built on it (Istio, Knative).

Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter
"""

from __future__ import annotations

import math
from typing import Mapping

from modelbuild_runtime.errors import InvalidInput

SECONDS = b"x-request-timeout"
MILLISECONDS = b"x-envoy-expected-rq-timeout-ms"
UNREADABLE = -1.0
PARAMETERS = (
    {
        "name": "x-request-timeout",
        "in": "header",
        "description": "Seconds that the client waits; what comes too late is 504, or the protocol's own word",
        "schema": {"type": "number", "exclusiveMinimum": 0},
    },
    {
        "name": "x-envoy-expected-rq-timeout-ms",
        "in": "header",
        "description": "The same in milliseconds, as Envoy says it; 0 is no limit, and the lesser of the two holds",
        "schema": {"type": "number", "minimum": 0},
    },
)
"""The two as OpenAPI describes them."""


def patience(headers: Mapping[bytes, bytes]) -> float:
    """Seconds from the request's arrival, the least where there are several; 0 where none are named, and
    ``UNREADABLE`` where that is no number.
    """
    seconds = _number(headers[SECONDS]) if SECONDS in headers else 0.0
    if seconds == 0 and SECONDS in headers:
        return UNREADABLE
    others = _number(headers[MILLISECONDS]) / 1000 if MILLISECONDS in headers else 0.0  # Envoy's 0 is no limit
    if seconds < 0 or others < 0:
        return UNREADABLE
    return min(seconds or others, others or seconds)


def deadline(received: float, seconds: float, asked: float) -> float:
    """When the client gives up: what its protocol says, or its head, whichever is earlier.

    Raises:
        InvalidInput: what the head says is no number.
    """
    if seconds < 0:
        raise InvalidInput(
            f"{SECONDS.decode()} must be a number of seconds above 0, and {MILLISECONDS.decode()} of milliseconds",
            field=SECONDS.decode(),
        )
    at = received + seconds
    return at if asked <= 0 else min(at, asked)


def _number(text: bytes) -> float:
    try:
        value = float(text)
    except ValueError:
        return UNREADABLE
    return value if 0 <= value < math.inf and b"_" not in text else UNREADABLE
