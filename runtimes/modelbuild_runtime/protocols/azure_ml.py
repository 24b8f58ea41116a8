"""Azure Machine Learning's scoring server: /score and its headers, and /swagger.json.

After azureml-inference-server-http 1.5, whose contract the platform's own images have. ``input_data`` is what the
platform's clients send to models of MLflow.
"""

from __future__ import annotations

from typing import Any, Dict, List, Tuple
from urllib.parse import parse_qs

import msgspec

from modelbuild_runtime import examples, openapi, schema
from modelbuild_runtime.answers.answer import AnswerWriter, offers
from modelbuild_runtime.bodies import json_body, scoring_schema
from modelbuild_runtime.bodies.body import BodyReader
from modelbuild_runtime.bodies.question import ROWS, is_open, wire
from modelbuild_runtime.bodies.scoring_body import ScoringBody, parameters
from modelbuild_runtime.bodies.top_keys import SEEN, top_keys
from modelbuild_runtime.errors import (
    DeadlineExceeded,
    InvalidInput,
    NotAcceptable,
    NotFound,
    PredictionFailed,
    ServerError,
    UnsupportedMediaType,
)
from modelbuild_runtime.http import media_type
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.http.scoring_headers import ScoringHeaders, check
from modelbuild_runtime.protocols import Prediction, Protocol, Route, Service
from modelbuild_runtime.request import Request, Response, Rows
from modelbuild_runtime.schema import Shared

CLAIMS = ("/score", "/swagger.json")

DATA = "input_data"
VERSIONS = ("2", "2.0", "3", "3.0", "3.1")
"""What ``version`` of /swagger.json may say."""

_FAILED_RUN = "An unexpected error occurred in scoring script. Check the logs for more info."
_MAX_FIELDS = 1000


def protocol(service: Service) -> Protocol:
    """The routes of a scoring server; that it is healthy says the server's own GET /."""
    score = _Score(service)
    said = ScoringHeaders(service.environment)

    def encode(http: HttpRequest, request: Request, response: Response) -> HttpResponse:
        answer = score.encode(request, response)
        answer.headers += said.of(http, failed=answer.status >= 500)
        return answer

    def options(http: HttpRequest) -> HttpResponse:
        return HttpResponse(200, b"", "text/plain; charset=utf-8", said.of(http, failed=False))

    def swagger(http: HttpRequest) -> HttpResponse:
        version = parse_qs(http.query, keep_blank_values=True, max_num_fields=_MAX_FIELDS).get("version", ["2"])[0]
        if version not in VERSIONS:
            raise NotFound(f"Swagger version [{version[:20]}] is not valid. Supported versions: [2, 3, 3.1].")
        return HttpResponse(200, msgspec.json.encode(_in_version(version, service.openapi())), headers=said.of(http))

    def error(http: HttpRequest, problem: ServerError) -> HttpResponse:
        status, message, failed = _told(problem)
        return HttpResponse(status, msgspec.json.encode({"message": message}), headers=said.of(http, failed=failed))

    routes = (
        Route("POST", "/score", Prediction(score.decode, encode), operation=_operation(service)),
        Route("GET", "/score", Prediction(score.decode_query, encode), operation=_asked(service)),
        Route("OPTIONS", "/score", options, operation=_OPTIONS, public=True),
        Route("GET", "/swagger.json", swagger, operation=_SWAGGER),
    )
    return Protocol("azure_ml", "Azure Machine Learning", routes, error)


def _in_version(version: str, document: Dict[str, Any]) -> Dict[str, Any]:
    """Our OpenAPI 3.1 document in one of the ``VERSIONS``."""
    from modelbuild_runtime.openapi.older import to_2, to_30

    if version == "3.1":
        return document
    return to_2(document) if version in {"2", "2.0"} else to_30(document)


class _Score:
    """The routes that predict. Answers are bare values, as scoring scripts return them."""

    def __init__(self, service: Service) -> None:
        self._contract = contract = service.contract
        named = any(spec.name == DATA for spec in contract.inputs)
        self._has_data = not named and not service.takes_raw
        self._offers = offers(contract)
        self._reader = BodyReader(contract, self._offers, raw=service.takes_raw)
        self._frames = ScoringBody(contract)
        self._writer = AnswerWriter(contract, named=False, tokens=True)

    def decode(self, http: HttpRequest) -> Request:
        """{"input_data": frame}, or any of the natural bodies."""
        check(http.headers)
        if not self._has_data or DATA.encode() not in top_keys(bytes(http.body[:SEEN])):
            return self._reader.read(http)
        value = json_body.read(http.body)
        others = [key for key in value if key not in (DATA, "params")]
        if others:
            raise InvalidInput(f"{others[0]!r} cannot stand beside {DATA!r}", field=others[0])
        wanted = wire(ROWS, http.headers.get(b"accept", b""), self._offers, False)
        if wanted is None:
            raise NotAcceptable(f"answers are given as {', '.join(self._offers)}", field="accept")
        payload = self._frames.data(value[DATA], DATA)
        return Request(payload, http.id, parameters(value), headers=http.headers, wire=wanted)

    def decode_query(self, http: HttpRequest) -> Request:
        """One record, each of its fields a parameter of the query."""
        check(http.headers)
        headers = {**http.headers, b"content-type": media_type.URLENCODED.encode()}
        query = http.query.encode("ascii", "replace")
        request = self._reader.read(HttpRequest("GET", http.path, "", headers, query, {}, http.id, http.received))
        if is_open(self._contract) and isinstance(request.payload, Rows):
            request.payload = Rows([_guessed(request.payload.items[0])])
        return request

    def encode(self, request: Request, response: Response) -> HttpResponse:
        return self._writer.write(request.wire, response)


def _guessed(record: Any) -> Any:
    """Texts that are JSON, as what they say."""
    if not isinstance(record, dict):
        return record
    return {name: _value(text) for name, text in record.items()}


def _value(text: Any) -> Any:
    if isinstance(text, list):
        return [_value(one) for one in text]
    try:
        return json_body.read(text.encode()) if isinstance(text, str) else text
    except InvalidInput:
        return text


def _told(problem: ServerError) -> Tuple[int, str, bool]:
    """Status, message, and whether it was the model that failed."""
    if isinstance(problem, PredictionFailed):
        return 500, f"{_FAILED_RUN} {problem.message}", True
    if isinstance(problem, DeadlineExceeded):
        return 500, f"Scoring timeout: {problem.message}", True
    if isinstance(problem, UnsupportedMediaType):
        return 415, f"Expects Content-Type to be application/json; {problem.message}", False
    return problem.status, problem.message, False


def _operation(service: Service) -> Dict[str, Any]:
    taken = openapi.questions(service)
    if not service.takes_raw:
        shown = taken[media_type.JSON].get("examples", {})
        row = examples.row(service)
        if row:
            frame = {"columns": list(row), "data": [list(row.values())]}
            shown = {"frame": {"value": {DATA: frame}}, **shown}
        either = {"anyOf": [schema.QUESTION, _frame(service)]}
        taken = {**taken, media_type.JSON: {"schema": either, **({"examples": shown} if shown else {})}}
    return openapi.prediction(service, _SUMMARY, taken, _given(service), _FAILED)


def _asked(service: Service) -> Dict[str, Any]:
    """Of a request without a body."""
    operation = openapi.prediction(service, _SUMMARY, {}, _given(service), _FAILED)
    operation.pop("requestBody")
    return {**operation, "parameters": _query(service)}


def _given(service: Service) -> Dict[str, Any]:
    given = openapi.written(service, offers(service.contract))
    return given if service.takes_raw else {**given, media_type.JSON: {"schema": schema.BARE_ANSWER}}


def _frame(service: Service) -> Shared:
    """What clients send to models of MLflow."""
    contract = service.contract
    data = {"anyOf": [scoring_schema.FRAME, *scoring_schema.inputs(contract)["anyOf"]]}
    properties = {DATA: data, "params": schema.parameters(contract)}
    body = {"type": "object", "properties": properties, "required": [DATA]}
    return Shared("AzureMLData", {**body, "additionalProperties": False})


def _query(service: Service) -> List[Dict[str, Any]]:
    """A parameter a field; those of a handler that takes anything have names that only it knows."""
    if service.takes_raw or is_open(service.contract):
        anything = {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1}
        return [{"name": "fields", "in": "query", "required": True, "schema": anything}]
    fields = schema.record(service.contract)["properties"]
    return [
        {
            "name": spec.name,
            "in": "query",
            "required": not spec.optional,
            "content": {media_type.JSON: {"schema": fields[spec.name]}},
        }
        for spec in service.contract.inputs
    ]


_SUMMARY = "Predict, as Azure Machine Learning asks"
_ERROR = Shared(
    "AzureMLError", {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
)
_FAILED = openapi.failures(_ERROR, 400, 406, 413, 415, 429, 431, 500, 503)
_OPTIONS = {"summary": "What browsers ask first", "responses": {"200": openapi.texts()}}
_SWAGGER = {
    "summary": "This API in Swagger 2.0, OpenAPI 3.0 or 3.1",
    "parameters": [
        {"name": "version", "in": "query", "schema": {"type": "string", "enum": list(VERSIONS), "default": "2"}}
    ],
    "responses": {"200": openapi.json_body({"type": "object"}), **openapi.failures(_ERROR, 400, 404)},
}
