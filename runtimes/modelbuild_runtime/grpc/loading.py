"""What is answered while the model is being loaded: alive, and not ready. These answers are bytes that never change, so
that nothing has to be imported for them.
"""

from __future__ import annotations

from typing import Callable, Tuple

from modelbuild_runtime.grpc.status import CONTENT_TYPE
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.protocols import Route

_TRUE = b"\x08\x01"  # field 1 is true
_NOT_SERVING = b"\x08\x02"  # field 1 is the second status of grpc.health.v1


def routes() -> Tuple[Route, ...]:
    """Whoever asks for anything else is told to come back."""
    return (
        Route("GRPC", "/inference.GRPCInferenceService/ServerLive", _constant(_TRUE)),
        Route("GRPC", "/inference.GRPCInferenceService/ServerReady", _constant(b"")),
        Route("GRPC", "/inference.GRPCInferenceService/ModelReady", _constant(b"")),
        Route("GRPC", "/grpc.health.v1.Health/Check", _constant(_NOT_SERVING)),
    )


def _constant(message: bytes) -> Callable[[HttpRequest], HttpResponse]:
    def answer(_http: HttpRequest) -> HttpResponse:
        return HttpResponse(200, message, CONTENT_TYPE)

    return answer
