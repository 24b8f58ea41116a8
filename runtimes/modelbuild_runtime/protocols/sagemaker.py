"""Amazon SageMaker: /ping, /invocations by Content-Type and Accept, and what batch transform asks first."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import msgspec

from modelbuild_runtime import openapi, schema
from modelbuild_runtime.answers.answer import AnswerWriter, offers
from modelbuild_runtime.bodies.body import BodyReader
from modelbuild_runtime.errors import ServerError
from modelbuild_runtime.http import media_type
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.protocols import Prediction, Protocol, Route, Service
from modelbuild_runtime.request import Request, Response

ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"
MAX_ATTRIBUTES = 1024
MAX_TRANSFORM_BYTES = 100 << 20
"""Batch transform's own limit for concurrent transforms times their payload."""


def protocol(service: Service) -> Protocol:
    """The routes of a SageMaker container. Answers are bare values, as SageMaker's own containers give them."""
    contract = service.contract
    reader = BodyReader(contract, _offers(service), raw=service.takes_raw, streams=service.streams)
    writer = AnswerWriter(contract, named=False, tokens=True)

    def encode(http: HttpRequest, request: Request, response: Response) -> HttpResponse:
        answer = writer.write(request.wire, response)
        answer.headers += _echoed(http)
        return answer

    def ping(_http: HttpRequest) -> HttpResponse:
        ready = service.ready()
        return HttpResponse(200 if ready else 503, b'{"status":"Healthy"}' if ready else b'{"status":"Unhealthy"}')

    parameters = msgspec.json.encode(_execution_parameters(service))
    return Protocol(
        "sagemaker",
        "Amazon SageMaker",
        (
            Route("GET", "/ping", ping, operation=_PING),
            Route("POST", "/invocations", Prediction(reader.read, encode), operation=_operation(service)),
            Route("GET", "/execution-parameters", lambda _: HttpResponse(200, parameters), operation=_PARAMETERS),
        ),
        _error,
    )


def _offers(service: Service) -> Tuple[str, ...]:
    """The media types of answers; an image may be told which is the usual one."""
    found = offers(service.contract, streams=service.streams and not service.takes_raw)
    usual = media_type.parse(service.environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "").encode()).name
    return (usual, *(name for name in found if name != usual)) if usual in found else found


def _error(http: HttpRequest, error: ServerError) -> HttpResponse:
    return HttpResponse(error.status, msgspec.json.encode({"error": error.message}), headers=_echoed(http))


def _echoed(http: HttpRequest) -> Tuple[Tuple[str, str], ...]:
    value = http.headers.get(ATTRIBUTES)
    if not value or len(value) > MAX_ATTRIBUTES or not all(0x20 <= byte < 0x7F for byte in value):
        return ()
    return (("X-Amzn-SageMaker-Custom-Attributes", value.decode("ascii")),)


def _execution_parameters(service: Service) -> Dict[str, Any]:
    """What batch transform adopts. Local mode ("True" in its environment) knows other words for the strategy."""
    megabytes = max(min(service.max_body, MAX_TRANSFORM_BYTES) >> 20, 1)
    found: Dict[str, Any] = {"MaxConcurrentTransforms": max((MAX_TRANSFORM_BYTES >> 20) // megabytes, 1)}
    if service.environment.get("SAGEMAKER_BATCH") != "True":
        found["BatchStrategy"] = (
            "MULTI_RECORD" if service.contract.batched and not service.takes_raw else "SINGLE_RECORD"
        )
    return {**found, "MaxPayloadInMB": megabytes}


def _operation(service: Service) -> Dict[str, Any]:
    taken: Dict[str, Any] = {media_type.JSON: {"schema": schema.question(service.contract)}}
    given: Dict[str, Any] = {name: {"schema": {"type": "string"}} for name in offers(service.contract)}
    given[media_type.JSON] = {"schema": {}}
    given[media_type.NPY] = {"schema": {"contentMediaType": media_type.NPY}}
    if service.takes_raw:
        taken = given = {"*/*": {"schema": {}}}
    elif service.contract.batched:
        taken.update({name: {"schema": {"type": "string"}} for name in (media_type.CSV, media_type.JSON_LINES)})
    return {
        "summary": "Predict, as SageMaker asks",
        "requestBody": {"required": True, "content": taken},
        "responses": {"200": {"description": "The prediction", "content": given}, "default": _FAILED},
    }


_FAILED = openapi.json_body({"type": "object", "properties": {"error": {"type": "string"}}}, "An error")
_STATUS = {"type": "object", "properties": {"status": {"enum": ["Healthy", "Unhealthy"]}}}
_PING = {
    "summary": "Ready to predict",
    "responses": {"200": openapi.json_body(_STATUS), "503": openapi.json_body(_STATUS, "Not ready")},
}
_PARAMETERS = {"summary": "Parameters for batch transform", "responses": {"200": openapi.json_body({"type": "object"})}}
