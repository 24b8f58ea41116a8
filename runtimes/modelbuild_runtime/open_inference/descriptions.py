"""The operations of the Open Inference Protocol's routes in OpenAPI 3.1."""

from __future__ import annotations

from typing import Any, Dict, Sequence

from modelbuild_runtime import examples, openapi
from modelbuild_runtime.http import media_type
from modelbuild_runtime.protocols import Service
from modelbuild_runtime.schema import Schema, Shared
from modelbuild_runtime.tensor import NUMPY


def infer(service: Service) -> Schema:
    """The route that predicts. Raw bytes follow the JSON, whose length a header says."""
    tensors = examples.tensors(service)
    shown = examples.one({"inputs": tensors} if tensors else None)
    taken = {media_type.JSON: {"schema": _request(service), **shown}, media_type.BYTES: _RAW}
    given = {media_type.JSON: {"schema": _RESPONSE}, media_type.BYTES: _RAW}
    failed = openapi.failures(openapi.ERROR, 400, 404, 413, 415, 500, 503)
    said = openapi.prediction(service, "Predict, with tensors", taken, given, failed)
    return said if service.takes_raw else {**said, "parameters": [_LENGTH]}


def _told(summary: str, body: Any, *failures: int) -> Schema:
    responses = {"200": openapi.json_body(body), **openapi.failures(openapi.ERROR, *failures)}
    return {"summary": summary, "responses": responses}


def _object(required: Sequence[str] = (), **properties: Any) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required or properties)}


def _list(items: Any) -> Schema:
    return {"type": "array", "items": items}


def _request(service: Service) -> Shared:
    names = [spec.name for spec in service.contract.inputs]
    tensor = _object(
        ("name", "shape", "datatype", "data"),
        name={"type": "string", "enum": names} if names and not service.contract.open else _TEXT,
        shape=_list(_SIZE),
        datatype={"type": "string", "enum": list(NUMPY)},
        data={"type": "array", "description": "The values row by row, flat or nested."},
        parameters={"type": "object"},
    )
    outputs = [spec.name for spec in service.contract.outputs]
    wanted = _object(
        ("name",), name={"type": "string", "enum": outputs} if outputs else _TEXT, parameters={"type": "object"}
    )
    body = _object(
        ("inputs",),
        id=_TEXT,
        parameters={"type": "object", "properties": {"timeout": _SIZE}},
        inputs={**_list(tensor), "minItems": 1},
        outputs=_list(wanted),
    )
    return Shared("InferenceRequest", body)


_TEXT: Schema = {"type": "string"}
_SIZE: Schema = {"type": "integer", "minimum": 0}
_RAW: Dict[str, Any] = {
    "schema": {"contentMediaType": media_type.BYTES, "description": "JSON, and tensors as raw bytes after it."}
}
_LENGTH = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "description": "The bytes of JSON before the tensors of a binary body; 0 where there are none.",
    "schema": _SIZE,
}
_DESCRIBED = Shared(
    "TensorMetadata", _object(name=_TEXT, datatype={"enum": list(NUMPY)}, shape=_list({"type": "integer"}))
)
_OUTPUT = Shared(
    "InferenceOutput",
    _object(
        ("name", "shape", "datatype"),
        name=_TEXT,
        shape=_list(_SIZE),
        datatype={"enum": list(NUMPY)},
        data={"type": "array"},
        parameters={"type": "object"},
    ),
)
_RESPONSE = Shared(
    "InferenceResponse",
    _object(("model_name", "outputs"), model_name=_TEXT, model_version=_TEXT, id=_TEXT, outputs=_list(_OUTPUT)),
)
_REPOSITORY = _list(_object(name=_TEXT, version=_TEXT, state={"enum": ["READY", "UNAVAILABLE"]}, reason=_TEXT))
_ONLY_READY = {"type": "object", "properties": {"ready": {"type": "boolean"}}}
_MODEL = Shared(
    "ModelMetadata",
    _object(name=_TEXT, versions=_list(_TEXT), platform=_TEXT, inputs=_list(_DESCRIBED), outputs=_list(_DESCRIBED)),
)
_CONFIG = Shared(
    "ModelConfig",
    _object(
        ("name", "platform", "max_batch_size", "input", "output"),
        name=_TEXT,
        platform=_TEXT,
        max_batch_size=_SIZE,
        input=_list({"type": "object"}),
        output=_list({"type": "object"}),
    ),
)
_COUNT = Shared("ModelDuration", _object(count=_SIZE, ns=_SIZE))
_TIMES = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss")
_SUMS = _object(
    ("name", "version", "inference_count", "execution_count", "inference_stats"),
    name=_TEXT,
    version=_TEXT,
    last_inference=_SIZE,
    inference_count=_SIZE,
    execution_count=_SIZE,
    inference_stats={"type": "object", "properties": dict.fromkeys(_TIMES, _COUNT), "required": list(_TIMES)},
)
_STATISTICS = Shared("ModelStatistics", _object(model_stats=_list(_SUMS)))

SERVER = _told("What this server is", _object(name=_TEXT, version=_TEXT, extensions=_list(_TEXT)))
LIVE = _told("Alive, if not ready", _object(live={"const": True}), 503)
READY = _told("Ready to predict", _object(ready={"const": True}, live={"const": True}), 503)
MODELS = _told("Names of the models", _object(models=_list(_TEXT)))
INDEX = {
    **_told("Models and their states", _REPOSITORY, 400, 413),
    "requestBody": {"content": {media_type.JSON: {"schema": _ONLY_READY, **examples.one({"ready": True})}}},
}
MODEL = _told("Names, datatypes and shapes", _MODEL, 404)
MODEL_READY = _told("The model is ready", _object(name=_TEXT, ready={"const": True}), 404, 503)
CONFIG = _told("Triton's model configuration", _CONFIG, 404)
STATISTICS = _told("Statistics of all models", _STATISTICS)
MODEL_STATISTICS = _told("Statistics", _STATISTICS, 404)
