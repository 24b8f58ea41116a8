"""Google Vertex AI: the routes that the platform asks a custom container for, and those that it falls back on.

After "Custom container requirements for prediction", and the SDK's own server for custom prediction routines. POST
/predict and /health, the SDK's routes for local models, are the natural API's and the server's own, which answer alike.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Sequence, Tuple

import msgspec

from modelbuild_runtime import examples, openapi, schema
from modelbuild_runtime.answers.answer import AnswerWriter, offers
from modelbuild_runtime.answers.parts import STREAMED
from modelbuild_runtime.bodies.body import BodyReader
from modelbuild_runtime.bodies.question import INSTANCES
from modelbuild_runtime.bodies.top_keys import SEEN, top_keys
from modelbuild_runtime.errors import NotReady, ServerError, SettingError
from modelbuild_runtime.http import media_type
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.protocols import Prediction, Protocol, Route, Service
from modelbuild_runtime.request import Request, Response

DEPLOYED = "/v1/endpoints/{endpoint}/deployedModels/{deployed}"
"""Where the platform asks for health if no route was configured; with ":predict" for predictions."""

_PATH = re.compile(r"/[^\s{}?#]*")


def protocol(service: Service) -> Protocol:
    """The platform's usual routes, and those of the environment that no other protocol has already."""
    predicted = _Predicted(service)
    prediction = Prediction(predicted.decode, predicted.encode)
    operation = _operation(service, predicted.offers)

    def health(_http: HttpRequest) -> HttpResponse:
        if not service.ready():
            raise NotReady("the model is not ready: loading, warming up or draining")
        return HttpResponse(200, b"{}")

    routes = [
        Route("GET", DEPLOYED, health, operation=_HEALTH),
        Route("POST", f"{DEPLOYED}:predict", prediction, operation=operation),
    ]
    routes += [
        Route("GET", path, health, operation=_HEALTH, spare=True, public=True)
        for path in _path("AIP_HEALTH_ROUTE", service)
    ]
    routes += [
        Route("POST", path, prediction, operation=operation, spare=True) for path in _path("AIP_PREDICT_ROUTE", service)
    ]
    return Protocol("vertex", "Google Vertex AI", tuple(routes), _error)


class _Predicted:
    """The routes that predict: {"instances": rows} as the platform's predict sends it, and anything that its
    rawPredict passes on.

    The platform does not tell a container of its streamRawPredict. What is no list of instances is answered in parts
    by a handler that can, and so is what accepts nothing else.
    """

    def __init__(self, service: Service) -> None:
        found = offers(service.contract)
        self._streams = service.streams
        self.offers = (*found, *(name for name in STREAMED if name not in found)) if service.streams else found
        self._reader = BodyReader(service.contract, self.offers, raw=service.takes_raw)
        self._parts = BodyReader(service.contract, STREAMED, raw=service.takes_raw)
        self._writer = AnswerWriter(service.contract)

    def decode(self, http: HttpRequest) -> Request:
        if self._streams and self._in_parts(http):
            request = self._parts.read(http)
            request.stream = True
            return request
        return self._reader.read(http)

    def encode(self, _http: HttpRequest, request: Request, response: Response) -> HttpResponse:
        return self._writer.write(request.wire, response)

    def _in_parts(self, http: HttpRequest) -> bool:
        accept = http.headers.get(b"accept", b"")
        chosen = media_type.choose(accept, (*STREAMED, *self.offers))
        if chosen is None or chosen.name not in STREAMED:
            return False
        asked = media_type.choose(accept, self.offers)
        return asked is None or asked.name in STREAMED or INSTANCES.encode() not in top_keys(bytes(http.body[:SEEN]))


def _path(variable: str, service: Service) -> Tuple[str, ...]:
    """The route that the platform was configured with, if it was."""
    plain = service.environment.get(variable, "").strip()
    if not plain:
        return ()
    path = plain if plain.startswith("/") else f"/{plain}"
    if not _PATH.fullmatch(path):
        raise SettingError(f"{variable}={plain!r} is not a path")
    return (path.rstrip("/") or "/",)


def _error(_http: HttpRequest, error: ServerError) -> HttpResponse:
    return HttpResponse(error.status, msgspec.json.encode({"detail": error.message}))


def _operation(service: Service, offered: Sequence[str]) -> Dict[str, Any]:
    given = openapi.written(service, offered)
    if not service.takes_raw:
        given = {**given, media_type.JSON: {"schema": schema.ANSWER}}
    return openapi.prediction(service, "Predict, as Vertex AI asks", _taken(service), given, _FAILED)


def _taken(service: Service) -> Dict[str, Any]:
    """What the platform's predict sends stands first; its rawPredict may send anything else that is read here."""
    taken = openapi.questions(service)
    row = examples.row(service)
    if not row or not service.contract.batched:
        return taken
    shown = {"predict": {"value": {INSTANCES: [row]}}, **taken[media_type.JSON].get("examples", {})}
    return {**taken, media_type.JSON: {**taken[media_type.JSON], "examples": shown}}


_ERROR = schema.Shared(
    "VertexError", {"type": "object", "properties": {"detail": {"type": "string"}}, "required": ["detail"]}
)
_FAILED = openapi.failures(_ERROR, 400, 406, 413, 415, 429, 500, 503, 504)
_HEALTH = {
    "summary": "Ready to predict",
    "responses": {
        "200": openapi.json_body({"type": "object", "maxProperties": 0}),
        **openapi.failures(_ERROR, 503),
    },
}
