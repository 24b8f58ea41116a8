"""Amazon SageMaker: /ping, /invocations by Content-Type and Accept, and what batch transform asks first.

After the developer guide ("Use your own inference code"). Of the platform's other headers a handler sees all; the
server itself keeps no sessions and makes nothing of inference ids.
"""

from __future__ import annotations

from typing import Any, Dict

import msgspec

from modelbuild_runtime import openapi, schema
from modelbuild_runtime.answers.answer import AnswerWriter, offers
from modelbuild_runtime.answers.parts import STREAMED
from modelbuild_runtime.bodies.body import BodyReader
from modelbuild_runtime.errors import ServerError
from modelbuild_runtime.http import media_type
from modelbuild_runtime.http.custom_attributes import attributes
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.protocols import Prediction, Protocol, Route, Service, _sagemaker_models
from modelbuild_runtime.request import Request, Response

MAX_TRANSFORM_BYTES = 100 << 20
"""Batch transform's own limit for concurrent transforms times their payload."""


def protocol(service: Service) -> Protocol:
    """The routes of a SageMaker container. Answers are bare values, as SageMaker's own containers give them."""
    invocations = _Invocations(service)
    prediction = Prediction(invocations.decode, invocations.encode)

    def ping(_http: HttpRequest) -> HttpResponse:
        ready = service.ready()
        return HttpResponse(200 if ready else 503, b'{"status":"Healthy"}' if ready else b'{"status":"Unhealthy"}')

    parameters = msgspec.json.encode(_execution_parameters(service))
    return Protocol(
        "sagemaker",
        "Amazon SageMaker",
        (
            Route("GET", "/ping", ping, operation=_PING, public=True),
            Route("POST", "/invocations", prediction, operation=_operation(service)),
            Route("GET", "/execution-parameters", lambda _: HttpResponse(200, parameters), operation=_PARAMETERS),
            *_sagemaker_models.routes(service, prediction),
        ),
        _error,
    )


class _Invocations:
    """The route that predicts.

    A handler that answers in parts always does, unless another media type is asked for: the platform does not tell a
    container which of its two ways of invoking was used, and joins the parts for the one that wants a whole.
    """

    def __init__(self, service: Service) -> None:
        contract = service.contract
        self._streams = service.streams and not service.takes_raw
        usual = media_type.parse(service.environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "").encode()).name
        self._offers = offers(contract, usual)
        if self._streams:
            self._offers = (*STREAMED, *(name for name in self._offers if name not in STREAMED))
        self._reader = BodyReader(contract, self._offers, raw=service.takes_raw, streams=service.streams)
        self._of_lines = self._transforming(service) if not usual and not self._streams else {}
        self._writer = AnswerWriter(contract, named=False, tokens=True)

    def decode(self, http: HttpRequest) -> Request:
        """Any of the natural bodies; the answer's media type is settled here too."""
        media = media_type.parse(http.headers.get(b"content-type", b""))
        request = self._of_lines.get(media.name, self._reader).read(http)
        if self._streams:
            chosen = media_type.choose(http.headers.get(b"accept", b""), self._offers)
            request.stream = chosen is None or chosen.name in STREAMED
        return request

    def encode(self, http: HttpRequest, request: Request, response: Response) -> HttpResponse:
        """The bare value, or its parts."""
        answer = self._writer.write(request.wire, response)
        answer.headers += attributes(http, answer.headers)
        return answer

    def _transforming(self, service: Service) -> Dict[str, BodyReader]:
        """In batch transform, lines are answered by as many lines, so that the platform can put each beside its own."""
        if service.environment.get("SAGEMAKER_BATCH", "").lower() != "true" or service.takes_raw:
            return {}
        contract = service.contract
        lines = (media_type.CSV, media_type.JSON_LINES)
        return {kind: BodyReader(contract, offers(contract, kind), raw=False) for kind in lines}


def _error(http: HttpRequest, error: ServerError) -> HttpResponse:
    return HttpResponse(error.status, msgspec.json.encode({"error": error.message}), headers=attributes(http))


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
    if service.streams:
        given.update({name: {"schema": {"type": "string"}} for name in STREAMED})
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
