"""TensorProto to tensors and back. Values are raw bytes, or in the list of their type, where the last one stands for
all that are missing: that is how TensorFlow writes uniform tensors. Answers have lists, as TensorFlow Serving's do.
"""

from __future__ import annotations

from math import prod
from typing import Any, Dict, Tuple

import numpy as np

from modelbuild_runtime.bodies.tensor_data import check_shape
from modelbuild_runtime.dataplane.arrays import normal, objects
from modelbuild_runtime.errors import InvalidInput, TooLarge
from modelbuild_runtime.tensor import DATATYPES, NUMPY, Tensor
from modelbuild_runtime.tensorflow_serving.data_type import DATA_TYPES, DataType

_BFLOAT16 = 14
_NUMBERS: Dict[int, str] = {of.number: datatype for datatype, of in DATA_TYPES.items()}


def read(name: str, proto: Any, most: int) -> Tensor:
    """An input, of which no more than ``most`` bytes are made.

    Raises:
        ServerError: its data type is none that a contract has, or its values are not what its shape asks for.
    """
    datatype = "FP32" if proto.dtype == _BFLOAT16 else _NUMBERS.get(proto.dtype, "")
    if not datatype:
        raise InvalidInput(f"input {name!r}: tensors of data type {proto.dtype} are not taken here", field=name)
    shape = _shape(name, proto.tensor_shape)
    if prod(shape) * NUMPY[datatype].itemsize > most:
        raise TooLarge(
            f"input {name!r}: a tensor of the shape {list(shape)} is larger than the server takes", field=name
        )
    if proto.dtype == _BFLOAT16:
        bits = _values(name, proto, np.dtype(np.uint16), "half_val", shape).astype(np.uint32)
        return Tensor(datatype, shape, (bits << 16).view(np.float32).reshape(shape))
    if datatype == "FP16":
        halves = _values(name, proto, np.dtype(np.uint16), "half_val", shape)
        return Tensor(datatype, shape, halves.view(np.float16).reshape(shape))
    return Tensor(datatype, shape, _values(name, proto, NUMPY[datatype], DATA_TYPES[datatype].field, shape))


def write(name: str, array: np.ndarray, proto: Any) -> None:
    """Fill a message with an output.

    Raises:
        PredictionFailed: no data type of TensorFlow holds it.
    """
    array = normal(name, array)
    text = array.dtype.kind in "OSU"
    of: DataType = DATA_TYPES["BYTES" if text else DATATYPES[array.dtype]]
    proto.dtype = of.number
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    flat = array.view(np.uint16) if of.field == "half_val" else array
    values = flat.ravel().tolist()
    getattr(proto, of.field).extend([_bytes(value) for value in values] if text else values)


def _shape(name: str, proto: Any) -> Tuple[int, ...]:
    shape = tuple(dim.size for dim in proto.dim)
    if proto.unknown_rank or any(size < 0 for size in shape):
        raise InvalidInput(f"input {name!r}: a tensor has a shape that is known, with no negative size", field=name)
    check_shape(name, shape)
    return shape


def _values(name: str, proto: Any, dtype: np.dtype, field: str, shape: Tuple[int, ...]) -> np.ndarray:
    count = prod(shape)
    if proto.tensor_content:
        return _content(name, proto.tensor_content, dtype, count).reshape(shape)
    found = getattr(proto, field)
    if len(found) > count:
        raise InvalidInput(
            f"input {name!r}: shape {list(shape)} is {count} elements, and {field} has {len(found)}", field=name
        )
    values = objects(list(found)) if dtype.kind == "O" else _numbers(name, found, dtype)
    if len(values) == count:
        return values.reshape(shape)
    if not len(values):
        values = objects([b""]) if dtype.kind == "O" else np.zeros(1, dtype)
    rest = np.broadcast_to(values[-1:], (count - len(values),)) if len(values) < count else values[:0]
    return np.concatenate([values[:count], rest]).reshape(shape)


def _content(name: str, content: bytes, dtype: np.dtype, count: int) -> np.ndarray:
    if dtype.kind == "O":
        raise InvalidInput(f"input {name!r}: text is sent in string_val", field=name)
    if len(content) != count * dtype.itemsize:
        wanted = f"{count} elements of {dtype.itemsize} bytes"
        raise InvalidInput(f"input {name!r}: tensor_content has {len(content)} bytes for {wanted}", field=name)
    if dtype.kind == "b":
        return np.frombuffer(content, np.uint8).astype(dtype)
    return np.frombuffer(content, dtype.newbyteorder("<")).astype(dtype, copy=False)


def _numbers(name: str, found: Any, dtype: np.dtype) -> np.ndarray:
    """The list's values; those of narrow types stand in wider ones."""
    wide = np.fromiter(found, np.int64 if dtype.kind in "iu" and dtype.itemsize < 4 else dtype, len(found))
    narrow = wide.astype(dtype, copy=False)
    if narrow is not wide and not np.array_equal(narrow, wide):
        raise InvalidInput(f"input {name!r}: a value is beyond the range of {dtype}", field=name)
    return narrow


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
