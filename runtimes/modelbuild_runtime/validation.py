"""Payloads against the contract: exact names, datatypes, shapes; every complaint names the field.

What comes out is ready to be joined with what else waits. Values stay flat lists where the shape of a row is fixed, so
that the rows of all waiting requests become one array in one go.
"""

from __future__ import annotations

import math
from typing import Any, Dict, Hashable, Iterable, List, Mapping, NamedTuple, Tuple

import numpy as np

from modelbuild_runtime.arrays import Values, objects, to_array
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.fields import Field, fields_of, make_field, shape_text
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import DATATYPES, NUMPY, Tensor


class Prepared(NamedTuple):
    """Inputs of one request, checked. Only those with equal ``key`` may be joined."""

    inputs: Any
    rows: int
    key: Hashable


class Columns(NamedTuple):
    """The inputs that a contract asks for, by name."""

    fields: Tuple[Field, ...]
    names: Dict[str, Field]
    batched: bool
    simple: bool  # every field required and of fixed size: all requests may be joined

    def shape(self, field: Field) -> Tuple[int, ...]:
        """The shape of the joined array, -1 for the number of rows."""
        return (-1, *field.inner) if self.batched else field.inner


def columns_of(contract: Contract) -> Columns:
    """What to check requests against."""
    fields = fields_of(contract)
    simple = contract.batched and all(field.fixed and not field.optional for field in fields)
    return Columns(fields, {field.name: field for field in fields}, contract.batched, simple)


def check_tensors(columns: Columns, tensors: Dict[str, Tensor]) -> Prepared:
    """Tensors by name against the contract.

    Raises:
        InvalidInput: a name, datatype, shape or number of values does not fit.
    """
    inputs: Dict[str, Values] = {}
    count = -1
    for field in columns.fields:
        tensor = tensors.get(field.name)
        if tensor is None:
            if field.optional:
                continue
            raise missing(field.name, columns.names)
        data, shape = tensor.data, tensor.shape
        if (
            data.__class__ is list
            and columns.simple
            and shape[1:] == field.inner
            and tensor.datatype == field.datatype
            and len(data) == shape[0] * field.size
        ):
            rows = shape[0]
        else:
            data, rows = _fit(columns, field, tensor)
        if count != rows:
            if count >= 0:
                raise InvalidInput(f"input {field.name!r} has {rows} rows, others have {count}", field=field.name)
            count = rows
        inputs[field.name] = data
    if len(inputs) != len(tensors):
        raise unknown(tensors, columns.names)
    if count <= 0:
        raise InvalidInput("there is no row in the request")
    return Prepared(inputs, count, None if columns.simple else key_of(inputs))


def open_tensors(tensors: Dict[str, Tensor], *, batched: bool) -> Prepared:
    """Tensors where the contract knows no names: as the client declares them."""
    inputs: Dict[str, np.ndarray] = {}
    for name, tensor in tensors.items():
        inputs[name] = declared(name, tensor)
    counts = {array.shape[0] if array.ndim else 1 for array in inputs.values()}
    if batched and len(counts) > 1:
        raise InvalidInput("the inputs differ in their number of rows")
    count = counts.pop() if batched and counts else 1
    if not count:
        raise InvalidInput("there is no row in the request")
    return Prepared(inputs, count, key_of(inputs))


def declared(name: str, tensor: Tensor) -> np.ndarray:
    """The array that a tensor says it is."""
    shape = tuple(tensor.shape)
    if tensor.datatype not in NUMPY:
        raise InvalidInput(f"input {name!r}: datatype {tensor.datatype!r} is not supported", field=name)
    if any(not isinstance(size, int) or size < 0 for size in shape):
        raise InvalidInput(f"input {name!r}: shape {list(shape)} is not a list of sizes", field=name)
    data = tensor.data
    given = len(data) if isinstance(data, list) else data.size
    if given != math.prod(shape):
        raise InvalidInput(
            f"input {name!r}: shape {list(shape)} wants {math.prod(shape)} values, got {given}", field=name
        )
    if isinstance(data, list):
        data = to_array(make_field(TensorSpec(name, tensor.datatype, shape), batched=True), data)
    return data.reshape(shape)


def key_of(inputs: Mapping[str, Values]) -> Hashable:
    """Equal for inputs whose arrays can be joined: same names, datatypes and shapes but for the number of rows."""
    return tuple(
        (name, value.dtype.char, value.shape[1:]) if isinstance(value, np.ndarray) else name
        for name, value in inputs.items()
    )


def missing(name: str, names: Iterable[str]) -> InvalidInput:
    """A required input was not sent."""
    return InvalidInput(f"input {name!r} is missing; expected {quoted(names)}", field=name)


def unknown(given: Iterable[str], names: Iterable[str]) -> InvalidInput:
    """An input was sent that the contract does not know."""
    known = set(names)
    name = next(name for name in given if name not in known)
    return InvalidInput(f"input {str(name)!r} is unknown; expected {quoted(names)}", field=str(name))


def quoted(names: Iterable[str]) -> str:
    """The first of many names, for a message."""
    listed = list(names)
    text = ", ".join(repr(name) for name in listed[:20])
    return text + (f" and {len(listed) - 20} more" if len(listed) > 20 else "")


def _fit(columns: Columns, field: Field, tensor: Tensor) -> Tuple[Values, int]:
    """The cases that are less common: arrays, free sizes, widening, one more or one less axis of size 1."""
    if tensor.datatype not in NUMPY or (tensor.datatype != field.datatype and tensor.datatype not in field.widens):
        raise InvalidInput(
            f"input {field.name!r}: datatype must be {field.datatype}, got {tensor.datatype}", field=field.name
        )
    shape = _shape(columns, field, tuple(tensor.shape))
    array = declared(field.name, tensor).reshape(shape)
    if tensor.datatype != field.datatype:
        array = array.astype(field.dtype)
    return array, shape[0] if columns.batched else 1


def _shape(columns: Columns, field: Field, shape: Tuple[int, ...]) -> Tuple[int, ...]:
    """The shape in which the model takes a tensor of this shape."""
    inner = shape[1:] if columns.batched else shape
    sizes_fit = len(inner) == len(field.inner) and all(want in (-1, got) for want, got in zip(field.inner, inner))
    if sizes_fit and (shape or not columns.batched):
        return shape
    if columns.batched and shape and field.fixed and field.size == 1 and math.prod(inner) == 1:
        return (shape[0], *field.inner)  # [n] and [n, 1] say the same
    wanted = shape_text(field, batched=columns.batched)
    raise InvalidInput(f"input {field.name!r}: shape must be {wanted}, got {list(shape)}", field=field.name)


def infer(name: str, values: List[Any]) -> np.ndarray:
    """An array of values whose datatype nobody declared."""
    try:
        array = np.array(values)
    except ValueError:
        raise InvalidInput(f"input {name!r}: the rows differ in shape", field=name) from None
    if array.dtype in DATATYPES and array.dtype.kind != "O":
        return array
    return objects(values)
