"""DeepDetect (github.com/jolibrain/deepdetect, API 0.1 as of 2026): one service, which is the packaged model."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Dict, List, Mapping
from urllib.parse import parse_qs

import msgspec

from modelbuild_runtime.answers import json_answer
from modelbuild_runtime.bodies import json_body
from modelbuild_runtime.deepdetect import data, operations, predictions
from modelbuild_runtime.deepdetect.data import CONNECTORS, NO_DATA, Data
from modelbuild_runtime.errors import InvalidInput, NotFound, PredictionFailed, ServerError
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.protocols import Prediction, Protocol, Route, Service
from modelbuild_runtime.request import Raw, Request, Response

CLAIMS = ("/predict", "/info", "/services", "/train", "/chain", "/resources", "/stream")

NO_SERVICE = "Service Not Found"
WORDS = {400: "BadRequest", 404: "NotFound", 500: "InternalError"}
CODES = {NO_DATA: 1001, NO_SERVICE: 1002}
"""DeepDetect's own codes for what it has fixed words for."""

MARK = b'"service"'
"""What a question to a service cannot do without."""

NEAR = 4096
"""Bytes from either end of a body within which it must name its service."""

ELSEWHERE = ("train", "chain", "resources", "stream", "services")


def protocol(service: Service) -> Protocol:
    """What can be asked of a service that is already there; training, chains and streams are answered 404."""
    told, predict = _Services(service), _Predict(service)
    path = "/services/{model}"
    return Protocol(
        "deepdetect",
        "DeepDetect",
        (
            Route("GET", "/info", told.info, operation=operations.info(service)),
            Route("GET", path, told.tell, operation=operations.service()),
            Route("PUT", path, told.create, operation=operations.create(service)),
            Route("POST", path, told.create, operation=operations.create(service)),
            Route("DELETE", path, told.delete, operation=operations.DELETE),
            Route(
                "POST",
                "/predict",
                Prediction(predict.decode, predict.encode),
                when=predict.is_asked,
                mark=MARK,
                operation=operations.predict(service),
            ),
        ),
        _error,
        prefixes=ELSEWHERE,
    )


class _Shape(msgspec.Struct):
    """A body of /predict as far as it tells whose it is."""

    service: str
    data: List[msgspec.Raw]


_shape = msgspec.json.Decoder(_Shape).decode


class _Predict:
    """The route that predicts, which other protocols have as well."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._name = service.model_name.lower()
        self._ambiguous = {"service", "data"} <= {spec.name for spec in service.contract.inputs}

    def is_asked(self, http: HttpRequest) -> bool:
        """An object with a string ``service`` and a list ``data``, unless that is a record of the model itself."""
        body = http.body
        near = body if len(body) <= 2 * NEAR else body[:NEAR] + body[-NEAR:]  # most bodies here are not ours
        if MARK not in near or self._ambiguous:
            return False
        try:
            _shape(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        return True

    def decode(self, http: HttpRequest) -> Request:
        """Items to rows; what the answer is to be like is known from the parameters of the output."""
        body = json_body.read(http.body)
        name = body.get("service") if isinstance(body, dict) else None
        if not isinstance(name, str) or not isinstance(body.get("data"), list):
            raise InvalidInput("the body must be an object with 'service' and 'data'", field="parameters")
        if name.lower() != self._name:
            raise NotFound(NO_SERVICE, field="service")
        parameters = _object(body, "parameters")
        asked = predictions.wanted(_object(parameters, "output"))
        if self._service.takes_raw:
            return Request(Raw({"body": bytes(http.body)}, "application/json"), id=http.id, headers=http.headers)
        found = data.read(body["data"], _object(parameters, "input"), self._service.contract)
        ids = body.get("ids")
        if isinstance(ids, list) and all(isinstance(identity, str) for identity in ids):
            found = found._replace(uris=tuple(ids))
        return Request(found.payload, id=http.id, headers=http.headers, wire=(found, asked))

    def encode(self, http: HttpRequest, request: Request, response: Response) -> HttpResponse:
        """The best classes of each row, or its numbers."""
        if response.raw is not None:
            return HttpResponse(response.status, response.raw, response.content_type, response.headers)
        found: Data = request.wire[0]
        made = predictions.predictions(response, self._service.contract, request.wire[1])
        named = [{"uri": found.uri(at), **prediction} for at, prediction in enumerate(made)]
        taken = max(self._service.now() - http.received, 0.0) * 1000
        head = {"method": "/predict", "service": self._name, "time": round(taken, 3)}
        return _answer(200, "OK", head=head, body={"predictions": named})


class _Services:
    """The routes about services. The one of the image can be neither made nor deleted."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._name = service.model_name.lower()

    def info(self, http: HttpRequest) -> HttpResponse:
        """All services."""
        services = [self._described(status=_flag(http, "status", default=False))]
        head = {"method": "/info", "version": "modelbuild", "branch": "", "commit": "", "services": services}
        return _answer(200, "OK", head=head)

    def tell(self, http: HttpRequest) -> HttpResponse:
        """One service."""
        status, labels = _flag(http, "status", default=True), _flag(http, "labels", default=False)
        if http.params["model"].lower() != self._name:
            raise NotFound(NO_SERVICE, field="service")
        return _answer(200, "OK", body=self._described(status=status, labels=labels))

    def create(self, http: HttpRequest) -> HttpResponse:
        """What is there already counts as created, if it is what the client describes."""
        body = json_body.read(http.body)
        if not isinstance(body, dict):
            raise InvalidInput("the body must be an object")
        library = body.get("mllib")
        connector = _object(_object(body, "parameters"), "input").get("connector")
        if not isinstance(library, str) or not isinstance(connector, str):
            raise InvalidInput("'mllib' and 'parameters.input.connector' must be strings")
        ours, known = http.params["model"].lower() == self._name, library.lower() == self._service.platform
        if not ours:
            return _answer(403, "Forbidden") if known else _answer(404, "NotFound", 1000, "Unknown Library")
        if not known:
            return _answer(409, "Conflict", 1014, "Service already exists")
        if connector not in CONNECTORS:
            return _answer(404, "NotFound", 1004, "Input Connector Not Found")
        return _answer(201, "Created")

    def delete(self, http: HttpRequest) -> HttpResponse:
        """The model stays where it is."""
        return _answer(403, "Forbidden") if http.params["model"].lower() == self._name else _answer(404, "NotFound")

    def _described(self, *, status: bool, labels: bool = False) -> Dict[str, Any]:
        service = self._service
        classes = next((spec.labels for spec in service.contract.outputs if spec.labels), ())
        told: Dict[str, Any] = {
            "name": self._name,
            "description": f"{service.model_name}, version {service.model_version}",
            "mllib": service.platform,
            "mltype": "classification" if classes else "regression",
            "type": "supervised",
            "predict": True,
            "training": False,
            "repository": "",
            "parameters": {"input": {"connector": data.connector(service.contract)}, "mllib": {}, "output": {}},
        }
        if classes:
            told["parameters"]["mllib"]["nclasses"] = len(classes)
        return {**told, **({"jobs": []} if status else {}), **({"labels": classes} if labels else {})}


def _error(http: HttpRequest, error: ServerError) -> HttpResponse:
    """The status twice, in DeepDetect's words, and its code for the cause."""
    word = WORDS.get(error.status) or HTTPStatus(error.status).phrase.title().replace(" ", "")
    code, message = CODES.get(error.message, error.status), error.message
    if isinstance(error, PredictionFailed):
        code = 1007
    elif isinstance(error, InvalidInput) and code == error.status and http.path.rstrip("/") == "/predict":
        output = error.field.startswith("parameters.output")
        code, what = (1006, "Service Bad Request Error") if output else (1005, "Service Input Error")
        message = f"{what}: {message}"
    return _answer(error.status, word, code, message)


def _answer(status: int, word: str, code: int = 0, message: str = "", **parts: Mapping[str, Any]) -> HttpResponse:
    told: Dict[str, Any] = {"code": status, "msg": word}
    if code:
        told.update(dd_code=code, dd_msg=message)
    return HttpResponse(status, json_answer.encode({"status": told, **parts}))


def _object(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name, {})
    if not isinstance(found, dict):
        raise InvalidInput(f"{name!r} must be an object", field=name)
    return found


def _flag(http: HttpRequest, name: str, *, default: bool) -> bool:
    text = parse_qs(http.query, keep_blank_values=True).get(name, ["true" if default else "false"])[-1].lower()
    if text not in {"true", "false", "1", "0"}:
        raise InvalidInput(f"{name} must be a boolean value", field=name)
    return text in {"true", "1"}
