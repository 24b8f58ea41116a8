"""KServe's protocol, version 1: predict and explain with any JSON or bytes, alone or in a CloudEvent; the models, and
whether one is ready. Read from KServe's Python server (kserve/protocol/rest/v1_endpoints.py, dataplane.py).

TensorFlow Serving has the same paths. A CloudEvent, and what has neither ``instances`` nor ``inputs``, is KServe's. The
list of models and a model's state are answered here, in bodies that clients of both understand, and OpenAI's too.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Dict, NamedTuple, Optional, Tuple, Union

import msgspec

from modelbuild_runtime import cloud_event, examples, openapi, schema
from modelbuild_runtime.answers import json_answer
from modelbuild_runtime.answers.answer import AnswerWriter
from modelbuild_runtime.bodies import json_body
from modelbuild_runtime.bodies.body import BodyReader
from modelbuild_runtime.bodies.json_body import Body
from modelbuild_runtime.cloud_event import CloudEvent
from modelbuild_runtime.errors import NotFound, NotReady, ServerError, Unsupported
from modelbuild_runtime.http import media_type
from modelbuild_runtime.http.limits import Limits, admit
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.protocols import Prediction, Protocol, Route, Service
from modelbuild_runtime.request import Request, Response
from modelbuild_runtime.schema import Shared
from modelbuild_runtime.tensorflow_serving.model_spec import STATES, ModelSpec

CLAIMS = ("/v1",)

MODELS = "/v1/models"
MODEL = f"{MODELS}/{{model}}"
BYTES_TYPE = "application/octet-stream"
"""What KServe takes for JSON, too."""

_OTHERS = re.compile(rb'\s*\{\s*(?:"signature_name"\s*:\s*"[^"\\]*"\s*,\s*)?"(?:instances|inputs)"\s*:')
"""How what TensorFlow Serving's clients send begins: the rest of a large body need not be looked at."""
_BEGINS = (b'{"instances":', b'{"inputs":')

_NESTS = re.compile(rb"\s*[{\[]")
_ENVELOPE = ("specversion", "id", "source", "type", "time", "data")
"""What a JSON body has that KServe takes for a structured event whatever its Content-Type."""


def protocol(service: Service) -> Protocol:
    """The routes of one model."""
    said, asked = _Models(service), _Predictions(service)
    predict = Prediction(partial(asked.decode, explain=False), asked.encode)
    explain = Prediction(partial(asked.decode, explain=True), asked.encode)
    explained = _explanation(service) if service.explains else {}
    routes = (
        Route("GET", MODELS, said.all, operation=_MODELS),
        Route("GET", MODEL, said.one, operation=_MODEL),
        Route("POST", f"{MODEL}:predict", predict, when=is_ours, begins=_BEGINS, operation=_operation(service)),
        Route("POST", f"{MODEL}:explain", explain, operation=explained),
    )
    return Protocol("kserve", "KServe version 1", routes, _error)


def is_ours(http: HttpRequest) -> bool:
    """Whether a request to predict is none of TensorFlow Serving's. Most bodies tell at once."""
    if cloud_event.is_event(http.headers):
        return True
    body = http.body
    if _OTHERS.match(body):
        return False
    if b'"instances"' not in body and b'"inputs"' not in body:
        return _NESTS.match(body) is not None or _is_another_type(http.headers.get(b"content-type", b""))
    try:
        keys = _keys(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return keys.instances is msgspec.UNSET and keys.inputs is msgspec.UNSET


class _Keys(msgspec.Struct):
    """Which of TensorFlow Serving's names a body has."""

    instances: Union[msgspec.Raw, msgspec.UnsetType] = msgspec.UNSET  # is looked for, not read
    inputs: Union[msgspec.Raw, msgspec.UnsetType] = msgspec.UNSET


class _Wire(NamedTuple):
    """What an answer has to be like."""

    answer: Any
    event: Optional[CloudEvent]
    explain: bool


class _Models:
    """The routes that tell."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._spec = ModelSpec(service)

    def all(self, _http: HttpRequest) -> HttpResponse:
        name = self._service.model_name
        listed = {"id": name, "object": "model", "created": 0, "owned_by": "modelbuild"}
        return HttpResponse(200, msgspec.json.encode({"models": [name], "object": "list", "data": [listed]}))

    def one(self, http: HttpRequest) -> HttpResponse:
        name = _checked(http, self._service)
        if not self._service.ready():
            raise NotReady(f"Model with name {name} is not ready.")
        return HttpResponse(200, msgspec.json.encode({**self._spec.states(), "name": name, "ready": True}))


class _Predictions:
    """The routes that predict."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._limits = Limits(service.settings.max_body, service.settings.max_elements)
        self._reader = BodyReader(service.contract, (media_type.JSON,), raw=service.takes_raw)
        self._writer = AnswerWriter(service.contract, named=False)

    def decode(self, http: HttpRequest, *, explain: bool) -> Request:
        """What is asked, out of its event where it comes in one."""
        _checked(http, self._service)
        if explain and not self._service.explains:
            raise Unsupported("Could not find explainer_host.")
        body, content_type, event = _opened(http)
        if event is not None:  # whose data may have been base64
            admit(body, b"", self._limits)
        inner = msgspec.structs.replace(http, body=body, headers={b"content-type": content_type.encode("latin-1")})
        request = self._reader.read(inner)
        request.headers, request.explain = http.headers, explain
        request.accept = http.headers.get(b"accept", b"").decode("latin-1")
        request.wire = _Wire(request.wire, event, explain)
        return request

    def encode(self, http: HttpRequest, request: Request, response: Response) -> HttpResponse:
        """The answer, in an event where the question came in one."""
        wire: _Wire = request.wire
        if wire.explain and response.rows is not None:
            answer = HttpResponse(200, json_answer.encode({"explanations": response.rows}))
        else:
            answer = self._writer.write(wire.answer, response)
        return answer if wire.event is None or answer.status >= 400 else self._event(http, wire.event, answer)

    def _event(self, http: HttpRequest, event: CloudEvent, answer: HttpResponse) -> HttpResponse:
        """An event's identity is the request's. KServe's environment variables name its type and source."""
        known = self._service.environment
        attributes = cloud_event.merged(event) if known.get("CE_MERGE", "").lower() == "true" else {}
        attributes["id"] = http.id
        attributes["type"] = known.get("CE_TYPE", "io.kserve.inference.response")
        attributes["source"] = known.get("CE_SOURCE", f"io.kserve.inference.{self._service.model_name}")
        body, content_type, headers = cloud_event.written(event, attributes, answer.body, answer.content_type)
        return HttpResponse(answer.status, body, content_type, answer.headers + headers)


def _checked(http: HttpRequest, service: Service) -> str:
    model = http.params["model"]
    if model != service.model_name:
        raise NotFound(f"Model with name {model[:100]} does not exist.", field="model")
    return model


def _opened(http: HttpRequest) -> Tuple[Body, str, Optional[CloudEvent]]:
    """The body, its content type, and the event that it came in."""
    if cloud_event.is_event(http.headers):
        event = cloud_event.read(http.headers, http.body)
        return event.data, _type_of(event.data, event.content_type), event
    header = http.headers.get(b"content-type", b"").decode("latin-1")
    return _unwrapped(http.body), _type_of(http.body, header), None


def _type_of(body: Body, content_type: str) -> str:
    """JSON for what KServe takes for JSON, as far as it is."""
    name = media_type.parse(content_type.encode("latin-1")).name
    return media_type.JSON if name == BYTES_TYPE and bytes(body[:1]) in (b"{", b"[") else content_type


def _unwrapped(body: Body) -> Body:
    """The data of a body that looks like a structured event; KServe answers it without one."""
    if b'"specversion"' not in body:
        return body
    try:
        found = json_body.read(body)
    except ServerError:
        return body
    if not isinstance(found, dict) or not all(name in found for name in _ENVELOPE):
        return body
    return json_answer.encode(found["data"], tokens=True)


def _is_another_type(content_type: bytes) -> bool:
    """Whether a body says that it is no JSON."""
    return media_type.parse(content_type).name not in ("", media_type.JSON, media_type.URLENCODED, BYTES_TYPE)


_keys = msgspec.json.Decoder(_Keys).decode


def _error(_http: HttpRequest, error: ServerError) -> HttpResponse:
    return HttpResponse(error.status, msgspec.json.encode({"error": error.message}))


_UNNAMED = {"anyOf": [schema.ROW, schema.ROWS]}
"""What is asked with neither of TensorFlow Serving's names, whose the rest is."""


def _operation(service: Service, question: Any = _UNNAMED) -> Dict[str, Any]:
    row = examples.row(service)
    shown = examples.one({"instances": [row]} if row and service.contract.batched else None)
    asked, answered = _event("CloudEventQuestion", schema.QUESTION), _event("CloudEventAnswer", {})
    taken = {media_type.JSON: {"schema": question, **shown}, cloud_event.STRUCTURED: {"schema": asked}}
    given = {media_type.JSON: {"schema": schema.BARE_ANSWER}, cloud_event.STRUCTURED: {"schema": answered}}
    return openapi.prediction(service, "Predict, in any JSON", taken, given, _FAILED)


def _explanation(service: Service) -> Dict[str, Any]:
    """Promised only where there is something to explain predictions with."""
    said = _operation(service, schema.QUESTION)
    body = {"type": "object", "properties": {"explanations": {"type": "array"}}, "required": ["explanations"]}
    event = _event("CloudEventAnswer", {})
    content = {media_type.JSON: {"schema": body}, cloud_event.STRUCTURED: {"schema": event}}
    answer = {"description": "An explanation a row", "content": openapi.ANYTHING if service.takes_raw else content}
    return {**said, "summary": "Explain a prediction", "responses": {**said["responses"], "200": answer}}


def _event(name: str, data: Any) -> Shared:
    """A CloudEvent in its structured mode, with the question or the answer as its data."""
    attributes = ("specversion", "id", "source", "type")
    properties: Dict[str, Any] = {attribute: {"type": "string", "minLength": 1} for attribute in attributes}
    properties.update(datacontenttype={"const": media_type.JSON}, data=data)
    return Shared(name, {"type": "object", "properties": properties, "required": [*attributes, "data"]})


_FAILED = openapi.failures(openapi.ERROR, 400, 404, 406, 413, 415, 429, 500, 503, 504)
_LIST = {
    "type": "object",
    "properties": {
        "models": {"type": "array", "items": {"type": "string"}},
        "object": {"const": "list"},
        "data": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["models", "object", "data"],
}
_MODELS = {"summary": "The models", "responses": {"200": openapi.json_body(_LIST)}}
_READY = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "ready": {"const": True}, "model_version_status": STATES},
    "required": ["name", "ready", "model_version_status"],
}
_MODEL = {
    "summary": "Whether the model is ready",
    "responses": {"200": openapi.json_body(_READY), **openapi.failures(openapi.ERROR, 404, 503)},
}
