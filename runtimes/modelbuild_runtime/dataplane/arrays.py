"""Flat lists of JSON values to arrays: strict about types and ranges, and fast, since the checks run in msgspec."""

from __future__ import annotations

import re
from typing import Annotated, Any, Dict, List, Optional, Sequence, Union

import msgspec
import numpy as np

from modelbuild_runtime.dataplane.fields import Field
from modelbuild_runtime.errors import InvalidInput, PredictionFailed
from modelbuild_runtime.tensor import DATATYPES, floats

Values = Union[List[Any], np.ndarray]


def _integers(least: int, most: int) -> Any:
    return List[Annotated[int, msgspec.Meta(ge=least, le=most)]]


_TYPES: Dict[str, Any] = {
    "BOOL": List[bool],
    "INT8": _integers(-(1 << 7), (1 << 7) - 1),
    "INT16": _integers(-(1 << 15), (1 << 15) - 1),
    "INT32": _integers(-(1 << 31), (1 << 31) - 1),
    "INT64": List[int],  # numpy refuses what does not fit into 64 bits
    "UINT8": _integers(0, (1 << 8) - 1),
    "UINT16": _integers(0, (1 << 16) - 1),
    "UINT32": _integers(0, (1 << 32) - 1),
    "UINT64": List[Annotated[int, msgspec.Meta(ge=0)]],
    "FP16": List[float],
    "FP32": List[float],
    "FP64": List[float],
    "BYTES": List[str],
}
_FLOATS = {"FP16", "FP32", "FP64"}
_MISSING = List[Optional[float]]
_POSITION = re.compile(r"\$\[(\d+)\]")
_NAMES = {bool: "a boolean", int: "a whole number", float: "a fraction", str: "a string", type(None): "null"}


def to_array(field: Field, values: List[Any]) -> np.ndarray:
    """A flat array. A null is a missing value: NaN in a floating-point input, None in an optional string.

    Raises:
        InvalidInput: a value is not of the field's datatype, or out of its range.
    """
    try:
        checked = msgspec.convert(values, _TYPES[field.datatype])
        return floats(checked, field.dtype) if field.datatype in _FLOATS else np.array(checked, dtype=field.dtype)
    except (msgspec.ValidationError, OverflowError, SystemError) as error:  # the last from older msgspec, for 10**400
        if field.truths and bool in set(map(type, values)):
            return to_array(field, [float(value) if value.__class__ is bool else value for value in values])
        if field.datatype in _FLOATS:
            return _floats_with_more(field, values)
        if field.datatype == "BYTES" and all(_is_text(value, field) for value in values):
            return objects(values)
        raise _complaint(field, values, error) from None


def stack(field: Field, parts: Sequence[Union[Values, bytes]], shape: Any) -> np.ndarray:
    """One array of the rows of all parts; ``shape`` is that of the whole, with -1 for the number of rows. Numbers that
    were packed are bytes.
    """
    if set(map(type, parts)) == {bytes}:
        return _unpacked(field, parts).reshape(shape)
    if len(parts) == 1 and parts[0].__class__ is list:
        return to_array(field, parts[0]).reshape(shape)
    flat: List[Any] = []
    for part in parts:
        if part.__class__ is not list:
            break
        flat += part
    else:
        return to_array(field, flat).reshape(shape)
    arrays = [part if isinstance(part, np.ndarray) else _flat(field, part).reshape(shape) for part in parts]
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _flat(field: Field, part: Union[List[Any], bytes]) -> np.ndarray:
    return _unpacked(field, (part,)) if isinstance(part, bytes) else to_array(field, part)


def _unpacked(field: Field, parts: Sequence[Any]) -> np.ndarray:
    """An array that may be written into."""
    return np.frombuffer(bytearray().join(parts), field.dtype)


def objects(values: Sequence[Any]) -> np.ndarray:
    """A flat array of any Python objects."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _floats_with_more(field: Field, values: List[Any]) -> np.ndarray:
    """Numbers with missing or infinite ones among them, which only text formats can say."""
    try:
        numbers = msgspec.convert(values, _MISSING)
    except (msgspec.ValidationError, OverflowError, SystemError) as error:
        raise _complaint(field, values, error) from None
    wide = np.array([np.nan if number is None else number for number in numbers])
    with np.errstate(over="ignore"):
        array = wide.astype(field.dtype)
    too_large = np.isinf(array) & np.isfinite(wide)
    if too_large.any():
        raise _refusal(field, numbers, int(too_large.argmax()))  # as the short way has them: floats
    return array


def _is_text(value: Any, field: Field) -> bool:
    return isinstance(value, (str, bytes)) or (value is None and field.optional)


def _complaint(field: Field, values: List[Any], error: Exception) -> InvalidInput:
    found = _POSITION.search(str(error))
    return _refusal(field, values, int(found.group(1)) if found else _first_too_large(field, values))


def _refusal(field: Field, values: List[Any], position: int) -> InvalidInput:
    value = values[position]
    where = f" in row {position // field.size}" if field.size and len(values) > field.size else ""
    got = _NAMES.get(type(value), "a list" if isinstance(value, list) else "an object")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        got = f"{value}"[:40]
    return InvalidInput(f"input {field.name!r}: expected {field.word}, got {got}{where}", field=field.name)


def _first_too_large(field: Field, values: List[Any]) -> int:
    limits: Any = np.iinfo(field.dtype) if field.dtype.kind in "iu" else np.finfo(np.float64)
    least, most = int(limits.min), int(limits.max)
    return next((i for i, value in enumerate(values) if isinstance(value, int) and not least <= value <= most), 0)


def normal(name: str, array: np.ndarray) -> np.ndarray:
    """The array in one of our datatypes.

    Raises:
        PredictionFailed: it holds what none of them can.
    """
    dtype = array.dtype
    if dtype.kind in "OSU" or (dtype in DATATYPES and dtype.isnative):
        return array
    if dtype.kind in "Mm":
        return array.astype(str)
    if dtype.kind == "f" and dtype.itemsize > 8:
        return array.astype(np.float64)
    if dtype.newbyteorder("=") in DATATYPES:
        return array.astype(dtype.newbyteorder("="))
    raise PredictionFailed(f"output {name!r} is of type {dtype}, which this protocol cannot send")
