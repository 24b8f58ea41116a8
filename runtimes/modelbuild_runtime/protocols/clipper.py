"""Clipper's query frontend (github.com/ucbrise/clipper, its last state): applications, with a latency objective and a
default output for what is late.
"""

from __future__ import annotations

from typing import Any, Dict, List, Set

import msgspec

from modelbuild_runtime import examples, openapi, schema
from modelbuild_runtime.answers import json_answer
from modelbuild_runtime.bodies import base64_text, json_body
from modelbuild_runtime.errors import DeadlineExceeded, InvalidInput, NotFound, Overloaded, ServerError
from modelbuild_runtime.http import media_type
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.protocols import Prediction, Protocol, Route, Service
from modelbuild_runtime.request import Raw, Request, Response, Rows
from modelbuild_runtime.schema import Shared

CLAIMS = ("/{model}/predict", "/{model}/update", "/metrics")

LATE = "Failed to retrieve a prediction response within the specified latency SLO"
QUESTION = '{"input": value} or {"input_batch": [value, ...]}'
FEEDBACK = '{"uid": integer, "input": value, "label": number}'
KEYS = {"input", "input_batch", "version"}

_members = msgspec.json.Decoder(Dict[str, msgspec.Raw]).decode
_elements = msgspec.json.Decoder(List[msgspec.Raw]).decode
_value = msgspec.json.Decoder().decode


def protocol(service: Service) -> Protocol:
    """One application by the model's name, and those that the settings name."""
    app = _Application(service)
    predict = Prediction(app.decode, app.encode)
    return Protocol(
        "clipper",
        "Clipper's applications",
        (
            Route("POST", "/{model}/predict", predict, when=app.is_asked, operation=_operation(service)),
            Route("POST", "/{model}/update", app.update, operation=_UPDATE),
            Route("GET", "/metrics", app.metrics, when=_wants_json, operation=_METRICS),
        ),
        app.error,
    )


class _Application:
    """What the model is under all of its names."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._declared = _declared(service.settings.apps)
        self._default = _as_json(service.settings.default_output)

    def is_asked(self, http: HttpRequest) -> bool:
        """Other servers have this route too: theirs is what does not look like Clipper's, but for declared names."""
        if http.params["model"] in self._declared:
            return True
        keys = _keys(http.body)
        return ("input" in keys) != ("input_batch" in keys) and keys <= KEYS

    def decode(self, http: HttpRequest) -> Request:
        """One input or a batch of them. The latency objective is kept by the queue."""
        service = self._service
        in_base64 = self._takes_base64(http.params["model"])
        if service.takes_raw:
            content_type = http.headers.get(b"content-type", b"").decode("latin-1")
            raw = Raw({"body": bytes(http.body)}, content_type)
            return Request(raw, id=http.id, headers=http.headers)
        inputs = self._inputs(http.body)
        if in_base64:
            inputs = [base64_text.decode(item, "an input of this application", "input") for item in inputs]
        return Request(Rows(inputs), id=http.id, headers=http.headers)

    def encode(self, http: HttpRequest, _request: Request, response: Response) -> HttpResponse:
        """Each row's output. Text that is JSON stands there as JSON, since Clipper's models answer in text."""
        if response.raw is not None:
            return HttpResponse(response.status, response.raw, response.content_type, response.headers)
        outputs = json_answer.rows_of(response, batched=self._service.contract.batched, named=False)
        return _answer(http, [{"output": _as_json(output), "default": False} for output in outputs])

    def update(self, http: HttpRequest) -> HttpResponse:
        """Feedback is read and not kept: there is no policy that it could change. Clipper's word for that is 0."""
        self._takes_base64(http.params["model"])
        body = _object(http.body)
        for key, kinds, word in (
            ("uid", int, "an integer"),
            ("input", object, ""),
            ("label", (int, float), "a number"),
        ):
            if key not in body:
                raise InvalidInput(f"JSON object does not have required key: {key}", field=key)
            if word and (not isinstance(body[key], kinds) or isinstance(body[key], bool)):
                raise InvalidInput(f"{key} must be {word}", field=key)
        return HttpResponse(200, b"Feedback received? 0", "text/plain; charset=utf-8")

    def metrics(self, _http: HttpRequest) -> HttpResponse:
        """Those counters that Clipper has too, in its form: every value is text."""
        service = self._service
        names = (f"app:{service.model_name}", f"model:{service.model_name}:{service.model_version}")
        count = {"count": str(service.statistics().rows)}
        counters = [{f"{name}:num_predictions": count} for name in names]
        return HttpResponse(200, msgspec.json.encode({"counters": counters}))

    def error(self, http: HttpRequest, error: ServerError) -> HttpResponse:
        """What was late is no error, but the default output; all else has a name and a cause."""
        if isinstance(error, (Overloaded, DeadlineExceeded)) and "model" in http.params:
            late = {"output": self._default, "default": True, "default_explanation": LATE}
            return _answer(http, [dict(late) for _ in range(_count(http.body))])
        name, cause = "Query processing error", error.message
        if error.status >= 500:
            name = "An unexpected error occurred!"
        elif isinstance(error, InvalidInput) and error.field != "version":
            form = FEEDBACK if http.path.rstrip("/").endswith("/update") else QUESTION
            name, cause = "Json error", f"Error parsing JSON: {cause}. Expected JSON schema: {form}"
        return HttpResponse(error.status, msgspec.json.encode({"error": name, "cause": cause}))

    def _takes_base64(self, name: str) -> bool:
        if name not in self._declared and name != self._service.model_name:
            raise NotFound(f"there is no application {name[:100]!r}")
        return self._declared.get(name, False)

    def _inputs(self, body: Any) -> List[Any]:
        value = _object(body)
        if "version" in value:
            self._check_version(value["version"])
        if "input" in value:
            return [value["input"]]
        if "input_batch" not in value:
            raise InvalidInput("JSON object does not have required keys input or input_batch")
        batch = value["input_batch"]
        if not isinstance(batch, list):
            raise InvalidInput("input_batch must be a list", field="input_batch")
        return batch

    def _check_version(self, version: Any) -> None:
        if not isinstance(version, str):
            raise InvalidInput("version must be a string")
        if version != self._service.model_version:
            model = self._service.model_name
            raise InvalidInput(f"Requested version: {version[:100]} does not exist for model: {model}", field="version")


def _declared(apps: str) -> Dict[str, bool]:
    """Names of applications, each with whether its inputs are base64."""
    entries = [entry.strip().partition(":") for entry in apps.split(",") if entry.strip()]
    return {name: kind == "bytes" for name, _, kind in entries}


def _keys(body: Any) -> Set[str]:
    """The names in a JSON object; none for anything else."""
    try:
        return set(_members(body)) if body[:1].isspace() or body[:1] == b"{" else set()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return set()


def _count(body: Any) -> int:
    """How many inputs a body holds, without reading them."""
    try:
        return len(_elements(_members(body)["input_batch"]))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
        return 1


def _object(body: Any) -> Dict[str, Any]:
    value = json_body.read(body)
    if not isinstance(value, dict):
        raise InvalidInput("Can only get key-value pair from an object")
    return value


def _as_json(output: Any) -> Any:
    if not isinstance(output, str):
        return output
    try:
        return _value(output)
    except (msgspec.DecodeError, RecursionError):
        return output


def _answer(http: HttpRequest, predictions: List[Dict[str, Any]]) -> HttpResponse:
    """A batch of one is answered like a single input, as Clipper does. Ids are made of the request's own, so that they
    differ between workers, and lead to it.
    """
    from hashlib import blake2b  # here: it loads OpenSSL

    first = int.from_bytes(blake2b(http.id.encode(), digest_size=6).digest(), "big")
    numbered = [{"query_id": first + at, **prediction} for at, prediction in enumerate(predictions)]
    body = numbered[0] if len(numbered) == 1 else {"batch_predictions": numbered}
    return HttpResponse(200, json_answer.encode(body))


def _wants_json(http: HttpRequest) -> bool:
    """Whether JSON is liked better than the text that Prometheus reads."""
    chosen = media_type.choose(http.headers.get(b"accept", b""), ("text/plain", media_type.JSON))
    return chosen is not None and chosen.name == media_type.JSON


def _operation(service: Service) -> Dict[str, Any]:
    row = examples.row(service)
    taken = {media_type.JSON: {"schema": _question(service), **examples.one({"input": row} if row else None)}}
    given = {media_type.JSON: {"schema": _ANSWER}}
    return openapi.prediction(service, "Predict, for an application of Clipper", taken, given, _FAILED)


def _question(service: Service) -> Dict[str, Any]:
    """One input, or several. An application that takes bytes has them in base64."""
    version = {"type": "string", "enum": [service.model_version]}
    return {
        "anyOf": [
            {
                "type": "object",
                "properties": {name: form, "version": version},
                "required": [name],
                "additionalProperties": False,
            }
            for name, form in (("input", schema.ROW), ("input_batch", schema.ROWS))
        ]
    }


_PREDICTION = Shared(
    "ClipperPrediction",
    {
        "type": "object",
        "properties": {
            "query_id": {"type": "integer"},
            "output": {},
            "default": {"type": "boolean"},
            "default_explanation": {"type": "string"},
        },
        "required": ["query_id", "output", "default"],
    },
)
_BATCH = {"type": "object", "properties": {"batch_predictions": {"type": "array", "items": _PREDICTION}}}
_ANSWER = {"anyOf": [_PREDICTION, {**_BATCH, "required": ["batch_predictions"]}]}
_ERROR = Shared(
    "ClipperError",
    {
        "type": "object",
        "properties": {"error": {"type": "string"}, "cause": {"type": "string"}},
        "required": ["error", "cause"],
    },
)
_FAILED = openapi.failures(_ERROR, 400, 404, 413, 415, 500, 503)
_FEEDBACK = {"uid": {"type": "integer"}, "input": {}, "label": {"type": "number"}}
_UPDATE = {
    "summary": "Feedback, which is not kept",
    "requestBody": openapi.asked(
        {"type": "object", "properties": _FEEDBACK, "required": list(_FEEDBACK)}, {"uid": 0, "input": 1, "label": 1.0}
    ),
    "responses": {"200": openapi.texts(), **openapi.failures(_ERROR, 400, 404, 413)},
}
_COUNTERS = {"type": "array", "items": {"type": "object"}}
_METRICS = {
    "summary": "Clipper's counters, where JSON is accepted",
    "responses": {
        "200": openapi.json_body({"type": "object", "properties": {"counters": _COUNTERS}, "required": ["counters"]})
    },
}
