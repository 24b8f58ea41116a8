"""JSON Schema (2020-12, as OpenAPI 3.1 uses it) of what a contract takes and gives in JSON.

Every body that a schema allows is taken, but for what JSON Schema cannot say: that rows are of one shape, and that
values and rows are not too many.
"""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Sequence

import numpy as np

from modelbuild_runtime.bodies.question import is_open, only_input
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import NUMPY

Schema = Dict[str, Any]

COMPONENTS = "#/components/schemas/"
_LISTED = 20
"""Labels that are told one by one."""


class Shared(NamedTuple):
    """A schema that the document holds once, under its name: in an operation it stands in place of a schema."""

    name: str
    schema: Schema


def _ref(name: str) -> Schema:
    return {"$ref": f"{COMPONENTS}{name}"}


RECORD, ROW, ROWS, COLUMNS = _ref("Record"), _ref("Row"), _ref("Rows"), _ref("Columns")
OUTPUTS, QUESTION, ANSWER, BARE_ANSWER = _ref("Outputs"), _ref("Question"), _ref("Answer"), _ref("BareAnswer")
PARAMETERS = _ref("Parameters")
_BYTES = _ref("Bytes")
"""What ``components`` says of a contract."""


def components(contract: Contract) -> Dict[str, Schema]:
    """What the routes of several protocols take and give, by name."""
    found = {
        "Record": record(contract),
        "Row": _row(contract),
        "Rows": _rows(contract),
        "Columns": columns(contract),
        "Question": _question(contract),
        "Outputs": outputs(contract),
        "Answer": _answer(contract, OUTPUTS),
        "BareAnswer": _answer(contract, _bare(contract)),
    }
    if contract.parameters:
        found["Parameters"] = {"type": ["object", "null"], "properties": contract.parameters}
    if any(spec.datatype == "BYTES" for spec in (*contract.inputs, *contract.outputs)):
        found["Bytes"] = _TEXT_OR_BYTES
    return found


def record(contract: Contract) -> Schema:
    """One row as an object by name."""
    if contract.record:
        return dict(contract.record)
    if is_open(contract):
        return {"type": "object", "description": "Whatever the handler takes."}
    return _object(contract.inputs, batched=contract.batched)


def outputs(contract: Contract) -> Schema:
    """The outputs of one row as an object by name. A handler's items need have no names."""
    if not contract.outputs:
        return {"description": "Whatever the handler answers."}
    found = _answered(contract, batched=contract.batched)
    if [spec.name for spec in contract.outputs] == ["output"]:
        return {"anyOf": [found, found["properties"]["output"]]}
    return found


def columns(contract: Contract) -> Schema:
    """The inputs as one list a name, with an entry a row."""
    if not contract.record:
        return _object(contract.inputs, batched=False)
    told = contract.record.get("properties", {})
    fields = {spec.name: told[spec.name] for spec in contract.inputs if spec.name in told}
    whole = _object(contract.inputs, batched=False)
    listed = {name: {"type": "array", "items": fields[name], "minItems": 1} for name in fields}
    return {**whole, "properties": {**whole["properties"], **listed}}


def value(spec: TensorSpec, *, batched: bool, given: bool = False) -> Schema:
    """One input, or an output where ``given``: of a row where ``batched``, whole otherwise."""
    schema = _element(spec, given=given)
    for size in reversed(spec.shape[1:] if batched else spec.shape):
        schema = {"type": "array", "items": schema}
        if size >= 0:
            schema.update(minItems=size, maxItems=size)
        elif not given:
            schema.update(minItems=1)
    return schema


def parameters(contract: Contract) -> Schema:
    """What a request may set beside its rows. Whether a name that is not told is refused or left out is the model's
    business.
    """
    return PARAMETERS if contract.parameters else {"type": ["object", "null"]}


def unnamed(contract: Contract) -> Schema:
    """One row without names: the only input's value, or all in the order of the contract. Empty where there is none."""
    single = only_input(contract)
    if single is not None:
        return value(single, batched=contract.batched)
    if contract.record or not contract.batched:
        return {}
    cells = [value(spec, batched=True) for spec in contract.inputs]
    return {"type": "array", "prefixItems": cells, "minItems": len(cells), "maxItems": len(cells)}


def without_null(strict: Schema) -> Schema:
    """The same where a missing number is told by leaving it out."""
    found: Schema = _without_null(strict)
    return found


def _without_null(part: Any) -> Any:
    if isinstance(part, list):
        return [_without_null(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {key: "number" if value == ["number", "null"] else _without_null(value) for key, value in part.items()}


def _row(contract: Contract) -> Schema:
    """The ways to write one row: by name, and as what is not to be named."""
    if is_open(contract):
        return {"description": "Whatever the handler takes."}
    bare = unnamed(contract)
    return {"description": "One row.", "anyOf": [RECORD, *([bare] if bare else [])]}


def _rows(contract: Contract) -> Schema:
    most = {} if contract.batched else {"maxItems": 1}
    if is_open(contract):
        return {"description": "Objects of the same names, or lists of the same length.", **_several({}), **most}
    bare = unnamed(contract)
    ways = [{**_several(one), **most} for one in ([RECORD, bare] if bare else [RECORD])]
    return {"description": "Several rows, all written in the same way.", "anyOf": ways}


def _question(contract: Contract) -> Schema:
    """A record, rows, rows under "instances", columns under "inputs"."""
    if is_open(contract):
        return {"description": "Whatever the handler takes: a row, or a list of rows.", "type": ["object", "array"]}
    by_name = _named("inputs", COLUMNS, contract)
    if not contract.batched:
        return {"anyOf": [ROW, by_name]}
    return {"anyOf": [ROW, ROWS, _named("instances", ROWS, contract), by_name]}


def _answer(contract: Contract, one: Schema) -> Schema:
    """In the shape of the question, with ``one`` for a row."""
    by_name = _only("outputs", _by_name(contract))
    rows = {"type": "array", "items": one}
    if not contract.batched:
        return {"anyOf": [one, rows, by_name]}
    bare = {"type": "array", "items": _bare(contract)}
    return {"anyOf": [one, rows, _only("predictions", bare), by_name]}


def _by_name(contract: Contract) -> Schema:
    if not contract.outputs:
        return {}
    listed = {**_answered(contract, batched=False), "required": []}
    return {"description": "A list a name, or a handler's items.", "anyOf": [listed, {"type": "array"}]}


def _bare(contract: Contract) -> Schema:
    """A row's outputs where the only one is not named."""
    if len(contract.outputs) != 1:
        return OUTPUTS
    (one,) = _answered(contract, batched=contract.batched)["properties"].values()
    return {"anyOf": [one, OUTPUTS]}


def _several(one: Schema) -> Schema:
    return {"type": "array", "items": one, "minItems": 1}


def _named(name: str, inner: Schema, contract: Contract) -> Schema:
    """Rows or columns under a name, with what may stand beside it."""
    beside = {"parameters": parameters(contract), "signature_name": {}, "id": {}}
    return {**_only(name, inner), "properties": {name: inner, **beside}}


def _only(name: str, inner: Schema) -> Schema:
    return {"type": "object", "properties": {name: inner}, "required": [name], "additionalProperties": False}


def _object(specs: Sequence[TensorSpec], *, batched: bool, given: bool = False) -> Schema:
    return {
        "type": "object",
        "properties": {spec.name: _told(spec, value(spec, batched=batched, given=given)) for spec in specs},
        "required": [spec.name for spec in specs if not spec.optional],
        "additionalProperties": False,
    }


def _answered(contract: Contract, *, batched: bool) -> Schema:
    """The outputs of a row where ``batched``, of all rows otherwise, some of which are objects."""
    found = _object(contract.outputs, batched=batched, given=True)
    objects = {name: one if batched else {"type": "array", "items": one} for name, one in contract.answers.items()}
    return {**found, "properties": {**found["properties"], **objects}}


def _told(spec: TensorSpec, inner: Schema) -> Schema:
    """With its labels, where there are any."""
    if not spec.labels:
        return inner
    more = ", ..." if len(spec.labels) > _LISTED else ""
    what = "One of" if spec.datatype == "BYTES" else "In the order of"
    return {**inner, "description": f"{what} {', '.join(spec.labels[:_LISTED])}{more}"}


def _element(spec: TensorSpec, *, given: bool) -> Schema:
    dtype = NUMPY[spec.datatype]
    if dtype.kind == "f":
        number: Schema = {"type": ["number", "null"]}
        if not given and dtype.itemsize < np.dtype(float).itemsize:
            kind = np.finfo(dtype)
            beyond = float(kind.max) + 2.0 ** (kind.maxexp - kind.nmant - 2)  # what is less is rounded to the largest
            number.update(exclusiveMinimum=-beyond, exclusiveMaximum=beyond)
        return number
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return {"type": "integer", "minimum": int(limits.min), "maximum": int(limits.max)}
    if dtype.kind == "b":
        return {"type": "boolean"}
    return _BYTES


_TEXT_OR_BYTES: Schema = {
    "description": "Text, or any bytes in base64.",
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {"b64": {"type": "string", "contentEncoding": "base64"}},
            "required": ["b64"],
            "additionalProperties": False,
        },
    ],
}
