"""JSON Schema (2020-12, as OpenAPI 3.1 uses it) of what a contract takes and gives in JSON."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

import numpy as np

from modelbuild_runtime.bodies.question import is_open, only_input
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import NUMPY

Schema = Dict[str, Any]


def record(contract: Contract) -> Schema:
    """One row as an object by name."""
    if contract.record:
        return dict(contract.record)
    if is_open(contract):
        return {"type": "object", "description": "Whatever the handler takes."}
    return _object(contract.inputs, batched=contract.batched)


def row(contract: Contract) -> List[Schema]:
    """The ways to write one row."""
    if is_open(contract):
        return [{}]
    ways: List[Schema] = [{"$ref": "#/components/schemas/Record"}]
    single = only_input(contract)
    if single is not None:
        return [*ways, value(single, batched=contract.batched)]
    if not contract.record and contract.batched:
        cells = [value(spec, batched=True) for spec in contract.inputs]
        ways.append({"type": "array", "prefixItems": cells, "minItems": len(cells), "maxItems": len(cells)})
    return ways


def question(contract: Contract) -> Schema:
    """Everything that POST /predict takes as JSON."""
    one = row(contract)
    if not contract.batched:
        return {"anyOf": one}
    rows = {"type": "array", "items": {"anyOf": one}, "minItems": 1}
    named = {"instances": rows, "parameters": {"type": "object"}}
    ways = [*one, rows, {"type": "object", "properties": named, "required": ["instances"]}]
    if contract.inputs:
        columns = {"inputs": {"$ref": "#/components/schemas/Columns"}, "parameters": {"type": "object"}}
        ways.append({"type": "object", "properties": columns, "required": ["inputs"]})
    return {"anyOf": ways}


def outputs(contract: Contract) -> Schema:
    """The outputs of one row as an object by name."""
    return _object(contract.outputs, batched=contract.batched) if contract.outputs else {}


def columns(contract: Contract) -> Schema:
    """The inputs as one list a name, with an entry a row."""
    return _object(contract.inputs, batched=False)


def answer(contract: Contract) -> Schema:
    """Everything that POST /predict answers as JSON."""
    one = {"$ref": "#/components/schemas/Outputs"}
    if not contract.batched:
        return {"anyOf": [one, {"type": "object", "properties": {"outputs": {}}, "required": ["outputs"]}]}
    predictions = {"type": "object", "properties": {"predictions": {"type": "array"}}, "required": ["predictions"]}
    by_name = {"type": "object", "properties": {"outputs": {}}, "required": ["outputs"]}
    return {"anyOf": [one, {"type": "array", "items": one}, predictions, by_name]}


def value(spec: TensorSpec, *, batched: bool) -> Schema:
    """One input or output: of a row where ``batched``, whole otherwise."""
    schema = _element(spec)
    for size in reversed(spec.shape[1:] if batched else spec.shape):
        schema = {"type": "array", "items": schema}
        if size >= 0:
            schema.update(minItems=size, maxItems=size)
    return schema


def _object(specs: Sequence[TensorSpec], *, batched: bool) -> Schema:
    return {
        "type": "object",
        "properties": {spec.name: value(spec, batched=batched) for spec in specs},
        "required": [spec.name for spec in specs if not spec.optional],
        "additionalProperties": False,
    }


def _element(spec: TensorSpec) -> Schema:
    dtype = NUMPY[spec.datatype]
    if dtype.kind == "f":
        return {"type": ["number", "null"]}
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return {"type": "integer", "minimum": int(limits.min), "maximum": int(limits.max)}
    return {"type": "boolean" if dtype.kind == "b" else "string"}
