"""Multi-model endpoints of SageMaker: the platform loads and unloads models, by a path that it has unpacked them to,
and invokes each by name. After the developer guide, "Build your own container for multi-model endpoints".
"""

from __future__ import annotations

from typing import Any, Dict, List, Sequence
from urllib.parse import parse_qs

import msgspec

from modelbuild_runtime import openapi
from modelbuild_runtime.bodies import json_body
from modelbuild_runtime.errors import InvalidInput, NotFound, NotReady
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.protocols import Loaded, Models, Prediction, Route, Service, Task, is_multi_model
from modelbuild_runtime.request import Request
from modelbuild_runtime.schema import Shared

_PAGE = 100


def routes(service: Service, invocations: Prediction) -> Sequence[Route]:
    """The routes of a multi-model endpoint; none where the platform does not run this container as one."""
    if not is_multi_model(service.environment):
        return ()
    managed = _Managed(service)

    def decode(http: HttpRequest) -> Request:
        if http.params["model"] != service.model_name:
            raise NotFound(f"model {http.params['model'][:100]!r} is not loaded", field="model")
        return invocations.decode(http)

    invoke = Prediction(decode, invocations.encode)
    model = openapi.json_body(_MODEL)
    return (
        Route("GET", "/models", managed.page, operation=_PAGES),
        Route("POST", "/models", Task(managed.load), operation=_LOAD),
        Route("GET", "/models/{model}", managed.tell, operation=_said("A model that is loaded", model, 404, 503)),
        Route("DELETE", "/models/{model}", Task(managed.unload), operation=_said("Unload a model", model, 404, 503)),
        Route("POST", "/models/{model}/invoke", invoke, operation=_INVOKE),
    )


class _Managed:
    """The verbs of the platform. They reach the models of the process whichever of them is named."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def page(self, http: HttpRequest) -> HttpResponse:
        """A hundred models at a time; the token of the next page is where it begins."""
        (token,) = parse_qs(http.query).get("next_page_token", ["0"])[:1]
        if not token.isdecimal() or len(token) > 9:
            raise InvalidInput(f"next_page_token {token[:100]!r} was not given by this server", field="next_page_token")
        known, start = self._models().loaded(), int(token)
        body: Dict[str, Any] = {"models": [_described(loaded) for loaded in known[start : start + _PAGE]]}
        if len(known) > start + _PAGE:
            body["nextPageToken"] = str(start + _PAGE)
        return _json(body)

    def load(self, http: HttpRequest) -> HttpResponse:
        """The model at ``url``, which is a path, as ``model_name``."""
        asked = json_body.read(http.body)
        values: List[Any] = [asked.get(key) if isinstance(asked, dict) else None for key in ("model_name", "url")]
        if not all(isinstance(value, str) and value for value in values):
            raise InvalidInput("model_name and url must be given, as strings", field="model_name")
        return _json(_described(self._models().load(*values)))

    def tell(self, http: HttpRequest) -> HttpResponse:
        """One model."""
        return _json(_described(self._known(http)))

    def unload(self, http: HttpRequest) -> HttpResponse:
        """Its memory is free when this is answered."""
        loaded = self._known(http)
        self._models().unload(loaded.name)
        return _json(_described(loaded))

    def _known(self, http: HttpRequest) -> Loaded:
        name = http.params["model"]
        for loaded in self._models().loaded():
            if loaded.name == name:
                return loaded
        raise NotFound(f"model {name[:100]!r} is not loaded", field="model")

    def _models(self) -> Models:
        if self._service.models is None:
            raise NotReady("the server is not ready to load models", retry_after=1)
        return self._service.models


def _described(loaded: Loaded) -> Dict[str, str]:
    return {"modelName": loaded.name, "modelUrl": loaded.location}


def _json(body: Any) -> HttpResponse:
    return HttpResponse(200, msgspec.json.encode(body))


def _said(summary: str, success: Dict[str, Any], *failures: int) -> Dict[str, Any]:
    return {"summary": summary, "responses": {"200": success, **openapi.failures(openapi.ERROR, *failures)}}


_MODEL = Shared(
    "SageMakerModel",
    {
        "type": "object",
        "properties": {"modelName": {"type": "string"}, "modelUrl": {"type": "string"}},
        "required": ["modelName", "modelUrl"],
    },
)
_MODELS = {
    "type": "object",
    "properties": {"models": {"type": "array", "items": _MODEL}, "nextPageToken": {"type": "string"}},
    "required": ["models"],
}
_TOKEN = {"name": "next_page_token", "in": "query", "schema": {"type": "string", "pattern": "^[0-9]{1,9}$"}}
_PAGES = {**_said("Models that are loaded", openapi.json_body(_MODELS), 400, 503), "parameters": [_TOKEN]}
_ASKED = {
    "type": "object",
    "properties": {"model_name": {"type": "string", "minLength": 1}, "url": {"type": "string", "minLength": 1}},
    "required": ["model_name", "url"],
}
_LOAD = {
    **_said("Load a model", openapi.json_body(_MODEL), 400, 409, 413, 503, 507),
    "requestBody": openapi.asked(_ASKED),
}
_INVOKE = {
    "summary": "Predict with one of the models, as for /invocations",
    "requestBody": {"content": openapi.ANYTHING},
    "responses": {
        "200": {"description": "The prediction", "content": openapi.ANYTHING},
        **openapi.failures(openapi.ERROR, 400, 404, 406, 413, 415, 429, 500, 503, 504),
    },
}
