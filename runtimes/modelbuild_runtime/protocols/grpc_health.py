"""gRPC's own health service, grpc.health.v1.Health, as Kubernetes' gRPC probes and load balancers ask it.

Source: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

from __future__ import annotations

from functools import partial

from modelbuild_runtime.errors import NotFound
from modelbuild_runtime.grpc import status
from modelbuild_runtime.grpc.changes import Changes
from modelbuild_runtime.grpc.messages import load, parse
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.protocols import Protocol, Route, Service

CLAIMS = ("/grpc.health.v1.Health",)

OVERALL = ""
SERVICES = (OVERALL, "inference.GRPCInferenceService")
"""What has a health: the server, and the service that every model has. All are as healthy as the model is ready."""

_PATH = "/grpc.health.v1.Health/"
_messages = load("grpc_health")


def protocol(service: Service) -> Protocol:
    """Three methods."""
    health = _Health(service)
    routes = (
        Route("GRPC", _PATH + "Check", health.check, public=True),
        Route("GRPC", _PATH + "List", health.all, public=True),
        Route("GRPC", _PATH + "Watch", health.watch, public=True),
    )
    return Protocol("grpc_health", "gRPC's health service", routes, status.grpc_error)


class _Health:
    def __init__(self, service: Service) -> None:
        self._ready = service.ready

    def check(self, http: HttpRequest) -> HttpResponse:
        """The health of one service, or of the server."""
        name = parse(_messages.HealthCheckRequest, http.body).service
        if name not in SERVICES:
            raise NotFound(f"unknown service {name[:100]!r}", field="service")
        return _sent(self._state(name))

    def all(self, _http: HttpRequest) -> HttpResponse:
        """The health of all."""
        answer = _messages.HealthListResponse()
        for name in SERVICES:
            answer.statuses[name].ParseFromString(self._state(name))
        return _sent(answer.SerializeToString())

    def watch(self, http: HttpRequest) -> HttpResponse:
        """The health of now, and then whenever it changes."""
        name = parse(_messages.HealthCheckRequest, http.body).service
        return HttpResponse(200, b"", status.CONTENT_TYPE, parts=Changes(partial(self._state, name)))

    def _state(self, name: str) -> bytes:
        kinds = _messages.HealthCheckResponse
        known = kinds.SERVING if self._ready() else kinds.NOT_SERVING
        state: bytes = kinds(status=known if name in SERVICES else kinds.SERVICE_UNKNOWN).SerializeToString()
        return state


def _sent(body: bytes) -> HttpResponse:
    return HttpResponse(200, body, status.CONTENT_TYPE)
