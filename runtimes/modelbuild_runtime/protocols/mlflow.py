"""MLflow's scoring protocol, as MLflow 3.17 speaks it: POST /invocations with data frames, instances or inputs, and
GET /version. Its /ping and /health are SageMaker's and the server's own.

/invocations is SageMaker's too. MLflow's are JSON objects with one of its four names, and CSV whose first line says the
contract's names, where JSON will do for an answer.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Dict, Mapping, Optional

import msgspec

from modelbuild_runtime import examples, openapi, schema
from modelbuild_runtime.answers import json_answer
from modelbuild_runtime.answers.answer import offers
from modelbuild_runtime.bodies import csv_body, scoring_schema
from modelbuild_runtime.bodies.question import INPUTS, INSTANCES, RECORD, is_open
from modelbuild_runtime.bodies.scoring_body import KEYS, LLM_KEYS, RECORDS, SPLIT, ScoringBody
from modelbuild_runtime.bodies.scoring_schema import FRAME
from modelbuild_runtime.bodies.top_keys import SEEN, first_key, top_keys
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.dataplane.shares import Share
from modelbuild_runtime.errors import ServerError, UnsupportedMediaType
from modelbuild_runtime.http import media_type
from modelbuild_runtime.http.custom_attributes import attributes
from modelbuild_runtime.http.limits import beginning
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.protocols import Prediction, Protocol, Route, Service
from modelbuild_runtime.request import Request, Response
from modelbuild_runtime.schema import Shared

CLAIMS = ("/invocations", "/version")

VERSION = "3.17.2"
"""The release of MLflow whose protocol this is."""

_LONGEST_LINE = 1 << 16
_JSON = (media_type.JSON, media_type.URLENCODED, "")  # curl's -d says it is a form
_CODES = {
    404: ("ENDPOINT_NOT_FOUND", "KAM00", "RESOURCE_NOT_FOUND"),
    429: ("RESOURCE_EXHAUSTED", "", ""),
    500: ("INTERNAL_ERROR", "XXM00", "CLIENT_INTERNAL_ERROR"),
    501: ("NOT_IMPLEMENTED", "", ""),
    503: ("TEMPORARILY_UNAVAILABLE", "XXM00", "CLIENT_INTERNAL_ERROR"),
    504: ("DEADLINE_EXCEEDED", "", ""),
}
_BAD_REQUEST = ("BAD_REQUEST", "KAM00", "INVALID_PARAMETER_VALUE")


def protocol(service: Service) -> Protocol:
    """The routes of a model that MLflow serves. Handlers that decode by themselves get bodies as SageMaker's do."""
    scoring = _Scoring(service)
    prediction = Prediction(scoring.decode, scoring.encode)
    claims = _Claims(service)
    invocations = Route(
        "POST", "/invocations", prediction, when=claims.fit, begins=claims.begins, operation=_operation(service)
    )
    version = Route("GET", "/version", _version, operation=_VERSION)
    routes = (version,) if service.takes_raw else (invocations, version)
    return Protocol("mlflow", "MLflow's scoring protocol", routes, _error)


class _Claims:
    """Which requests are MLflow's, as can be seen from their beginning. A handler that streams answers everything in
    parts, but for what is MLflow's alone.
    """

    def __init__(self, service: Service) -> None:
        self._contract = service.contract
        keys = (SPLIT, RECORDS) if service.streams else KEYS
        spoken = (*keys, *LLM_KEYS) if is_open(service.contract) and not service.streams else keys
        self._keys = frozenset(key.encode() for key in spoken)
        self.begins = tuple(b'{"%b":' % key for key in sorted(self._keys))
        usual = media_type.parse(service.environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "").encode()).name
        self._offers = offers(service.contract, usual)
        self._spoken = lru_cache(maxsize=64)(self._media)
        self._transforms = service.environment.get("SAGEMAKER_BATCH", "").lower() == "true"

    def fit(self, http: HttpRequest) -> bool:
        headers = http.headers
        media = self._spoken(headers.get(b"content-type", b""), headers.get(b"accept", b""))
        if media is None:
            return False
        encoding = headers.get(b"content-encoding", b"")
        if media == media_type.CSV:
            return csv_body.has_header(beginning(http.body, encoding, _LONGEST_LINE), self._contract)
        start = beginning(http.body, encoding, SEEN)
        return first_key(start) in self._keys or not self._keys.isdisjoint(top_keys(start))

    def _media(self, header: bytes, accept: bytes) -> Optional[str]:
        """JSON or CSV, where bodies of it may be MLflow's. Requests with the same two fields are asked about once."""
        media = media_type.parse(header)
        chosen = media_type.choose(accept, self._offers)
        if chosen is None or chosen.name != media_type.JSON:
            return None
        if media.name == media_type.CSV:
            return None if "header" in media.params or self._transforms else media_type.CSV
        return media_type.JSON if media.name in _JSON else None


class _Scoring:
    """The route that predicts. A question's form is known again when it is answered."""

    def __init__(self, service: Service) -> None:
        self._contract = service.contract
        self._body = ScoringBody(service.contract)

    def decode(self, http: HttpRequest) -> Request:
        """A table in CSV, or JSON with one of the four names."""
        media = media_type.parse(http.headers.get(b"content-type", b""))
        _check(media.params)
        if media.name == media_type.CSV:
            table = csv_body.read(http.body, self._contract, "present")
            return Request(table.payload, id=http.id, headers=http.headers, wire=INSTANCES)
        question = self._body.read(http.body)
        return Request(question.payload, http.id, question.parameters, headers=http.headers, wire=question.form)

    def encode(self, http: HttpRequest, request: Request, response: Response) -> HttpResponse:
        """{"predictions": ...}: a value a row, or a column a name where several outputs answer columns."""
        columns: Any = response.columns
        if isinstance(columns, Share) and response.count == 1 and request.wire == INSTANCES and self._contract.batched:
            body = json_answer.text(columns, INSTANCES, named=False, tokens=True)
        else:
            body = json_answer.encode(self._answer(request.wire, response), tokens=True)
        return HttpResponse(200, body, headers=attributes(http))

    def _answer(self, form: str, response: Response) -> Any:
        if form == INPUTS and response.columns is not None:
            columns = json_answer.outputs(response)
            return {"predictions": next(iter(columns.values())) if len(columns) == 1 else columns}
        rows = json_answer.rows_of(response, batched=self._contract.batched, named=False)
        return rows[0] if form == RECORD else {"predictions": rows}


def _check(params: Mapping[str, str]) -> None:
    """The one parameter that MLflow knows of a content type, and its one value."""
    if params.get("charset", "utf-8").lower() != "utf-8":
        raise UnsupportedMediaType("The scoring server only supports UTF-8", field="content-type")
    others = [name for name in params if name != "charset"]
    if others:
        raise UnsupportedMediaType(
            f"Unrecognized content type parameters: {', '.join(others)[:100]}.", field="content-type"
        )


def _version(_http: HttpRequest) -> HttpResponse:
    return HttpResponse(200, VERSION.encode(), "text/plain; charset=utf-8")


def _error(http: HttpRequest, error: ServerError) -> HttpResponse:
    said = attributes(http)
    if isinstance(error, UnsupportedMediaType):
        return HttpResponse(415, error.message.encode(), "text/plain; charset=utf-8", said)
    code, state, kind = _CODES.get(error.status, _BAD_REQUEST)
    body = {"error_code": code, "message": error.message, **({"sqlstate": state, "error_class": kind} if state else {})}
    return HttpResponse(error.status, msgspec.json.encode(body), headers=said)


def _operation(service: Service) -> Dict[str, Any]:
    contract = service.contract
    rows = scoring_schema.rows(contract)
    ways = [
        _way(SPLIT, FRAME, contract),
        _way(RECORDS, scoring_schema.records(contract), contract),
        _way(INSTANCES, rows, contract),
        _way(INPUTS, scoring_schema.inputs(contract), contract),
    ]
    row = examples.row(service)
    shown = {"frame": {"value": {SPLIT: {"columns": list(row), "data": [list(row.values())]}}}} if row else {}
    body = {"schema": {"anyOf": ways}, **({"examples": shown} if shown else {})}
    taken: Dict[str, Any] = {media_type.JSON: body}
    if contract.batched and contract.inputs:
        taken[media_type.CSV] = openapi.lines()[media_type.CSV]
    given = {media_type.JSON: {"schema": _ANSWER}}
    return openapi.prediction(service, "Predict, as MLflow asks", taken, given, _FAILED)


def _way(key: str, value: Any, contract: Contract) -> Dict[str, Any]:
    """One of the four names; whatever else stands beside it says nothing."""
    beside = dict.fromkeys(("params", "parameters"), schema.parameters(contract))
    others = {"anyOf": [{"required": [name]} for name in KEYS if name != key]}
    return {"type": "object", "properties": {key: value, **beside}, "required": [key], "not": others}


_ANSWER = {"type": "object", "properties": {"predictions": {}}, "required": ["predictions"]}
_ERROR = Shared(
    "MLflowError",
    {
        "type": "object",
        "properties": {
            "error_code": {"type": "string"},
            "message": {"type": "string"},
            "sqlstate": {"type": "string"},
            "error_class": {"type": "string"},
        },
        "required": ["error_code", "message"],
    },
)
_FAILED = {**openapi.failures(_ERROR, 400, 413, 429, 500, 503, 504), "415": openapi.texts(openapi.WORDS[415])}
_VERSION = {"summary": "The release of MLflow whose protocol this is", "responses": {"200": openapi.texts()}}
