"""Server reflection, grpc.reflection.v1 and v1alpha: what grpcurl and its like learn the services and messages from.

Source: https://github.com/grpc/grpc/blob/master/doc/server-reflection.md
"""

from __future__ import annotations

from typing import Any, Callable

from modelbuild_runtime.grpc import status
from modelbuild_runtime.grpc.messages import described, load, parse
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.protocols import Protocol, Route, Service

CLAIMS = ("/grpc.reflection.v1.ServerReflection", "/grpc.reflection.v1alpha.ServerReflection")

VERSIONS = ("v1", "v1alpha")


def protocol(_service: Service) -> Protocol:
    """One method, in the two versions that clients know."""
    routes = [
        Route("GRPC", f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo", _info(version), many=True)
        for version in VERSIONS
    ]
    return Protocol("grpc_reflection", "gRPC's server reflection", tuple(routes), status.grpc_error)


def _info(version: str) -> Callable[[HttpRequest], HttpResponse]:
    messages = load(f"grpc_reflection_{version}")

    def endpoint(http: HttpRequest) -> HttpResponse:
        asked = parse(messages.ServerReflectionRequest, http.body)
        answer = messages.ServerReflectionResponse(valid_host=asked.host, original_request=asked)
        _answer(answer, asked)
        return HttpResponse(200, answer.SerializeToString(), status.CONTENT_TYPE)

    return endpoint


def _answer(answer: Any, asked: Any) -> None:
    kind = asked.WhichOneof("message_request")
    known = described()
    if kind == "list_services":
        for name in known.services:
            answer.list_services_response.service.add(name=name)
        return
    if kind == "file_by_filename":
        found = known.with_imports(asked.file_by_filename)
    elif kind == "file_containing_symbol":
        found = known.with_imports(known.file_of(asked.file_containing_symbol))
    elif kind == "all_extension_numbers_of_type":  # proto3 has none
        answer.all_extension_numbers_response.base_type_name = asked.all_extension_numbers_of_type
        return
    else:
        found = ()
    if found:
        answer.file_descriptor_response.file_descriptor_proto.extend(found)
    else:
        answer.error_response.error_code = status.NOT_FOUND if kind else status.INVALID_ARGUMENT
        answer.error_response.error_message = "there is no such file or symbol" if kind else "nothing was asked"
