"""The operations of TensorFlow Serving's routes in OpenAPI 3.1, for one contract."""

from __future__ import annotations

from typing import Any, Dict, List

from modelbuild_runtime import openapi, schema
from modelbuild_runtime.bodies.question import is_open, only_input
from modelbuild_runtime.protocols import Service
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensorflow_serving.model_spec import SIGNATURE, ModelSpec

Schema = Dict[str, Any]

_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
_FAILED = openapi.json_body(_ERROR, "An error")
_FEATURE = {"type": ["number", "string", "boolean", "object"]}
_EXAMPLE = {"type": "object", "additionalProperties": {"anyOf": [_FEATURE, {"type": "array", "items": _FEATURE}]}}
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
        return self._asked("Classify examples", path, _EXAMPLES, answer)

    def regress(self, path: str) -> Schema:
        """Examples to numbers."""
        return self._asked("A number for each example", path, _EXAMPLES, _results({"type": ["number", "null"]}))

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
    if is_open(contract):
        row: Schema = {}
        columns: Schema = {}
    else:
        single = only_input(contract)
        row = {"$ref": "#/components/schemas/Record"}
        columns = {"$ref": "#/components/schemas/Columns"}
        if single is not None:
            row = {"anyOf": [row, _row(single)]}
            columns = {"anyOf": [columns, schema.value(single, batched=False)]}
    rows = {"type": "array", "items": row, "minItems": 1}
    by_row = {"type": "object", "properties": {"instances": rows, **named}, "required": ["instances"]}
    by_column = {"type": "object", "properties": {"inputs": columns, **named}, "required": ["inputs"]}
    return {"oneOf": [by_row, by_column]}


def _row(spec: TensorSpec) -> Schema:
    """One entry of the outermost axis, whether or not that counts rows."""
    return schema.value(spec, batched=True)


def _results(item: Schema) -> Schema:
    results = {"type": "array", "items": item}
    return {"type": "object", "properties": {"results": results}, "required": ["results"]}


_EXAMPLES = {
    "type": "object",
    "properties": {
        "signature_name": {"enum": ["", SIGNATURE]},
        "context": _EXAMPLE,
        "examples": {"type": "array", "items": _EXAMPLE, "minItems": 1},
    },
    "required": ["examples"],
}
