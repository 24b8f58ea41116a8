"""Examples (features by name, as tf.Example has them) to rows of a contract.

A feature is a list of values of one kind: integers, floating point numbers, or text and bytes. It becomes the input of
its name: one value where a row holds one, else as many as a row's shape asks for. Integers may stand for floating point
numbers, and 0 and 1 for truth values, since the format has no others; features that are no input are ignored.
"""

from __future__ import annotations

from itertools import chain
from math import prod
from typing import Any, Dict, List, Mapping, Sequence

from modelbuild_runtime.bodies.json_body import Body
from modelbuild_runtime.bodies.question import is_open
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.request import Rows
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensorflow_serving import json_text
from modelbuild_runtime.tensorflow_serving.data_type import DATA_TYPES
from modelbuild_runtime.tensorflow_serving.json_text import kind, shown

Features = Mapping[str, List[Any]]

NO_SIGNATURE = "No signature was found with the name: {}"

_KINDS = {bool: "int64", int: "int64", float: "float", str: "bytes", bytes: "bytes"}
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1


def read(body: Body, contract: Contract) -> Rows:
    """The rows of a request to classify or regress, in JSON.

    Raises:
        ServerError: it is not JSON, holds no examples, or lacks an input.
    """
    document = json_text.read(body)
    json_text.check_signature(document, NO_SIGNATURE)
    document = json_text.with_bytes(document) if b'"b64"' in body else document
    context = _features(document["context"]) if "context" in document else {}
    if "examples" not in document:
        wanted = "When method is classify, key 'examples' is expected and was not found"
        raise InvalidInput(f"JSON Value: {shown(document)} {wanted}", field="examples")
    examples = document["examples"]
    if not isinstance(examples, list):
        wanted = "Expecting 'examples' value to be an list/array"
        raise InvalidInput(f"JSON Value: {shown(document)} {wanted}", field="examples")
    if not examples:
        raise InvalidInput(f"JSON Value: {shown(document)} 'examples' value is an empty array", field="examples")
    if not context and not is_open(contract) and _are_rows(examples, contract):
        return Rows(examples)
    return rows([_features(example) for example in examples], context, contract)


def rows(examples: Sequence[Features], context: Features, contract: Contract) -> Rows:
    """One row an example. ``context`` are the features that all have; an example's own stand before them."""
    if is_open(contract):
        return Rows([_as_it_is({**context, **example}) for example in examples])
    return Rows([_row({**context, **example}, contract) for example in examples])


def _are_rows(examples: List[Any], contract: Contract) -> bool:
    """Whether each is a row already, as most are: seen in a few passes over all of them, not one by one."""
    names = {spec.name for spec in contract.inputs}
    if not contract.batched or set(map(type, examples)) != {dict} or set(map(len, examples)) != {len(names)}:
        return False
    try:
        columns = [(spec, [example[spec.name] for example in examples]) for spec in contract.inputs]
    except KeyError:
        return False
    return all(_are_cells(spec, column) for spec, column in columns)


def _are_cells(spec: TensorSpec, column: List[Any]) -> bool:
    """Whether ``_cell`` would leave all of them as they are, and ``_feature`` refuse none."""
    rank, values = len(spec.shape) - 1, column
    if rank > 1 or spec.datatype == "BOOL" or (set(map(type, column)) == {list}) != (rank == 1):
        return False
    if rank:
        if any(len(set(map(type, cell))) != 1 for cell in column):
            return False
        values = list(chain.from_iterable(column))
    types = set(map(type, values))
    if int in types:
        whole = [value for value in values if type(value) is int] if len(types) > 1 else values
        if not _LEAST <= min(whole) <= max(whole) <= _MOST:
            return False
    return types <= {int, float} or types <= {str, bytes}


def _features(example: Any) -> Dict[str, List[Any]]:
    if not isinstance(example, dict):
        raise InvalidInput(f"Example must be JSON object but got JSON {kind(example)}", field="examples")
    return {name: _feature(name, value) for name, value in example.items()}


def _feature(name: str, content: Any) -> List[Any]:
    values = content if isinstance(content, list) else [content]
    expected = ""
    for value in values:
        found = _KINDS.get(type(value))
        if found is None:
            what = f"has element with unexpected JSON type: {kind(value)}"
            raise InvalidInput(f"Feature: {name[:100]} {what}", field=name)
        if expected and found != expected:
            what = f"Unexpected element type in feature: {name[:100]} expecting type: {expected}"
            raise InvalidInput(what, field=name)
        if type(value) is int and not _LEAST <= value <= _MOST:
            what = "has uint64_t element. Only int64_t is supported."
            raise InvalidInput(f"Feature: {name[:100]} {what}", field=name)
        expected = found
    return values


def _as_it_is(features: Features) -> Dict[str, Any]:
    return {name: values[0] if len(values) == 1 else values for name, values in features.items()}


def _row(features: Features, contract: Contract) -> Dict[str, Any]:
    row = {}
    for spec in contract.inputs:
        values = features.get(spec.name)
        if values:
            row[spec.name] = _cell(spec, values, spec.shape[1:] if contract.batched else spec.shape)
        elif not spec.optional:
            word = DATA_TYPES[spec.datatype].word
            what = f"Feature: {spec.name} (data type: {word}) is required but could not be found."
            raise InvalidInput(what, field=spec.name)
    return row


def _cell(spec: TensorSpec, values: List[Any], shape: Sequence[int]) -> Any:
    if spec.datatype == "BOOL" and set(values) <= {0, 1}:
        values = [value == 1 for value in values]
    elif spec.datatype[:2] in ("FP", "IN", "UI"):
        values = [int(value) if type(value) is bool else value for value in values]
    if not shape:
        return values[0] if len(values) == 1 else values
    return _nested(values, shape[1:]) if prod(shape) == len(values) else values


def _nested(values: List[Any], inner: Sequence[int]) -> List[Any]:
    """Flat values in the shape of a row, whose outermost size may be any."""
    if not inner:
        return values
    size = prod(inner)
    return [_nested(values[at : at + size], inner[1:]) for at in range(0, len(values), size)]
