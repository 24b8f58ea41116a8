"""DeepDetect's routes in OpenAPI's words."""

from __future__ import annotations

from typing import Any, Dict, List

from modelbuild_runtime import examples, openapi, schema
from modelbuild_runtime.deepdetect.data import CONNECTORS, connector, takes_bytes
from modelbuild_runtime.protocols import Service
from modelbuild_runtime.schema import Schema, Shared


def info(service: Service) -> Schema:  # noqa: ARG001
    """The server and its services."""
    return _told("The server and its services", {**_TOLD, "required": ["status", "head"]}, [_flag("status")], 400)


def service() -> Schema:
    """One service."""
    parameters = [_flag("status"), _flag("labels")]
    return _told("What the service is", {**_TOLD, "required": ["status", "body"]}, parameters, 400, 404)


def create(service: Service) -> Schema:
    """Asking for a service that is there."""
    example = {
        "mllib": service.platform,
        "description": service.model_name,
        "parameters": {"input": {"connector": connector(service.contract)}, "mllib": {}, "output": {}},
        "model": {"repository": "/"},
    }
    responses = {"201": openapi.json_body(_STATUS_ONLY, "Created"), **_failed(400, 403, 404, 409, 413)}
    summary = "Created, where this very service is asked for"
    return {"summary": summary, "requestBody": openapi.asked(_SERVICE, example), "responses": responses}


def predict(service: Service) -> Schema:
    """The route that predicts."""
    row = examples.row(service)
    example = {"service": service.model_name, "parameters": {"input": {}, "output": {}}, "data": [row]}
    named = {"service": {"type": "string", "const": service.model_name}, "data": _data(service)}
    body = _object(("service", "data"), parameters=_PARAMETERS, ids=_IDS, **named)
    failed = _failed(400, 404, 413, 429, 500, 503, 504)
    said = openapi.asked(Shared("DeepDetectQuestion", body), example if row else None, "deepdetect")
    answer = {"content": openapi.ANYTHING} if service.takes_raw else openapi.json_body(_PREDICTED)
    responses = {"200": {**answer, "description": "The predictions"}, **failed}
    return {"summary": "Predict, as DeepDetect asks", "requestBody": said, "responses": responses}


def _data(service: Service) -> Schema:
    """Texts, or rows as elsewhere."""
    item: Schema = _TEXT if takes_bytes(service.contract) else {**_TEXT, "format": "csv"}
    texts = {"type": "array", "items": item, "minItems": 1}
    return {"description": "Lines of CSV, JSON, text or base64; or rows.", "anyOf": [schema.ROWS, texts]}


def _told(summary: str, body: Any, parameters: List[Any], *failures: int) -> Schema:
    return {
        "summary": summary,
        "parameters": parameters,
        "responses": {"200": openapi.json_body(body), **_failed(*failures)},
    }


def _flag(name: str) -> Schema:
    return {"name": name, "in": "query", "schema": {"type": "string", "enum": ["true", "false", "1", "0"]}}


def _failed(*statuses: int) -> Dict[str, Any]:
    return openapi.failures(_STATUS_ONLY, *statuses)


def _object(required: Any = (), **properties: Any) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


def _list(items: Any) -> Schema:
    return {"type": "array", "items": items}


_TEXT = {"type": "string"}
_ANY = {"type": "object"}
_CONNECTOR = {"enum": list(CONNECTORS)}
_STATUS = Shared(
    "DeepDetectStatus",
    _object(
        ("code", "msg"),
        code={"type": "integer"},
        msg=_TEXT,
        dd_code={"type": "integer"},
        dd_msg=_TEXT,
    ),
)
_STATUS_ONLY = Shared("DeepDetectAnswer", _object(("status",), status=_STATUS))
_TOLD = _object(("status",), status=_STATUS, head=_ANY, body=_ANY)
_PARAMETERS = _object(input=_ANY, output=_ANY)
_IDS = {"description": "Texts, which stand in the answer as the uris of the predictions."}
_SERVICE = Shared(
    "DeepDetectService",
    _object(
        ("mllib", "parameters"),
        mllib=_TEXT,
        parameters=_object(("input",), input=_object(("connector",), connector=_CONNECTOR)),
    ),
)
_PREDICTED = Shared(
    "DeepDetectPredictions",
    _object(
        ("status", "head", "body"),
        status=_STATUS,
        head=_object(("method", "service", "time"), method=_TEXT, service=_TEXT, time={"type": "number"}),
        body=_object(("predictions",), predictions=_list(_object(("uri",), uri=_TEXT))),
    ),
)

DELETE = {"summary": "Forbidden: the packaged model stays", "responses": _failed(403, 404)}
