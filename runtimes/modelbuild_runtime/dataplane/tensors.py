"""Tensors as a client declares them, against the contract: exact names, datatypes that lose nothing, exact shapes.

Values stay flat lists where the shape of a row is fixed, so that the rows of all waiting requests become one array in
one go.
"""

from __future__ import annotations

import math
from typing import Dict, Tuple

import numpy as np

from modelbuild_runtime.dataplane.arrays import Values, to_array
from modelbuild_runtime.dataplane.complaints import missing, no_rows, unknown
from modelbuild_runtime.dataplane.fields import Field, Fields, declared_field
from modelbuild_runtime.dataplane.prepared import Prepared, key_of
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.tensor import NUMPY, Tensor


def check_tensors(fields: Fields, tensors: Dict[str, Tensor]) -> Prepared:
    """Tensors by name against the contract.

    Raises:
        InvalidInput: a name, datatype, shape or number of values does not fit.
    """
    inputs: Dict[str, Values] = {}
    count = -1
    for field in fields.all:
        tensor = tensors.get(field.name)
        if tensor is None:
            if field.optional:
                continue
            raise missing(field.name, fields.names, tensors)
        data, shape = tensor.data, tensor.shape
        if (
            shape
            and fields.simple
            and shape[1:] == field.inner
            and tensor.datatype == field.datatype
            and (len(data) == shape[0] * field.size if isinstance(data, list) else data.shape == shape)
        ):
            rows = shape[0]
        else:
            data, rows = _fit(fields, field, tensor)
        if count != rows:
            if count >= 0:
                raise InvalidInput(f"input {field.name!r} has {rows} rows, others have {count}", field=field.name)
            count = rows
        inputs[field.name] = data
    if len(inputs) != len(tensors):
        raise unknown(tensors, fields.names)
    if count <= 0:
        raise no_rows()
    return (inputs, count, None if fields.simple else key_of(inputs))


def check_declaration(name: str, tensor: Tensor) -> Tuple[int, ...]:
    """The shape of a tensor that is what it says it is.

    Raises:
        InvalidInput: its datatype or shape means nothing, or it holds another number of values.
    """
    shape = tuple(tensor.shape)
    size = math.prod(shape)
    given = len(tensor.data) if isinstance(tensor.data, list) else tensor.data.size
    if size == given and size.__class__ is int and tensor.datatype in NUMPY and (not shape or min(shape) >= 0):
        return shape
    if tensor.datatype not in NUMPY:
        raise InvalidInput(f"input {name!r}: datatype {tensor.datatype!r} is not supported", field=name)
    if any(not isinstance(size, int) or size < 0 for size in shape):
        raise InvalidInput(f"input {name!r}: shape {list(shape)} is not a list of sizes", field=name)
    raise InvalidInput(f"input {name!r}: shape {list(shape)} wants {size} values, got {given}", field=name)


def declared_array(name: str, tensor: Tensor) -> np.ndarray:
    """The array that a tensor says it is."""
    shape = check_declaration(name, tensor)
    data = tensor.data
    if isinstance(data, list):
        data = to_array(declared_field(name, tensor.datatype, shape[1:]), data)
    return data.reshape(shape)


def _fit(fields: Fields, field: Field, tensor: Tensor) -> Tuple[Values, int]:
    """The cases that are less common: other arrays, free sizes, widening, one more or one less axis of size 1."""
    if tensor.datatype in NUMPY and tensor.datatype != field.datatype and tensor.datatype not in field.widens:
        raise InvalidInput(
            f"input {field.name!r}: datatype must be {field.datatype}, got {tensor.datatype}", field=field.name
        )
    array = _array(field, tensor)
    shape = _shape(fields, field, array.shape)
    if tensor.datatype != field.datatype:
        array = array.astype(field.dtype)
    return array.reshape(shape), shape[0] if fields.batched else 1


def _array(field: Field, tensor: Tensor) -> np.ndarray:
    """Only a field of the contract may say that a text is missing, or that true is a number."""
    if (field.optional or field.truths) and tensor.datatype == field.datatype and isinstance(tensor.data, list):
        return to_array(field, tensor.data).reshape(check_declaration(field.name, tensor))
    return declared_array(field.name, tensor)


def _shape(fields: Fields, field: Field, shape: Tuple[int, ...]) -> Tuple[int, ...]:
    """The shape in which the model takes a tensor of this shape."""
    inner = shape[1:] if fields.batched else shape
    sizes_fit = len(inner) == len(field.inner) and all(want in (-1, got) for want, got in zip(field.inner, inner))
    if sizes_fit and (shape or not fields.batched):
        return shape
    if fields.batched and shape and field.fixed and field.size == 1 and math.prod(inner) == 1:
        return (shape[0], *field.inner)  # [n] and [n, 1] say the same
    wanted = list(fields.shape(field))
    raise InvalidInput(f"input {field.name!r}: shape must be {wanted}, got {list(shape)}", field=field.name)
