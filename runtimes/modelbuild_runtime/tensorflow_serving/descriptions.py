"""The operations of TensorFlow Serving's routes in OpenAPI 3.1, for one contract."""

from __future__ import annotations

from typing import Any, Dict, List

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
        return self._asked("Classify examples", path, self._examples(), _results({"type": "array", "items": _CLASS}))

    def regress(self, path: str) -> Schema:
        """Examples to numbers."""
        return self._asked("A number for each example", path, self._examples(), _results({"type": ["number", "null"]}))

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
    named = {"signature_name": {"enum": ["", SIGNATURE]}}
    row: Schema = {}
    columns: Schema = {}
    unnamed: Schema = {}
    if not is_open(contract):
        row = schema.RECORD if contract.record else _without_null(schema.record(contract))
        columns = _without_null(schema.columns(contract))
        single = only_input(contract)
        if single is not None:
            # The outermost axis is the rows', or the tensor's own where there are none.
            unnamed = _without_null(schema.value(single, batched=True))
            columns = {"anyOf": [columns, _without_null(schema.value(single, batched=False))]}
    ways = [{"type": "array", "items": one, "minItems": 1} for one in ([row, unnamed] if unnamed else [row])]
    rows = {"anyOf": ways} if len(ways) > 1 else ways[0]
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


_FAILED = openapi.failures(openapi.ERROR, 400, 404, 413, 429, 500, 503, 504)
_CLASS = {
    "type": "array",
    "description": "A label and its score.",
    "items": {"type": ["string", "number", "null"]},
    "minItems": 2,
    "maxItems": 2,
}
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
