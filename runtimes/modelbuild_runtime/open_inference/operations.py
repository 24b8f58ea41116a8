"""The OpenAPI operations of the Open Inference Protocol."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from modelbuild_runtime import openapi
from modelbuild_runtime.protocols import Service
from modelbuild_runtime.tensor import NUMPY

_TEXT = {"type": "string"}
_TRUE = {"type": "boolean", "const": True}
_TEXTS = {"type": "array", "items": _TEXT}


def _of(required: Mapping[str, Any], **others: Any) -> Dict[str, Any]:
    return {"type": "object", "properties": {**required, **others}, "required": list(required)}


_ERROR = _of({"error": _TEXT})
_FAILURE = openapi.json_body(_ERROR, "An error")
_SHAPE = {"type": "array", "items": {"type": "integer", "minimum": -1}}
_TENSORS = {"type": "array", "items": _of({"name": _TEXT, "datatype": _TEXT, "shape": _SHAPE})}
_OUTPUT = _of(
    {"name": _TEXT, "datatype": _TEXT, "shape": _SHAPE}, data={"type": "array"}, parameters={"type": "object"}
)
_ANSWER = _of({"model_name": _TEXT, "model_version": _TEXT, "outputs": {"type": "array", "items": _OUTPUT}}, id=_TEXT)
_GENERATED = _of({"model_name": _TEXT, "model_version": _TEXT})
_STREAM = {"text/event-stream": {"schema": _TEXT}}

SERVER = _of({"name": _TEXT, "version": _TEXT, "extensions": _TEXTS})
LIVE = _of({"live": _TRUE})
READY = _of({"ready": _TRUE, "live": _TRUE})
MODELS = _of({"models": _TEXTS})
MODEL = _of({"name": _TEXT, "versions": _TEXTS, "platform": _TEXT, "inputs": _TENSORS, "outputs": _TENSORS})
MODEL_READY = _of({"name": _TEXT, "ready": _TRUE})
CONFIG = _of(
    {"name": _TEXT, "platform": _TEXT, "max_batch_size": {"type": "integer"}, "input": {"type": "array"}},
    output={"type": "array"},
)
STATISTICS = _of({"model_stats": {"type": "array", "items": _of({"name": _TEXT, "version": _TEXT})}})
SETTINGS = {"type": "object"}
NOTHING = {"type": "array", "maxItems": 0}


def told(summary: str, body: Mapping[str, Any], *failures: int) -> Dict[str, Any]:
    """A route that tells something, and the statuses of its errors."""
    return {
        "summary": summary,
        "responses": {"200": openapi.json_body(body), **{str(status): _FAILURE for status in failures}},
    }


def never(summary: str) -> Dict[str, Any]:
    """A route that is there to say that this is not done."""
    return {"summary": f"{summary}: not done here", "responses": {"404": _FAILURE, "501": _FAILURE}}


def index() -> Dict[str, Any]:
    """The repository index."""
    body = {"type": "object", "properties": {"ready": {"type": "boolean"}}}
    model = _of({"name": _TEXT, "version": _TEXT, "state": _TEXT, "reason": _TEXT})
    return {
        "requestBody": openapi.json_body(body, "Whether only models that are ready are asked for"),
        **told("Models and their states", {"type": "array", "items": model}, 400, 413),
    }


def load() -> Dict[str, Any]:
    """Loading what is loaded already."""
    body = {"type": "object", "properties": {"parameters": {"type": "object"}}}
    return {
        "requestBody": openapi.json_body(body, "A configuration or files, neither of which is taken"),
        **told("Load the model, which is loaded", _of({"name": _TEXT, "load": _TRUE}), 400, 404, 413, 501),
    }


def infer(service: Service) -> Dict[str, Any]:
    """Tensors in, tensors out."""
    return {
        "summary": "Predict, with tensors",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _question(service)}, "application/octet-stream": {"schema": {}}},
        },
        "responses": {
            "200": {
                "description": "The prediction",
                "content": {"application/json": {"schema": _ANSWER}, "application/octet-stream": {"schema": {}}},
            },
            "default": _FAILURE,
        },
    }


def generate(service: Service) -> Dict[str, Any]:
    """An object in, an object out."""
    answer = {"anyOf": [_GENERATED, _ANSWER]}
    content = {"*/*": {"schema": {}}} if service.takes_raw else {"application/json": {"schema": answer}}
    return {**_generate("Predict, one record"), "responses": {"200": _given(content), "default": _FAILURE}}


def events(service: Service) -> Dict[str, Any]:
    """An object in, events out."""
    content = {"*/*": {"schema": {}}} if service.takes_raw else _STREAM
    return {**_generate("Predict, in parts"), "responses": {"200": _given(content), "default": _FAILURE}}


def _generate(summary: str) -> Dict[str, Any]:
    body = {"type": "object", "description": "Inputs and parameters by name, or an infer request"}
    return {"summary": summary, "requestBody": {"required": True, **openapi.json_body(body, "One record")}}


def _given(content: Mapping[str, Any]) -> Dict[str, Any]:
    return {"description": "The prediction", "content": content}


def _question(service: Service) -> Dict[str, Any]:
    names = [spec.name for spec in service.contract.inputs]
    tensor: Dict[str, Any] = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "enum": names} if names else {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "datatype": {"type": "string", "enum": list(NUMPY)},
            "data": {"type": "array"},
            "parameters": {"type": "object"},
        },
        "required": ["name", "shape", "datatype"],
    }
    output = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    properties = {
        "id": {"type": "string"},
        "parameters": {"type": "object"},
        "inputs": {"type": "array", "items": tensor},
        "outputs": {"type": "array", "items": output},
    }
    return {"type": "object", "properties": properties, "required": ["inputs"]}
