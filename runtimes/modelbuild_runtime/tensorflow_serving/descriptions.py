"""The operations of TensorFlow Serving's routes in OpenAPI 3.1, for one contract."""

from __future__ import annotations

import math
from typing import Any, Dict, List, Sequence

from modelbuild_runtime import examples, openapi, schema
from modelbuild_runtime.bodies.question import is_open, only_input
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.http import media_type
from modelbuild_runtime.protocols import Service
from modelbuild_runtime.schema import Schema, Shared
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensorflow_serving.model_spec import SIGNATURE, STATES, ModelSpec


class Descriptions:
    """What each route takes and gives."""

    def __init__(self, service: Service, spec: ModelSpec) -> None:
        self._service = service
        self._spec = spec
        self.metrics = {"summary": "Metrics for Prometheus", "responses": {"200": openapi.texts()}}

    def status(self, path: str) -> Schema:
        """States of the model's versions."""
        body = {"type": "object", "properties": {"model_version_status": STATES}, "required": ["model_version_status"]}
        return self._told("The model's state, as TensorFlow Serving tells it", path, body)

    def metadata(self, path: str) -> Schema:
        """The signature."""
        return self._told("The model's signature, as TensorFlow Serving tells it", path, _METADATA)

    def predict(self, path: str) -> Schema:
        """Rows or columns."""
        row = examples.row(self._service)
        shown = {"instances": [row]} if self._service.contract.batched else {"inputs": row}
        question = Shared("TensorFlowQuestion", _question(self._service.contract))
        return self._asked("Predict, in rows or columns", path, question, _ANSWER, shown if row else None)

    def classify(self, path: str) -> Schema:
        """Examples to classes."""
        return self._asked("Classify examples", path, self._examples(), _CLASSES)

    def regress(self, path: str) -> Schema:
        """Examples to numbers."""
        return self._asked("A number for each example", path, self._examples(), _NUMBERS)

    def _examples(self) -> Shared:
        return Shared("TensorFlowExamples", _examples(self._service.contract))

    def _told(self, summary: str, path: str, body: Any) -> Schema:
        responses = {"200": openapi.json_body(body), **openapi.failures(openapi.ERROR, 400, 404)}
        return {"summary": summary, "responses": responses, **self._parameters(path)}

    def _asked(self, summary: str, path: str, question: Any, answer: Any, shown: Any = None) -> Schema:
        taken = {media_type.JSON: {"schema": question, **examples.one(shown)}}
        given = {media_type.JSON: {"schema": answer}}
        said = openapi.prediction(self._service, summary, taken, given, _FAILED)
        return {**said, **self._parameters(path)}

    def _parameters(self, path: str) -> Schema:
        """Versions and labels as this protocol has them."""
        known: Dict[str, List[str]] = {"version": [str(self._spec.version)], "label": list(self._spec.labels)}
        found = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "enum": values}}
            for name, values in known.items()
            if f"{{{name}}}" in path
        ]
        return {"parameters": found} if found else {}


def _question(contract: Contract) -> Schema:
    columns: Schema = {}
    if not is_open(contract):
        columns = schema.without_null({**schema.columns(contract), "additionalProperties": True})
        single = only_input(contract)
        if single is not None:
            columns = {"anyOf": [columns, schema.without_null(schema.value(single, batched=False))]}
    by_row = _one_of_two("instances", _rows(contract), "inputs")
    return {"anyOf": [by_row, _one_of_two("inputs", columns, "instances")]}


def _rows(contract: Contract) -> Schema:
    """All objects, or all values of the only input, whose outermost axis counts them."""
    single = only_input(contract)
    several: Schema = {"type": "array", "minItems": 1}
    if single is not None and not contract.batched:
        return schema.without_null(schema.value(single, batched=False))
    if is_open(contract) or not contract.batched:
        return several
    row = schema.RECORD if contract.record else schema.without_null(schema.record(contract))
    ways = [row] if single is None else [row, schema.without_null(schema.value(single, batched=True))]
    return {"anyOf": [{**several, "items": one} for one in ways]}


def _one_of_two(name: str, inner: Schema, other: str) -> Schema:
    properties = {name: inner, "signature_name": {"enum": ["", SIGNATURE]}}
    return {"type": "object", "properties": properties, "required": [name], "not": {"required": [other]}}


def _examples(contract: Contract) -> Schema:
    example: Schema = {"type": "object"}
    if not is_open(contract):
        batched = contract.batched
        features = {spec.name: _feature(spec, spec.shape[1:] if batched else spec.shape) for spec in contract.inputs}
        required = [spec.name for spec in contract.inputs if not spec.optional]
        example.update(properties=features, required=required)
    properties = {
        "signature_name": {"enum": ["", SIGNATURE]},
        "context": {"type": "object", "description": "Features that all examples have."},
        "examples": {"type": "array", "items": example, "minItems": 1},
    }
    return {"type": "object", "properties": properties, "required": ["examples"]}


def _feature(spec: TensorSpec, shape: Sequence[int]) -> Schema:
    """One value, or all of a row in a list: of one kind, and a number is of another with a fraction than without."""
    value = schema.without_null(schema.value(spec, batched=False))
    while "items" in value:
        value = value["items"]
    size = math.prod(shape) if min(shape, default=1) >= 0 else 0
    several: Schema = {"type": "array", "items": value, "minItems": size or 1}
    if size > 1:
        return {**several, "maxItems": size}
    return {"anyOf": [value, {**several, "maxItems": size} if size else several]}


def _results(item: Schema) -> Schema:
    results = {"type": "array", "items": item}
    return {"type": "object", "properties": {"results": results}, "required": ["results"]}


_FAILED = openapi.failures(openapi.ERROR, 400, 404, 413, 429, 500, 503, 504)
_CLASS = {
    "type": "array",
    "description": "A label and its score.",
    "items": {"type": ["string", "number", "null"]},
    "minItems": 2,
    "maxItems": 2,
}
_CLASSES = Shared("TensorFlowClasses", _results({"type": "array", "items": _CLASS}))
_NUMBERS = Shared("TensorFlowNumbers", _results({"type": ["number", "null"]}))
_ANSWER = Shared(
    "TensorFlowAnswer",
    {
        "anyOf": [
            {"type": "object", "properties": {"predictions": {"type": "array"}}, "required": ["predictions"]},
            {"type": "object", "properties": {"outputs": {}}, "required": ["outputs"]},
        ]
    },
)
_METADATA = Shared(
    "TensorFlowMetadata",
    {
        "type": "object",
        "properties": {
            "model_spec": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("name", "signature_name", "version")},
                "required": ["name", "signature_name", "version"],
            },
            "metadata": {
                "type": "object",
                "properties": {"signature_def": {"type": "object"}},
                "required": ["signature_def"],
            },
        },
        "required": ["model_spec", "metadata"],
    },
)
