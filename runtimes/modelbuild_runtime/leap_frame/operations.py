"""MLeap's routes in OpenAPI's words."""

from __future__ import annotations

import base64
from typing import Any, Dict, Mapping

import numpy as np

from modelbuild_runtime import examples, openapi
from modelbuild_runtime.answers import json_answer
from modelbuild_runtime.http import media_type
from modelbuild_runtime.leap_frame import json_frame
from modelbuild_runtime.leap_frame.formats import BINARY, JSON, TYPES
from modelbuild_runtime.leap_frame.frame import Frame
from modelbuild_runtime.leap_frame.tensors import to_column
from modelbuild_runtime.protocols import Service
from modelbuild_runtime.schema import Schema, Shared
from modelbuild_runtime.tensor import NUMPY


def transform(service: Service) -> Schema:
    """The routes of frames as they are. What fails is told with status 200 too, as the newer server does."""
    shown = examples.one(_frame(service))
    taken = {media_type.JSON: {"schema": _FRAME, **shown}, **_BINARY}
    given = {media_type.JSON: {"schema": {"anyOf": [_FRAME, _FAILURE]}}, **_BINARY}
    failed = _failed(400, 404, 406, 413, 415, 429, 500, 503, 504)
    said = openapi.prediction(service, "Transform a leap frame", taken, given, failed)
    return {**said, "parameters": [_TIMEOUT]}


def enveloped(service: Service) -> Schema:
    """The route of frames in base64, which a handler that reads by itself has unpacked for it."""
    frame = _frame(service)
    shown = {
        "modelName": service.model_name,
        "format": JSON,
        "tag": 1,
        "frame": base64.b64encode(json_answer.encode(frame)).decode(),
    }
    question = {**_QUESTION, "properties": {**_QUESTION["properties"], "modelName": {"const": service.model_name}}}
    return {
        "summary": "Transform a leap frame in base64",
        "parameters": [_TIMEOUT],
        "requestBody": openapi.asked(question, shown if frame else None),
        "responses": {"200": openapi.json_body(_ANSWER), **_failed(400, 413, 415, 429, 500, 503, 504)},
    }


def load(service: Service) -> Schema:
    """The packaged model, where that is meant."""
    names = {"modelName": {"const": service.model_name}, "uri": {}, "force": {"const": False}}
    example = {"modelName": service.model_name, "uri": f"file:/models/{service.model_name}.zip"}
    body = {"type": "object", "properties": names, "required": ["modelName", "uri"]}
    said = {"202": openapi.json_body(_MODEL, "Loaded"), **_failed(400, 404, 413)}
    summary = "Loaded, where the packaged model is meant"
    return {"summary": summary, "requestBody": openapi.asked(body, example), "responses": said}


def load_file(service: Service) -> Schema:
    """The same by the name of a file."""
    example = {"path": f"/models/{service.model_name}.zip"}
    pattern = "(^|/)" + service.model_name.replace(".", r"\.") + r"\.[^./]*$"
    body = {"type": "object", "properties": {"path": {"type": "string", "pattern": pattern}}, "required": ["path"]}
    said = {"200": openapi.json_body({"type": "object", "maxProperties": 0}), **_failed(400, 413)}
    summary = "Loaded, where the file is called like the model"
    return {"summary": summary, "requestBody": openapi.asked(body, example), "responses": said}


def _frame(service: Service) -> Any:
    """The example as a frame of one row."""
    columns = []
    for tensor in examples.tensors(service):
        array = np.array(tensor["data"], NUMPY[tensor["datatype"]]).reshape(tensor["shape"])
        columns.append(to_column(tensor["name"], array if service.contract.batched else array[None]))
    return json_frame.write(Frame(columns, 1)) if columns else None


def _failed(*statuses: int) -> Dict[str, Any]:
    return openapi.failures(_FAILURE, *statuses)


def _told(summary: str, body: Any, *failures: int) -> Schema:
    return {"summary": summary, "responses": {"200": openapi.json_body(body), **_failed(*failures)}}


def _object(properties: Mapping[str, Any], *required: str) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required or properties)}


_TEXT = {"type": "string"}
_FAILURE = Shared("MLeapFailure", _object({"status": {"const": "STATUS_ERROR"}, "error": _TEXT, "backtrace": _TEXT}))
_FIELD = _object({"name": _TEXT, "type": {"type": ["string", "object"]}})
_SCHEMA = Shared("LeapSchema", _object({"fields": {"type": "array", "items": _FIELD}}))
_ROWS = {"type": "array", "items": {"type": "array"}, "minItems": 1}
_FRAME = Shared("LeapFrame", _object({"schema": _SCHEMA, "rows": _ROWS}))
_MODEL = Shared("MLeapModel", _object({"name": _TEXT, "uri": _TEXT, "config": {"type": "object"}}))
_BINARY = {name: {"schema": {"contentMediaType": name}} for name, form in TYPES.items() if form == BINARY}
_TIMEOUT = {
    "name": "timeout",
    "in": "header",
    "description": "Milliseconds from the request's arrival.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999_999},
}
_OPTIONS = {
    "type": "object",
    "properties": {
        "select": {"type": "array", "items": _TEXT},
        "selectMode": {"enum": ["SELECT_MODE_STRICT", "SELECT_MODE_RELAXED"]},
    },
}
_QUESTION = _object(
    {
        "modelName": _TEXT,
        "format": {"enum": [JSON, BINARY]},
        "tag": {"type": "integer", "minimum": 0, "maximum": (1 << 64) - 1},
        "frame": {"type": "string", "contentEncoding": "base64"},
        "options": _OPTIONS,
    },
    "modelName",
    "format",
    "frame",
)
_ANSWER = Shared(
    "MLeapAnswer",
    _object(
        {
            "tag": {"type": "integer"},
            "format": _TEXT,
            "frame": _TEXT,
            "status": {"enum": ["STATUS_OK", "STATUS_ERROR"]},
            "error": _TEXT,
            "backtrace": _TEXT,
        },
        "tag",
        "frame",
        "status",
        "error",
        "backtrace",
    ),
)
_TYPED = _object({"fields": {"type": "array", "items": _object({"name": _TEXT, "dataType": {"type": "object"}})}})

META = _told(
    "The model's schemas",
    _object({"bundle": {"type": "object"}, "inputSchema": _TYPED, "outputSchema": _TYPED}),
    404,
)
WHOLE = _told("The schema of a transformed frame", _SCHEMA)
MODEL = _told("The model", _MODEL, 404)
UNLOAD = {"summary": "Forbidden: the packaged model stays", "responses": _failed(403, 404)}
_UP = _object({"status": {"enum": ["UP", "DOWN"]}})
HEALTH = {
    "summary": "Ready to predict",
    "responses": {"200": openapi.json_body(_UP), "503": openapi.json_body(_UP, "Not ready")},
}
