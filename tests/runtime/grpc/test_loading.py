"""The answers of a server that is loading are those that the messages would make."""

from __future__ import annotations

import pytest

from modelbuild_runtime.grpc.loading import routes
from modelbuild_runtime.grpc.messages import load
from modelbuild_runtime.http.message import HttpRequest

INFERENCE, HEALTH = load("open_inference"), load("grpc_health")


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("inference.GRPCInferenceService/ServerLive", INFERENCE.ServerLiveResponse(live=True)),
        ("inference.GRPCInferenceService/ServerReady", INFERENCE.ServerReadyResponse(ready=False)),
        ("inference.GRPCInferenceService/ModelReady", INFERENCE.ModelReadyResponse(ready=False)),
        ("grpc.health.v1.Health/Check", HEALTH.HealthCheckResponse(status=HEALTH.HealthCheckResponse.NOT_SERVING)),
    ],
)
def test_alive_and_not_ready(method, expected):
    route = next(route for route in routes() if route.path == f"/{method}")
    assert route.endpoint(HttpRequest("GRPC", route.path, "", {}, b"", {})).body == expected.SerializeToString()
