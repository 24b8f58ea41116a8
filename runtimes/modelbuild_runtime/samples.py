"""Plausible inputs made up from a contract: for the warm-up, and as examples where the user gave none."""

from __future__ import annotations

import base64
import math
from typing import Any, Dict, List, Mapping

import numpy as np

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import NUMPY

LARGEST = 4096
"""Values in an example that people are to read."""

FREE = 8
IMAGE_SIDE = 64
_FORMATS = {
    "date-time": "2024-01-01T00:00:00Z",
    "date": "2024-01-01",
    "time": "00:00:00",
    "duration": "P1D",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "someone@example.com",
    "uri": "https://example.com/",
}


def sample_rows(contract: Contract, count: int = 1, free: int = FREE) -> List[Any]:
    """So many rows as JSON objects by field; none where the contract is open."""
    if not contract.inputs:
        return []
    if contract.record:
        row = _value(contract.record, contract.record.get("$defs", {}), free)
    else:
        row = {name: _said(array.tolist()[0]) for name, array in sample_columns(contract, 1, free).items()}
    return [row] * count


def sample_columns(contract: Contract, count: int = 1, free: int = FREE) -> Dict[str, np.ndarray]:
    """So many rows as arrays by name; whole tensors of the required inputs where rows are not counted."""
    return {
        spec.name: _array(spec, _shape(spec, count, free, batched=contract.batched), contract.example.get(spec.name))
        for spec in contract.inputs
        if contract.batched or not spec.optional
    }


def sample_body(contract: Contract, largest: int = LARGEST) -> Any:
    """A body for POST /predict; None where the contract is open, or where it would hold over ``largest`` values."""
    if not contract.inputs or sum(array.size for array in sample_columns(contract).values()) > largest:
        return None
    if contract.batched or contract.record:
        return sample_rows(contract)[0]
    return {"inputs": {name: array.tolist() for name, array in sample_columns(contract).items()}}


def _shape(spec: TensorSpec, count: int, free: int, *, batched: bool) -> List[int]:
    """Free sizes get one number; two or more in a row of sizes are most likely an image's sides."""
    inner = list(spec.shape[1:] if batched else spec.shape)
    size = max(free, IMAGE_SIDE) if inner.count(-1) > 1 and len(spec.shape) > 3 else free
    filled = [size if length < 0 else length for length in inner]
    return [count, *filled] if batched else filled


def _said(value: Any) -> Any:
    """A value as JSON has it."""
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _array(spec: TensorSpec, shape: List[int], example: Any = None) -> np.ndarray:
    value: Any = {"B": True, "F": 0.5}.get(spec.datatype[0], 1)
    if spec.datatype == "BYTES":
        value = "1"  # text, and a number for models that read one from it
    if spec.labels:
        value = spec.labels[0]
    if example is not None:
        value = example
    return np.full(shape, value, NUMPY[spec.datatype])


def _value(schema: Mapping[str, Any], definitions: Mapping[str, Any], free: int) -> Any:
    """A value that a JSON Schema allows, as far as that can be seen."""
    if "$ref" in schema:
        return _value(definitions.get(schema["$ref"].rpartition("/")[2], {}), definitions, free)
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("default", "const", "example"):
        if key in schema:
            return schema[key]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            choices = [choice for choice in schema[key] if choice.get("type") != "null"]
            return _value(choices[0], definitions, free) if choices else None
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: _value(inner, definitions, free) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return _items(schema, definitions, free)
    return _scalar(kind, schema)


def _items(schema: Mapping[str, Any], definitions: Mapping[str, Any], free: int) -> List[Any]:
    if "prefixItems" in schema:
        return [_value(item, definitions, free) for item in schema["prefixItems"]]
    items = schema.get("items") or {"type": "integer"}  # fits an array of any datatype
    length = max(min(free, schema.get("maxItems", free)), schema.get("minItems", 0))
    return [_value(items, definitions, free)] * length


def _scalar(kind: str, schema: Mapping[str, Any]) -> Any:
    if kind == "boolean":
        return True
    if kind == "integer":
        return _number(schema, 1, 1)
    if kind == "number":
        return _number(schema, 0.5, 0.5)
    if kind == "null":
        return None
    if "contentEncoding" in schema:
        return "MQ=="
    text = _FORMATS.get(schema.get("format", ""), "1")
    return text.ljust(schema.get("minLength", 0), "1")[: schema.get("maxLength", len(text) + 64)]


def _number(schema: Mapping[str, Any], usual: float, step: float) -> float:
    """The usual number, moved into the bounds, onto a multiple where one is asked for."""
    low = schema.get("minimum", schema.get("exclusiveMinimum", -math.inf) + step)
    high = schema.get("maximum", schema.get("exclusiveMaximum", math.inf) - step)
    number: float = min(max(usual, low), max(high, low))
    multiple = schema.get("multipleOf")
    return number if not multiple else -(-number // multiple) * multiple
