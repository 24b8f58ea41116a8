"""Between leap frames and what a model takes and gives: columns to tensors by name, and outputs to columns."""

from __future__ import annotations

from itertools import chain
from math import prod
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from modelbuild_runtime.answers import items
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput, TooLarge
from modelbuild_runtime.leap_frame.frame import (
    BASIC,
    BOOLEAN,
    BYTE,
    BYTE_STRING,
    DOUBLE,
    FLOAT,
    INT,
    LIST,
    LONG,
    MAP,
    SHORT,
    STRING,
    TENSOR,
    Column,
    Frame,
    Kind,
    LeapTensor,
)
from modelbuild_runtime.request import Response
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import NUMPY, Tensor

DATATYPES = {
    BOOLEAN: "BOOL",
    BYTE: "INT8",
    SHORT: "INT16",
    INT: "INT32",
    LONG: "INT64",
    FLOAT: "FP32",
    DOUBLE: "FP64",
    STRING: "BYTES",
    BYTE_STRING: "BYTES",
}
BASES = {**{name: base for base, name in DATATYPES.items()}, "BYTES": STRING, "FP16": FLOAT}
BASES.update(UINT8=SHORT, UINT16=INT, UINT32=LONG, UINT64=LONG)
"""Leap frames have no unsigned numbers: each takes the next wider kind."""


def to_tensors(frame: Frame, contract: Contract, most: int) -> Dict[str, Tensor]:
    """The columns that the model takes; the others only accompany their rows. Sparse tensors are filled up.

    Raises:
        InvalidInput: a column can be no tensor.
        TooLarge: the tensors hold more than so many values.
    """
    if not frame.rows:
        raise InvalidInput("the frame has no row", field="rows")
    if not contract.batched and frame.rows != 1:
        raise InvalidInput("this model takes one row a frame")
    specs = {spec.name: spec for spec in contract.inputs}
    taken = [column for column in frame.columns if not specs or contract.open or column.name in specs]
    return {column.name: _tensor(column, specs.get(column.name), most, batched=contract.batched) for column in taken}


def with_outputs(frame: Frame, response: Response, contract: Contract) -> Frame:
    """The frame with the outputs after its columns. An output takes the place of a column of the same name."""
    found = response.columns
    if found is None:
        found = items.to_columns(response.rows or [], contract.outputs)
    arrays = {name: np.asarray(array) if contract.batched else np.asarray(array)[None] for name, array in found.items()}
    kept = [column for column in frame.columns if column.name not in arrays]
    return Frame([*kept, *(to_column(name, array) for name, array in arrays.items())], frame.rows)


def select(frame: Frame, names: Sequence[str], *, strict: bool) -> Frame:
    """The columns of these names, in this order.

    Raises:
        InvalidInput: ``strict``, and there is none of a name.
    """
    known = {column.name: column for column in frame.columns}
    missing = [name for name in names if name not in known]
    if missing and strict:
        raise InvalidInput(f"the frame has no column {missing[0][:100]!r} to select", field=missing[0])
    return Frame([known[name] for name in dict.fromkeys(names) if name in known], frame.rows)


def to_column(name: str, array: np.ndarray) -> Column:
    """An array with an entry a row: scalars, or dense tensors."""
    base, flat = _values(array)
    inner = array.shape[1:]
    nullable = None in flat if base == STRING else False
    if not inner:
        return Column(name, Kind(BASIC, base, nullable), flat)
    if nullable:
        flat = ["" if value is None else value for value in flat]
    size = prod(inner)
    tensors = [LeapTensor(flat[at * size : (at + 1) * size], inner) for at in range(len(array))]
    return Column(name, Kind(TENSOR, base, nullable=False, dimensions=inner), tensors)


def kind_of(spec: TensorSpec, *, batched: bool) -> Kind:
    """The type of an input or output, for a schema."""
    base, inner = BASES[spec.datatype], spec.shape[1:] if batched else spec.shape
    if not inner:
        return Kind(BASIC, base, spec.optional)
    return Kind(TENSOR, base, spec.optional, dimensions=tuple(inner))


def _tensor(column: Column, spec: Optional[TensorSpec], most: int, *, batched: bool) -> Tensor:
    datatype = spec.datatype if spec is not None else DATATYPES[column.kind.base]
    inner, flat = _flat(column, most)
    if NUMPY[datatype].kind in "iu":
        flat = [int(value) if type(value) is float and value.is_integer() else value for value in flat]
    return Tensor(datatype, (len(column.values), *inner) if batched else inner, flat)


def _flat(column: Column, most: int) -> Tuple[Tuple[int, ...], List[Any]]:
    """The shape that all rows of a column have, and their values in one list."""
    name, shape = column.name, column.kind.shape
    if shape == MAP:
        raise InvalidInput(f"column {name!r}: a map is no input of a model", field=name)
    if shape == BASIC or not column.values:
        return (), column.values
    if None in column.values:
        raise InvalidInput(f"column {name!r}: row {column.values.index(None)} has no {shape}", field=name)
    sizes = {tuple(value.dimensions) if shape == TENSOR else (len(value),) for value in column.values}
    if len(sizes) > 1:
        raise InvalidInput(f"column {name!r}: the rows differ in their number of values", field=name)
    (inner,) = sizes
    if prod(inner) * len(column.values) > most:
        raise TooLarge(f"column {name!r}: the tensors hold more than {most} values; send fewer rows", field=name)
    if shape == LIST:
        return inner, list(chain.from_iterable(column.values))
    return inner, list(chain.from_iterable(_dense(value, column.kind.base) for value in column.values))


def _dense(tensor: LeapTensor, base: str) -> List[Any]:
    if tensor.indices is None:
        return tensor.values
    zero: Any = {STRING: "", BYTE_STRING: b"", BOOLEAN: False, FLOAT: 0.0, DOUBLE: 0.0}.get(base, 0)
    strides = [prod(tensor.dimensions[at + 1 :]) for at in range(len(tensor.dimensions))]
    flat = [zero] * prod(tensor.dimensions)
    for index, value in zip(tensor.indices, tensor.values):
        flat[sum(at * stride for at, stride in zip(index, strides))] = value
    return flat


def _values(array: np.ndarray) -> Tuple[str, List[Any]]:
    """What a column of an array's values is made of, and the values."""
    kind, flat = array.dtype.kind, array.ravel()
    if kind == "O":
        return _texts(flat.tolist())
    if kind in "SU":
        return _texts(flat.tolist())
    if kind == "u" and array.dtype.itemsize == 8 and flat.size and int(flat.max()) >> 63:
        return DOUBLE, flat.astype(np.float64).tolist()
    base = next((BASES[name] for name, dtype in NUMPY.items() if dtype == array.dtype and name != "BYTES"), STRING)
    return base, flat.tolist() if base != STRING else flat.astype(str).tolist()


def _texts(values: List[Any]) -> Tuple[str, List[Any]]:
    """Text where all of it is, else byte strings."""
    try:
        return STRING, [value.decode() if isinstance(value, bytes) else _text(value) for value in values]
    except UnicodeDecodeError:
        return BYTE_STRING, [value if isinstance(value, bytes) else (_text(value) or "").encode() for value in values]


def _text(value: Any) -> Optional[str]:
    return None if value is None else str(value)
