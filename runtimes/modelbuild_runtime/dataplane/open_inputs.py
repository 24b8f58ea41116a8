"""Inputs where the contract knows no names, because a handler takes whatever it is given: as the client declares them,
or as their values show.
"""

from __future__ import annotations

from itertools import chain
from typing import Any, Dict, List, Sequence, Set, Tuple, Union

import numpy as np

from modelbuild_runtime.dataplane.arrays import objects, stack
from modelbuild_runtime.dataplane.complaints import no_rows
from modelbuild_runtime.dataplane.fields import declared_field
from modelbuild_runtime.dataplane.prepared import Prepared, key_of
from modelbuild_runtime.dataplane.tensors import check_declaration, declared_array
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.tensor import Tensor

Input = Union[Tensor, np.ndarray]

_MAX_RANK = 32  # of older NumPy


def open_tensors(tensors: Dict[str, Tensor], *, batched: bool) -> Prepared:
    """Tensors as the client declares them; lists stay lists until they are joined."""
    if not batched:
        return ({name: declared_array(name, tensor) for name, tensor in tensors.items()}, 1, None)
    inputs: Dict[str, Input] = {}
    key = []
    rows = -1
    for name, tensor in tensors.items():
        shape = check_declaration(name, tensor)
        if not shape:
            raise InvalidInput(f"input {name!r} has no axis that counts rows: its shape is []", field=name)
        count = shape[0]
        if count and 0 in shape:
            raise _empty(name, shape)
        if count != rows and rows >= 0:
            raise InvalidInput("the inputs differ in their number of rows")
        rows = count
        inputs[name] = tensor if tensor.data.__class__ is list else declared_array(name, tensor)
        key.append((name, tensor.datatype, shape[1:]))
    if rows <= 0:
        raise no_rows()
    return (inputs, rows, key)


def open_columns(items: List[Any]) -> Prepared:
    """Rows: objects by their own names, all the same ones; anything else is one input."""
    if not items:
        raise no_rows()
    first = items[0]
    if not isinstance(first, dict):
        inputs = {"input": infer("input", items)}
        if not inputs["input"].size:
            raise _empty("input", inputs["input"].shape)
        return (inputs, len(items), key_of(inputs))
    if not first:
        raise InvalidInput("row 0 has no values")
    for i, item in enumerate(items):
        if not isinstance(item, dict) or item.keys() != first.keys():
            raise InvalidInput(f"row {i} does not have the same names as row 0")
    inputs = {name: infer(name, [item[name] for item in items]) for name in first}
    return (inputs, len(items), key_of(inputs))


def join_open(parts: Sequence[Dict[str, Input]]) -> Dict[str, np.ndarray]:
    """One array a name of the rows of all parts, which have equal keys."""
    return {name: _join(name, [part[name] for part in parts]) for name in parts[0]}


def infer(name: str, values: List[Any]) -> np.ndarray:
    """An array of values whose datatype nobody declared. Numbers are FP64 even where all are whole: the datatype must
    not hang on the values, since clients write 1.0 as 1. A null among numbers is NaN.
    """
    shape, flat, kinds = _flat(name, values)
    if kinds == {bool}:
        return np.array(flat).reshape(shape)
    if not (kinds <= {int, float, bool} or kinds <= {int, float, type(None)}):
        return objects(values)  # an array of text would be as wide as the longest everywhere
    numbers = [np.nan if value is None else value for value in flat] if type(None) in kinds else flat
    try:
        return np.fromiter(numbers, np.float64, len(numbers)).reshape(shape)
    except OverflowError:
        raise InvalidInput(f"input {name!r}: a number is too large", field=name) from None


def _flat(name: str, values: List[Any]) -> Tuple[Tuple[int, ...], List[Any], Set[type]]:
    """The shape of nested lists, their elements in one list, and the types of those."""
    shape: Tuple[int, ...] = (len(values),)
    while list in (kinds := set(map(type, values))):
        sizes = set(map(len, values)) if len(kinds) == 1 else ()
        if len(sizes) != 1 or len(shape) >= _MAX_RANK:
            raise InvalidInput(f"input {name!r}: the rows differ in shape", field=name)
        shape += tuple(sizes)
        values = list(chain.from_iterable(values))
    return shape, values, kinds


def _empty(name: str, shape: Sequence[int]) -> InvalidInput:
    return InvalidInput(f"input {name!r}: shape {list(shape)} has no values", field=name)


def _join(name: str, parts: Sequence[Any]) -> np.ndarray:
    first: Input = parts[0]
    if isinstance(first, Tensor):
        field = declared_field(name, first.datatype, tuple(first.shape[1:]))
        return stack(field, [part.data for part in parts], (-1, *field.inner))
    return first if len(parts) == 1 else np.concatenate(parts)
