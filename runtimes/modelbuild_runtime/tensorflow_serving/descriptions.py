"""The operations of TensorFlow Serving's routes in OpenAPI 3.1, for one contract."""

from __future__ import annotations

from typing import Any, Dict, List

from modelbuild_runtime import openapi, schema
from modelbuild_runtime.bodies.question import is_open, only_input
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.protocols import Service
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensorflow_serving.model_spec import SIGNATURE, ModelSpec

Schema = Dict[str, Any]

_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
_FAILED = openapi.json_body(_ERROR, "An error")
_CLASS = {"type": "array", "prefixItems": [{"type": "string"}, {"type": ["number", "null"]}], "minItems": 2}


class Descriptions:
    """What each route takes and gives."""

    def __init__(self, service: Service, spec: ModelSpec) -> None:
        self._service = service
        self._spec = spec
        self.models = {"summary": "Refused: a model's name is missing", "responses": {"400": _FAILED}}
        text = {"description": "Success", "content": {"text/plain": {"schema": {"type": "string"}}}}
        self.metrics = {"summary": "Metrics for Prometheus", "responses": {"200": text}}

    def status(self, path: str) -> Schema:
        """States of the model's versions."""
        version = {
            "type": "object",
            "properties": {
                "version": {"type": "string"},
                "state": {"enum": ["AVAILABLE", "LOADING"]},
                "status": {"type": "object"},
            },
            "required": ["version", "state", "status"],
        }
        body = {
            "type": "object",
            "properties": {"model_version_status": {"type": "array", "items": version}},
            "required": ["model_version_status"],
        }
        return self._told("The model's state, as TensorFlow Serving tells it", path, body)

    def metadata(self, path: str) -> Schema:
        """The signature."""
        body = {
            "type": "object",
            "properties": {"model_spec": {"type": "object"}, "metadata": {"type": "object"}},
            "required": ["model_spec", "metadata"],
        }
        return self._told("The model's signature, as TensorFlow Serving tells it", path, body)

    def predict(self, path: str) -> Schema:
        """Rows or columns."""
        rows = {"type": "object", "properties": {"predictions": {"type": "array"}}, "required": ["predictions"]}
        columns = {"type": "object", "properties": {"outputs": {}}, "required": ["outputs"]}
        return self._asked("Predict, in rows or columns", path, _question(self._service), {"anyOf": [rows, columns]})

    def classify(self, path: str) -> Schema:
        """Examples to classes."""
        answer = _results({"type": "array", "items": _CLASS})
        return self._asked("Classify examples", path, _examples(self._service.contract), answer)

    def regress(self, path: str) -> Schema:
        """Examples to numbers."""
        answer = _results({"type": ["number", "null"]})
        return self._asked("A number for each example", path, _examples(self._service.contract), answer)

    def _told(self, summary: str, path: str, body: Schema) -> Schema:
        responses = {"200": openapi.json_body(body), "400": _FAILED, "404": _FAILED}
        return {"summary": summary, "responses": responses, **self._parameters(path)}

    def _asked(self, summary: str, path: str, question: Schema, answer: Schema) -> Schema:
        taken, given = openapi.json_body(question), openapi.json_body(answer)
        if self._service.takes_raw:
            taken, given = ({"description": "Success", "content": {"*/*": {"schema": {}}}} for _ in range(2))
        return {
            "summary": summary,
            "requestBody": {"required": True, "content": taken["content"]},
            "responses": {"200": given, "default": _FAILED},
            **self._parameters(path),
        }

    def _parameters(self, path: str) -> Schema:
        """Versions and labels as this protocol has them."""
        known: Dict[str, List[str]] = {"version": [str(self._spec.version)], "label": list(self._spec.labels)}
        found = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "enum": values}}
            for name, values in known.items()
            if f"{{{name}}}" in path
        ]
        return {"parameters": found} if found else {}


def _question(service: Service) -> Schema:
    contract = service.contract
    named = {"signature_name": {"enum": ["", SIGNATURE]}}
    row: Schema = {}
    columns: Schema = {}
    if not is_open(contract):
        row = {"$ref": "#/components/schemas/Record"} if contract.record else _without_null(schema.record(contract))
        columns = _without_null(schema.columns(contract))
        single = only_input(contract)
        if single is not None:
            # The outermost axis is the rows', or the tensor's own where there are none.
            row = {"anyOf": [row, _without_null(schema.value(single, batched=True))]}
            columns = {"anyOf": [columns, _without_null(schema.value(single, batched=False))]}
    rows = {"type": "array", "items": row, "minItems": 1}
    by_row = {"type": "object", "properties": {"instances": rows, **named}, "required": ["instances"]}
    by_column = {"type": "object", "properties": {"inputs": columns, **named}, "required": ["inputs"]}
    return {"oneOf": [by_row, by_column]}


def _examples(contract: Contract) -> Schema:
    example: Schema = {"type": "object"}
    if not is_open(contract):
        features = {spec.name: _feature(spec) for spec in contract.inputs}
        required = [spec.name for spec in contract.inputs if not spec.optional]
        example.update(properties=features, required=required)
    properties = {
        "signature_name": {"enum": ["", SIGNATURE]},
        "context": {"type": "object", "description": "Features that all examples have."},
        "examples": {"type": "array", "items": example, "minItems": 1},
    }
    return {"type": "object", "properties": properties, "required": ["examples"]}


def _feature(spec: TensorSpec) -> Schema:
    """One value, or a list of values of one kind: a number is of another kind with a fraction than without."""
    value = _without_null(schema.value(spec, batched=False))
    while "items" in value:
        value = value["items"]
    return {"anyOf": [value, {"type": "array", "items": value, "minItems": 1}]}


def _without_null(part: Any) -> Any:
    """The same schema where a number is one: missing values are told by leaving them out."""
    if isinstance(part, list):
        return [_without_null(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {key: "number" if value == ["number", "null"] else _without_null(value) for key, value in part.items()}


def _results(item: Schema) -> Schema:
    results = {"type": "array", "items": item}
    return {"type": "object", "properties": {"results": results}, "required": ["results"]}
