"""What is wrong with a request to predict, found value by value and told in TensorFlow Serving's words."""

from __future__ import annotations

from math import prod
from typing import Any, Dict, List, Set, Tuple

import numpy as np

from modelbuild_runtime.errors import InvalidInput, ServerError
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import NUMPY
from modelbuild_runtime.tensorflow_serving.data_type import DATA_TYPES
from modelbuild_runtime.tensorflow_serving.json_text import kind, shown

Shape = Tuple[int, ...]

LEAVES: Dict[str, Set[type]] = {"b": {bool}, "i": {int}, "u": {int}, "f": {int, float}, "O": {str, bytes}}
"""What JSON may hold for each kind of datatype: a number with a fraction is none for an integer, though it be 1.0."""


def check_kinds(rows: List[Any], *, several: bool) -> None:
    """Rows are all objects, or none of them is; where the signature has ``several`` inputs, they are objects."""
    objects = isinstance(rows[0], dict)
    if several and not objects:
        raise InvalidInput(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map",
            field="instances",
        )
    if len(set(map(type, rows))) == 1:
        return
    for index, row in enumerate(rows):
        if isinstance(row, dict) != objects:
            what = "Expecting object but got list" if objects else "Expecting value/list but got object"
            raise InvalidInput(f"{what} at item {index} of input list", field="instances")


def of_names(rows: List[Dict[str, Any]], required: Set[str], names: Set[str]) -> ServerError:
    """A row has other names than the signature."""
    known = sorted(names)
    index, row = next((at, row) for at, row in enumerate(rows) if not required <= row.keys() <= names)
    for name in row:
        if name not in known:
            where = f"element: {index} key: {name[:100]}"
            what = f"JSON object: does not have named input: {name[:100]}"
            return _failed(where, what, name[:100])
    missing = next((name for name in known if name in required and name not in row), "")
    listed = ",".join(known)
    what = f"element: {index} of 'instances' list. JSON object: {shown(row)} keys must be equal to: {listed}"
    return InvalidInput(f"Failed to process {what}", field=missing)


def of_rows(spec: TensorSpec, rows: List[Any]) -> None:
    """The values of the only input, one a row."""
    _each(spec, rows, "element: {}")


def of_cells(spec: TensorSpec, cells: List[Any]) -> None:
    """The values of one of several inputs, one a row."""
    _each(spec, cells, "element: {} key: " + spec.name.replace("{", "{{").replace("}", "}}"))


def of_column(spec: TensorSpec, column: List[Any]) -> None:
    """A whole input."""
    _fill(spec, column, 0, _shape(column))


def of_value(spec: TensorSpec, values: List[Any]) -> None:
    """A whole input that is a single value."""
    _fill(spec, values[0], 0, ())


def _each(spec: TensorSpec, items: List[Any], where: str) -> None:
    first: Shape = ()
    for index, item in enumerate(items):
        shape = _shape(item)
        try:
            _fill(spec, item, 0, shape)
        except InvalidInput as error:
            raise _failed(where.format(index), error.message, spec.name) from None
        first = first if index else shape
        if prod(shape) != prod(first):
            raise _failed(
                where.format(index), f"Expecting tensor size: {prod(first)} but got: {prod(shape)}", spec.name
            )
        if shape != first:
            what = f"Expecting shape {_listed(first)} but got: {_listed(shape)}"
            raise _failed(where.format(index), what, spec.name)


def _failed(where: str, what: str, name: str) -> InvalidInput:
    return InvalidInput(f"Failed to process {where} of 'instances' list. Error: INVALID_ARGUMENT: {what}", field=name)


def _shape(value: Any) -> Shape:
    """The shape that the first element of each level promises."""
    shape: Shape = ()
    while isinstance(value, list):
        shape += (len(value),)
        if not value:
            break
        value = value[0]
    return shape


def _listed(shape: Shape) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def _fill(spec: TensorSpec, value: Any, level: int, shape: Shape) -> None:
    rank = len(shape)
    if not isinstance(value, list):
        if level != rank:
            where = f"found at incorrect level: {level + 1} in the JSON DOM. Expected at level: {rank}"
            raise InvalidInput(f"JSON Value: {shown(value)} {where}", field=spec.name)
        _check_value(spec, value)
        return
    if level >= rank:
        raise InvalidInput(f"Encountered list at unexpected level: {level} expected < {rank}", field=spec.name)
    if len(value) != shape[level]:
        raise InvalidInput(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}",
            field=spec.name,
        )
    for item in value:
        _fill(spec, item, level + 1, shape)


def _check_value(spec: TensorSpec, value: Any) -> None:
    dtype = NUMPY[spec.datatype]
    fits = type(value) in LEAVES[dtype.kind]
    if fits and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        fits = bool(limits.min <= value <= limits.max)
    if fits:
        return
    if dtype.kind == "O" and isinstance(value, dict):
        raise InvalidInput(f"JSON Value: {shown(value)} not formatted correctly for base64 data", field=spec.name)
    word = DATA_TYPES[spec.datatype].word
    what = f"Type: {kind(value)} is not of expected type: {word}"
    raise InvalidInput(f"JSON Value: {shown(value)} {what}", field=spec.name)
