"""MLeap's routes in OpenAPI's words."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from modelbuild_runtime import openapi
from modelbuild_runtime.http import media_type
from modelbuild_runtime.leap_frame.formats import BINARY, JSON, TYPES

_OBJECT = {"type": "object"}
_FAILURE = {
    "type": "object",
    "properties": {"status": {"const": "STATUS_ERROR"}, "error": {"type": "string"}, "backtrace": {"type": "string"}},
    "required": ["status", "error", "backtrace"],
}
_FAILED = openapi.json_body(_FAILURE, "An error")
_FIELD = {"type": "object", "properties": {"name": {"type": "string"}, "type": {}}, "required": ["name", "type"]}
_SCHEMA = {"type": "object", "properties": {"fields": {"type": "array", "items": _FIELD}}, "required": ["fields"]}
_FRAME = {
    "type": "object",
    "properties": {"schema": _SCHEMA, "rows": {"type": "array", "items": {"type": "array"}}},
    "required": ["schema", "rows"],
}
_BINARY = {name: {"schema": {"contentMediaType": name}} for name, form in TYPES.items() if form == BINARY}
_TIMEOUT = {"name": "timeout", "in": "header", "schema": {"type": "integer", "minimum": 0, "maximum": 999_999_999_999}}
TRANSFORM = {
    "summary": "Transform a leap frame",
    "parameters": [_TIMEOUT],
    "requestBody": {"required": True, "content": {media_type.JSON: {"schema": _FRAME}, **_BINARY}},
    "responses": {
        "200": {
            "description": "The frame with the outputs, or what failed",
            "content": {media_type.JSON: {"schema": {"anyOf": [_FRAME, _FAILURE]}}, **_BINARY},
        },
        "default": _FAILED,
    },
}
_OPTIONS = {
    "type": "object",
    "properties": {
        "select": {"type": "array", "items": {"type": "string"}},
        "selectMode": {"enum": ["SELECT_MODE_STRICT", "SELECT_MODE_RELAXED"]},
    },
}
ENVELOPED = {
    "summary": "Transform a leap frame in base64",
    "parameters": [_TIMEOUT],
    "requestBody": {
        "required": True,
        **openapi.json_body(
            {
                "type": "object",
                "properties": {
                    "modelName": {"type": "string"},
                    "format": {"enum": [JSON, BINARY]},
                    "tag": {"type": "integer", "minimum": 0, "maximum": (1 << 64) - 1},
                    "frame": {"type": "string", "contentEncoding": "base64"},
                    "options": _OPTIONS,
                },
                "required": ["modelName", "format", "frame"],
            },
            "The frame",
        ),
    },
    "responses": {
        "200": openapi.json_body(
            {
                "type": "object",
                "properties": {
                    "tag": {"type": "integer"},
                    "format": {"type": "string"},
                    "frame": {"type": "string"},
                    "status": {"enum": ["STATUS_OK", "STATUS_ERROR"]},
                    "error": {"type": "string"},
                    "backtrace": {"type": "string"},
                },
                "required": ["tag", "frame", "status", "error", "backtrace"],
            }
        ),
        "default": _FAILED,
    },
}


def said(summary: str, *failures: int) -> Dict[str, Any]:
    """A route that tells something."""
    responses = {"200": openapi.json_body(_OBJECT), **{str(status): _FAILED for status in failures}}
    return {"summary": summary, "responses": responses}


def _taken(summary: str, status: int, names: Mapping[str, Any]) -> Dict[str, Any]:
    body = {"type": "object", "properties": names, "required": list(names)}
    responses = {str(status): openapi.json_body(_OBJECT), "400": _FAILED, "413": _FAILED}
    return {"summary": summary, "requestBody": {"required": True, **openapi.json_body(body)}, "responses": responses}


LOAD = _taken("Loaded, where the packaged model is meant", 202, {"modelName": {"type": "string"}, "uri": {}})
LOAD_FILE = _taken("Loaded, where the file is called like the model", 200, {"path": {"type": "string"}})
UNLOAD = {"summary": "Forbidden", "responses": {"403": _FAILED, "404": _FAILED}}
_UP = {"type": "object", "properties": {"status": {"enum": ["UP", "DOWN"]}}, "required": ["status"]}
HEALTH = {
    "summary": "Ready to predict",
    "responses": {"200": openapi.json_body(_UP), "503": openapi.json_body(_UP, "Not ready")},
}
