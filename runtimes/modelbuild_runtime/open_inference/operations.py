"""The OpenAPI operations of the Open Inference Protocol. What only says that it is not done here is not promised."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from modelbuild_runtime import examples, openapi, schema
from modelbuild_runtime.bodies.question import is_open
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.http import media_type
from modelbuild_runtime.protocols import Service
from modelbuild_runtime.schema import Schema, Shared
from modelbuild_runtime.tensor import NUMPY


def told(summary: str, body: Any, *failures: int) -> Dict[str, Any]:
    """A route that tells something, and the statuses of its errors."""
    return {
        "summary": summary,
        "responses": {"200": openapi.json_body(body), **openapi.failures(openapi.ERROR, *failures)},
    }


def index() -> Dict[str, Any]:
    """The repository index, whose body may be left out."""
    body = {"type": "object", "properties": {"ready": {"type": "boolean"}}}
    model = _of({"name": _TEXT, "version": _TEXT, "state": {"enum": ["READY", "UNAVAILABLE"]}, "reason": _TEXT})
    return {
        **told("Models and their states", _list(model), 400, 413),
        "requestBody": {"content": {media_type.JSON: {"schema": body, **examples.one({"ready": True})}}},
    }


def load() -> Dict[str, Any]:
    """Loading what is loaded already: neither a configuration nor files are taken."""
    body = {"type": "object", "properties": {"parameters": {"type": ["object", "null"], "maxProperties": 0}}}
    return {
        **told("Load the model, which is loaded", _of({"name": _TEXT, "load": _TRUE}), 400, 404, 413, 501),
        "requestBody": {"content": {media_type.JSON: {"schema": body, **examples.one({"parameters": {}})}}},
    }


def infer(service: Service) -> Dict[str, Any]:
    """Tensors in, tensors out. Raw bytes follow the JSON, whose length a header says."""
    tensors = examples.tensors(service)
    shown = examples.one({"inputs": tensors} if tensors else None)
    taken = {media_type.JSON: {"schema": _request(service), **shown}, media_type.BYTES: _RAW}
    given = {media_type.JSON: {"schema": _RESPONSE}, media_type.BYTES: _RAW}
    said = openapi.prediction(service, "Predict, with tensors", taken, given, _FAILED)
    return said if service.takes_raw else {**said, "parameters": [_LENGTH]}


def generate(service: Service) -> Dict[str, Any]:
    """An object in, an object out."""
    given = {media_type.JSON: {"schema": {"anyOf": [_GENERATED, _RESPONSE]}}}
    return openapi.prediction(service, "Predict, one record", _record(service), given, _FAILED)


def events(service: Service) -> Dict[str, Any]:
    """An object in, events out."""
    given = {media_type.EVENT_STREAM: openapi.EVENTS}
    return openapi.prediction(service, "Predict, in parts", _record(service), given, _FAILED)


def _record(service: Service) -> Dict[str, Any]:
    """Inputs by name with parameters beside them, or an infer request."""
    contract = service.contract
    known: Schema = {"properties": {}} if is_open(contract) or contract.record else schema.record(contract)
    record = {
        "type": "object",
        "properties": {**known["properties"], "id": {"type": ["string", "null"]}, "parameters": _scalars(contract)},
        "required": known.get("required", []),
    }
    asked = Shared("GenerateRequest", {"anyOf": [record, _request(service)]})
    return {media_type.JSON: {"schema": asked, **examples.one(examples.row(service))}}


def _scalars(contract: Contract) -> Schema:
    """Parameters of the extension, whose values are scalars unless the model says otherwise."""
    told = {"properties": contract.parameters} if contract.parameters else {}
    return {**_PARAMETERS, **told}


def _of(required: Mapping[str, Any], **others: Any) -> Dict[str, Any]:
    return {"type": "object", "properties": {**required, **others}, "required": list(required)}


def _list(items: Any) -> Dict[str, Any]:
    return {"type": "array", "items": items}


def _request(service: Service) -> Shared:
    contract = service.contract
    names = [] if contract.open else [spec.name for spec in contract.inputs]
    outputs = [spec.name for spec in contract.outputs]
    tensor = _of(
        {"name": _one_of(names), "shape": _list(_COUNT), "datatype": _DATATYPE, "data": _DATA}, parameters=_ANY
    )
    wanted = _of({"name": _one_of(outputs)}, parameters=_ANY)
    parameters = schema.parameters(contract) if contract.parameters else _ANY
    return Shared(
        "InferenceRequest",
        _of({"inputs": {**_list(tensor), "minItems": 1}}, id=_TEXT, parameters=parameters, outputs=_list(wanted)),
    )


def _one_of(names: Any) -> Schema:
    return {"type": "string", "enum": names} if names else _TEXT


_TEXT: Schema = {"type": "string"}
_ANY: Schema = {"type": "object"}
_TRUE: Schema = {"const": True}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_DATATYPE: Schema = {"type": "string", "enum": list(NUMPY)}
_DATA: Schema = {"type": "array", "description": "The values row by row, flat or nested."}
_RAW: Dict[str, Any] = {
    "schema": Shared(
        "BinaryTensors",
        {"contentMediaType": media_type.BYTES, "description": "JSON, and tensors as raw bytes after it."},
    )
}
_LENGTH = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "description": "The bytes of JSON before the tensors of a binary body; 0 where there are none.",
    "schema": _COUNT,
}
_SPEC = Shared(
    "TensorMetadata", _of({"name": _TEXT, "datatype": _DATATYPE, "shape": _list({"type": "integer", "minimum": -1})})
)
_OUTPUT = Shared(
    "InferenceOutput",
    _of({"name": _TEXT, "datatype": _DATATYPE, "shape": _list(_COUNT)}, data={"type": "array"}, parameters=_ANY),
)
_RESPONSE = Shared(
    "InferenceResponse",
    _of({"model_name": _TEXT, "model_version": _TEXT, "outputs": _list(_OUTPUT)}, id=_TEXT),
)
_PARAMETERS: Schema = {
    "type": ["object", "null"],
    "additionalProperties": {"type": ["string", "number", "boolean"]},
}
_GENERATED = Shared("GenerateResponse", _of({"model_name": _TEXT, "model_version": _TEXT}))
_FAILED = openapi.failures(openapi.ERROR, 400, 404, 413, 415, 500, 503)
_DURATION = Shared("ModelDuration", _of({"count": _COUNT, "ns": _COUNT}))
_TIMES = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss")

SERVER = _of({"name": _TEXT, "version": _TEXT, "extensions": _list(_TEXT)})
LIVE = _of({"live": _TRUE})
READY = _of({"ready": _TRUE, "live": _TRUE})
MODELS = _of({"models": _list(_TEXT)})
MODEL = Shared(
    "ModelMetadata",
    _of({"name": _TEXT, "versions": _list(_TEXT), "platform": _TEXT, "inputs": _list(_SPEC), "outputs": _list(_SPEC)}),
)
MODEL_READY = _of({"name": _TEXT, "ready": _TRUE})
CONFIG = Shared(
    "ModelConfig",
    _of({"name": _TEXT, "platform": _TEXT, "max_batch_size": _COUNT, "input": _list(_ANY), "output": _list(_ANY)}),
)
STATISTICS = Shared(
    "ModelStatistics",
    _of(
        {
            "model_stats": _list(
                _of(
                    {
                        "name": _TEXT,
                        "version": _TEXT,
                        "last_inference": _COUNT,
                        "inference_count": _COUNT,
                        "execution_count": _COUNT,
                        "inference_stats": _of(dict.fromkeys(_TIMES, _DURATION)),
                    }
                )
            )
        }
    ),
)
SETTINGS = {"type": "object"}
NOTHING = {"type": "array", "maxItems": 0}
