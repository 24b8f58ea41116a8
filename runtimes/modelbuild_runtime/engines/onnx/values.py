"""Between onnxruntime's types and arrays: what the wire can carry is arrays of numbers and strings."""

from __future__ import annotations

import ctypes
import math
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.signature import TensorSpec

DATATYPES: Dict[str, str] = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float": "FP32",
    "double": "FP64",
    "string": "BYTES",
    # numpy has no bfloat16: clients send and get FP32, of which it is the upper half.
    "bfloat16": "FP32",
}


def input_spec(name: str, kind: str, shape: Sequence[Any], *, optional: bool = False) -> TensorSpec:
    """The specification of a graph input.

    Raises:
        LoadError: it is not a tensor of a datatype that can be sent.
    """
    inner = kind
    if kind.startswith("optional("):
        inner, optional = kind[len("optional(") : -1], True
    element = _element(inner)
    if element not in DATATYPES:
        raise LoadError(
            f"the input {name!r} is a {kind}, which no protocol can carry",
            "Export the model with tensors of numbers or strings as its inputs.",
        )
    return TensorSpec(name, DATATYPES[element], _sizes(shape), optional=optional)


def output_spec(name: str, kind: str, shape: Sequence[Any], labels: Tuple[str, ...]) -> TensorSpec:
    """The specification of a graph output as ``flatten`` makes it."""
    element = _element(kind)
    if element in DATATYPES:
        return TensorSpec(name, DATATYPES[element], _sizes(shape), labels=labels)
    value = kind.rpartition("tensor(")[2].rstrip(")")
    width = len(labels) or -1
    rank = (-1,) * kind.startswith("seq(") + (width,) * ("map(" in kind)
    return TensorSpec(name, DATATYPES.get(value, "FP32"), rank, labels=labels)


def text(name: str, array: np.ndarray) -> np.ndarray:
    """Strings for onnxruntime, which would write ``bytes`` as their Python repr.

    Raises:
        InvalidInput: bytes that are not UTF-8.
    """
    if array.dtype != np.object_:
        return array
    flat = array.ravel().tolist()
    if all(type(item) is str for item in flat):
        return array
    decoded = np.empty(len(flat), np.object_)
    try:
        decoded[:] = [item.decode() if isinstance(item, (bytes, bytearray)) else str(item) for item in flat]
    except UnicodeDecodeError as error:
        raise InvalidInput(f"a string of {name!r} is not UTF-8", field=name) from error
    return decoded.reshape(array.shape)


def to_bfloat16(name: str, array: np.ndarray) -> Any:  # noqa: ARG001  # one shape for all conversions
    """Round to the nearest, ties to even; the bits go to onnxruntime as they are."""
    import onnxruntime as ort

    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    rounded = np.where(np.isnan(array), 0x7FC0, rounded).astype(np.uint16)
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(rounded, 16)  # TensorProto.BFLOAT16


def as_ort_value(value: Any) -> Any:
    """An array as onnxruntime's own kind of value."""
    import onnxruntime as ort

    return ort.OrtValue.ortvalue_from_numpy(value) if isinstance(value, np.ndarray) else value


def from_ort_value(value: Any) -> np.ndarray:
    """An array of a value; one of bfloat16 becomes the float32 of which it is the upper half."""
    if value.data_type() != "tensor(bfloat16)":
        array: np.ndarray = value.numpy()
        return array
    shape = tuple(value.shape())
    count = math.prod(shape)
    if not count:
        return np.empty(shape, np.float32)
    bits = np.ctypeslib.as_array((ctypes.c_uint16 * count).from_address(value.data_ptr()))
    return (bits.astype(np.uint32) << 16).view(np.float32).reshape(shape)


def flatten(result: Any, labels: Tuple[str, ...]) -> Tuple[np.ndarray, Tuple[str, ...]]:
    """An array and the labels of its last axis, from an array, a map, or a sequence of either."""
    if isinstance(result, dict):
        rows, names = _from_maps([result], labels)
        return rows[0], names
    if isinstance(result, list):
        if result and isinstance(result[0], dict):
            return _from_maps(result, labels)
        return _stack([np.asarray(item) for item in result]), ()
    return result, labels


def _from_maps(maps: List[Dict[Any, Any]], labels: Tuple[str, ...]) -> Tuple[np.ndarray, Tuple[str, ...]]:
    """Columns in the order of ``labels``, or of the keys; a key that a row lacks is NaN there."""
    known = {str(key): key for row in maps for key in row}
    names = labels if set(known) <= set(labels) else tuple(known)
    keys = [known.get(name, name) for name in names]
    return np.array([[row.get(key, np.nan) for key in keys] for row in maps], np.float32), names


def _stack(items: List[np.ndarray]) -> np.ndarray:
    if len({item.shape for item in items}) > 1:
        shapes = sorted({item.shape for item in items})
        raise ValueError(f"the model answered a sequence of tensors of different shapes {shapes}: not one tensor")
    return np.stack(items) if items else np.empty((0,), np.float32)


def _element(kind: str) -> str:
    return kind[len("tensor(") : -1] if kind.startswith("tensor(") else ""


def _sizes(shape: Sequence[Any]) -> Tuple[int, ...]:
    return tuple(size if isinstance(size, int) and size >= 0 else -1 for size in shape)
