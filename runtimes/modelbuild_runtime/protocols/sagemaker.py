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

CLAIMS = ("/ping", "/invocations", "/execution-parameters", "/models")

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
            Route("POST", "/invocations", prediction, operation=invocations.operation()),
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
        self._service = service
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

    def operation(self) -> Dict[str, Any]:
        """What the route takes and gives."""
        service = self._service
        given = openapi.written(service, self._offers)
        if media_type.JSON in given:
            given = {**given, media_type.JSON: {"schema": schema.BARE_ANSWER}}
        return openapi.prediction(service, "Predict, as SageMaker asks", openapi.questions(service), given, _FAILED)

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
    megabytes = max(min(service.settings.max_body, MAX_TRANSFORM_BYTES) >> 20, 1)
    found: Dict[str, Any] = {"MaxConcurrentTransforms": max((MAX_TRANSFORM_BYTES >> 20) // megabytes, 1)}
    if service.environment.get("SAGEMAKER_BATCH") != "True":
        found["BatchStrategy"] = (
            "MULTI_RECORD" if service.contract.batched and not service.takes_raw else "SINGLE_RECORD"
        )
    return {**found, "MaxPayloadInMB": megabytes}


def _ping(word: str) -> Dict[str, Any]:
    return {"type": "object", "properties": {"status": {"const": word}}, "required": ["status"]}


_FAILED = openapi.failures(openapi.ERROR, 400, 406, 413, 415, 429, 500, 503, 504)
_PING = {
    "summary": "Ready to predict",
    "responses": {
        "200": openapi.json_body(_ping("Healthy")),
        "503": openapi.json_body(_ping("Unhealthy"), "Not ready"),
    },
}
_PARAMETERS = {
    "summary": "Parameters for batch transform",
    "responses": {
        "200": openapi.json_body(
            {
                "type": "object",
                "properties": {
                    "MaxConcurrentTransforms": {"type": "integer", "minimum": 1},
                    "BatchStrategy": {"enum": ["MULTI_RECORD", "SINGLE_RECORD"]},
                    "MaxPayloadInMB": {"type": "integer", "minimum": 1},
                },
                "required": ["MaxConcurrentTransforms", "MaxPayloadInMB"],
            }
        )
    },
}
