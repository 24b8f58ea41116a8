"""Google Vertex AI: the routes that the platform asks a custom container for, and those that it falls back on.

After "Custom container requirements for prediction", and the SDK's own server for custom prediction routines. POST
/predict and /health, the SDK's routes for local models, are the natural API's and the server's own, which answer alike.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Tuple

import msgspec

from modelbuild_runtime import openapi, schema
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
    operation = _operation(service)

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
        self._offers = (*found, *(name for name in STREAMED if name not in found)) if service.streams else found
        self._reader = BodyReader(service.contract, self._offers, raw=service.takes_raw)
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
        chosen = media_type.choose(accept, (*STREAMED, *self._offers))
        if chosen is None or chosen.name not in STREAMED:
            return False
        asked = media_type.choose(accept, self._offers)
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


def _operation(service: Service) -> Dict[str, Any]:
    contract = service.contract
    taken: Dict[str, Any] = {"*/*": {"schema": {}}}
    given: Dict[str, Any] = {"*/*": {"schema": {}}}
    if not service.takes_raw:
        taken = {media_type.JSON: {"schema": schema.question(contract)}}
        if contract.batched:
            taken.update({name: {"schema": {"type": "string"}} for name in (media_type.CSV, media_type.JSON_LINES)})
        given = {name: {"schema": {"type": "string"}} for name in offers(contract)}
        given[media_type.JSON] = {"schema": schema.answer(contract)}
        given[media_type.NPY] = {"schema": {"contentMediaType": media_type.NPY}}
    if service.streams:
        given.update({name: {"schema": {"type": "string"}} for name in STREAMED})
    return {
        "summary": "Predict, as Vertex AI asks",
        "requestBody": {"required": True, "content": taken},
        "responses": {"200": {"description": "The prediction", "content": given}, "default": _FAILED},
    }


_FAILED = openapi.json_body(
    {"type": "object", "properties": {"detail": {"type": "string"}}, "required": ["detail"]}, "An error"
)
_HEALTH = {
    "summary": "Ready to predict",
    "responses": {"200": openapi.json_body({"type": "object"}), "503": {**_FAILED, "description": "Not ready"}},
}
