"""JSON Schema of the bodies of MLflow's scoring protocol, whose frames may have more columns than the model takes."""

from __future__ import annotations

from typing import Any, Dict

from modelbuild_runtime import schema
from modelbuild_runtime.bodies.question import is_open
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.schema import Schema, Shared

FRAME = Shared(
    "DataFrame",
    {
        "description": "A data frame as pandas writes it in the orientation split.",
        "type": "object",
        "properties": {
            "columns": {"type": ["array", "null"], "items": {"type": ["string", "integer"]}},
            "index": {"type": ["array", "null"]},
            "data": {"type": "array", "items": {"type": "array"}, "minItems": 1},
        },
        "required": ["data"],
        "additionalProperties": False,
    },
)


def records(contract: Contract) -> Shared:
    """Rows by name."""
    return Shared("Records", {"type": "array", "items": _loose(schema.record(contract)), "minItems": 1})


def rows(contract: Contract) -> Any:
    """Rows in any form."""
    if is_open(contract) or contract.record:
        return schema.ROWS
    unnamed = schema.unnamed(contract)
    several = {"type": "array", "items": unnamed, "minItems": 1, **({} if contract.batched else {"maxItems": 1})}
    return {"anyOf": [records(contract), several]} if unnamed else records(contract)


def inputs(contract: Contract) -> Any:
    """Columns by name, rows, or one row whose values are no lists."""
    columns = {"type": "object"} if is_open(contract) else Shared("LooseColumns", _loose(schema.columns(contract)))
    flat = all(len(spec.shape) <= contract.batched for spec in contract.inputs)
    return {"anyOf": [columns, rows(contract), *([schema.ROW] if flat else [])]}


def _loose(strict: Schema) -> Schema:
    found: Dict[str, Any] = {key: value for key, value in strict.items() if key != "additionalProperties"}
    return found
