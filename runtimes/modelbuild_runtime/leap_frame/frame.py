"""A leap frame as values."""

from __future__ import annotations

from math import prod
from typing import Any, List, NamedTuple, Optional, Tuple

import msgspec

from modelbuild_runtime.errors import InvalidInput

BASIC, LIST, MAP, TENSOR = "basic", "list", "map", "tensor"
"""The shapes of a value."""

BOOLEAN, BYTE, SHORT, INT, LONG = "boolean", "byte", "short", "int", "long"
FLOAT, DOUBLE, STRING, BYTE_STRING = "float", "double", "string", "byte_string"
BASES = (BOOLEAN, BYTE, SHORT, INT, LONG, FLOAT, DOUBLE, STRING, BYTE_STRING)
BITS = {BYTE: 8, SHORT: 16, INT: 32, LONG: 64}
"""What a value is made of; whole numbers are signed."""

MAX_RANK = 32


class Kind(msgspec.Struct, frozen=True):
    """The type of a column. ``key`` is a map's; ``dimensions`` are a tensor's, None where the schema has none."""

    shape: str
    base: str
    nullable: bool = True
    key: str = ""
    dimensions: Optional[Tuple[int, ...]] = None


class Column(msgspec.Struct, eq=False):
    """One value a row. A missing one is None; a byte string is bytes; a tensor is a ``LeapTensor``."""

    name: str
    kind: Kind
    values: List[Any]


class Frame(NamedTuple):
    """Columns of equal length."""

    columns: List[Column]
    rows: int


class LeapTensor(msgspec.Struct, eq=False):
    """A tensor: all values row by row, or with ``indices`` those that are not zero."""

    values: List[Any]
    dimensions: Tuple[int, ...]
    indices: Optional[List[List[int]]] = None


def check_tensor(name: str, tensor: LeapTensor, kind: Kind) -> LeapTensor:
    """The same tensor, which says what it can be.

    Raises:
        InvalidInput: its sizes are none, or hold another number of values.
    """
    sizes, declared = tensor.dimensions, kind.dimensions
    if len(sizes) > MAX_RANK or any(type(size) is not int or size < 0 for size in sizes):
        raise InvalidInput(f"column {name!r}: the dimensions of a tensor must be up to {MAX_RANK} sizes", field=name)
    if declared not in (None, sizes) and (
        len(declared) != len(sizes) or any(want not in (-1, got) for want, got in zip(declared, sizes))
    ):
        raise InvalidInput(
            f"column {name!r}: a tensor of {list(sizes)} is not of the schema's {list(declared)}", field=name
        )
    if tensor.indices is None:
        if prod(sizes) != len(tensor.values):
            raise InvalidInput(
                f"column {name!r}: a tensor of {list(sizes)} has {prod(sizes)} values, not {len(tensor.values)}",
                field=name,
            )
        return tensor
    if len(tensor.indices) != len(tensor.values):
        raise InvalidInput(f"column {name!r}: a sparse tensor must have an index for each value", field=name)
    for index in tensor.indices:
        if len(index) != len(sizes) or any(type(at) is not int or not 0 <= at < size for at, size in zip(index, sizes)):
            raise InvalidInput(f"column {name!r}: index {index[:MAX_RANK]} is outside {list(sizes)}", field=name)
    return tensor
