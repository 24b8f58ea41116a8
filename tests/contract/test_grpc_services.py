"""gRPC's own services: health and reflection."""

from __future__ import annotations

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from contract.calls import Caller, code, words
from contract.wires import Server, server
from modelbuild_runtime.grpc.changes import Changes
from modelbuild_runtime.grpc.messages import load

HEALTH = load("grpc_health")
KINDS = HEALTH.HealthCheckResponse


def health(method, at=None, **fields):
    message = HEALTH.HealthListRequest() if method == "List" else HEALTH.HealthCheckRequest(**fields)
    return Caller(at or server("iris")).call(f"grpc.health.v1.Health/{method}", message.SerializeToString())


def checked(at=None, **fields):
    return KINDS.FromString(health("Check", at, **fields).body).status


@pytest.mark.parametrize("service", ["", "inference.GRPCInferenceService"])
def test_health_is_readiness(service):
    assert checked(service=service) == KINDS.SERVING
    assert checked(Server("iris", ready=False), service=service) == KINDS.NOT_SERVING


def test_the_health_of_an_unknown_service():
    response = health("Check", service="a.B")
    assert (code(response), words(response)) == (5, "unknown service 'a.B'")


def test_all_healths():
    statuses = HEALTH.HealthListResponse.FromString(health("List").body).statuses
    assert {name: state.status for name, state in statuses.items()} == {
        "": KINDS.SERVING,
        "inference.GRPCInferenceService": KINDS.SERVING,
    }


def test_a_health_that_is_watched():
    at = Server("iris", ready=False)
    parts = health("Watch", at).parts
    assert isinstance(parts, Changes)
    assert KINDS.FromString(parts.new()).status == KINDS.NOT_SERVING
    assert parts.new() is None
    at.service._ready = True
    assert KINDS.FromString(parts.new()).status == KINDS.SERVING
    unknown = health("Watch", service="a.B").parts
    assert KINDS.FromString(next(unknown)).status == KINDS.SERVICE_UNKNOWN


def reflected(version, **asked):
    messages = load(f"grpc_reflection_{version}")
    sent = messages.ServerReflectionRequest(host="h", **asked).SerializeToString()
    method = f"grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    answer = messages.ServerReflectionResponse.FromString(Caller(server("iris")).call(method, sent).body)
    assert answer.valid_host == "h"
    return answer


both = pytest.mark.parametrize("version", ["v1", "v1alpha"])


@both
def test_the_services_are_listed_and_each_is_routed(version):
    names = {service.name for service in reflected(version, list_services="*").list_services_response.service}
    assert {
        "inference.GRPCInferenceService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    } <= names
    routed = {
        route.path.split("/")[1]
        for protocol in server("iris").protocols
        for route in protocol.routes
        if route.method == "GRPC"
    }
    assert routed <= names


@both
@pytest.mark.parametrize(
    "symbol",
    [
        "inference.GRPCInferenceService",
        "inference.GRPCInferenceService.ModelInfer",
        "inference.ModelInferRequest.InferInputTensor",
        "inference.DataType",
        "grpc.health.v1.Health",
        "grpc.health.v1.HealthCheckResponse.ServingStatus",
    ],
)
def test_a_symbol_is_found_with_all_that_it_needs(version, symbol):
    answer = reflected(version, file_containing_symbol=symbol)
    pool = descriptor_pool.DescriptorPool()
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(file)
        for file in answer.file_descriptor_response.file_descriptor_proto
    ]
    for file in reversed(files):
        pool.Add(file)
    assert pool.FindFileContainingSymbol(symbol.removesuffix(".ModelInfer")).name == files[0].name
    again = reflected(version, file_by_filename=files[0].name)
    assert again.file_descriptor_response == answer.file_descriptor_response


@both
def test_what_is_not_there(version):
    for asked in ({"file_containing_symbol": "a.B"}, {"file_by_filename": "a.proto"}):
        assert reflected(version, **asked).error_response.error_code == 5
    assert reflected(version).error_response.error_code == 3
    extensions = reflected(version, all_extension_numbers_of_type="inference.ModelInferRequest")
    assert list(extensions.all_extension_numbers_response.extension_number) == []


def test_every_method_of_every_service_is_routed():
    """Whoever reads a service's description may call what it finds there."""
    names = {service.name for service in reflected("v1", list_services="").list_services_response.service}
    routed = {
        route.path for protocol in server("iris").protocols for route in protocol.routes if route.method == "GRPC"
    }
    for name in names:
        answer = reflected("v1", file_containing_symbol=name)
        file = descriptor_pb2.FileDescriptorProto.FromString(answer.file_descriptor_response.file_descriptor_proto[0])
        for service in file.service:
            if f"{file.package}.{service.name}" == name and name in {path.split("/")[1] for path in routed}:
                for method in service.method:
                    assert f"/{name}/{method.name}" in routed
