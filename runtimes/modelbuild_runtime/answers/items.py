"""What a handler's postprocess returned, one item a row: into JSON, and into columns for tensors and tables."""

from __future__ import annotations

from itertools import chain
from typing import Any, Dict, List, Sequence

import msgspec
import numpy as np

from modelbuild_runtime.errors import PredictionFailed
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import DATATYPES, NUMPY

_UNSAID = (TypeError, ValueError, OverflowError, RecursionError, NotImplementedError)
"""What encoding raises for a value that JSON cannot say."""


def plain(value: Any) -> Any:
    """What JSON's encoder does not know: NumPy's values, and the models of validation libraries."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (float, int, str)):  # their subclasses
        return next(kind(value) for kind in (float, int, str) if isinstance(value, kind))
    for method in ("model_dump", "to_dict", "isoformat", "tolist"):
        convert = getattr(value, method, None)
        if callable(convert):
            return convert()
    raise NotImplementedError


_encoder = msgspec.json.Encoder(enc_hook=plain)
_encode, _encode_lines = _encoder.encode, _encoder.encode_lines
MANY = 1 << 14
"""Values that one call encodes: no other thread runs meanwhile."""


def encode(value: Any) -> bytes:
    """JSON. What is not finite becomes null.

    Raises:
        PredictionFailed: the handler answered with something that JSON cannot say.
    """
    try:
        if value.__class__ is list and len(value) > MANY:
            return _in_slices(value)
        return _encode(value)
    except _UNSAID as error:
        raise _unsaid(error) from error


def encode_lines(values: List[Any]) -> bytes:
    """The same of many values, a line each."""
    try:
        return _encode_lines(values)
    except _UNSAID as error:
        raise _unsaid(error) from error


def _in_slices(values: List[Any]) -> bytes:
    """Many values in several calls, between which other threads run."""
    slices = [_encode(values[at : at + MANY])[1:-1] for at in range(0, len(values), MANY)]
    return b"[%b]" % b",".join(slices)


def to_builtins(value: Any) -> Any:
    """Lists, dictionaries with text as keys, and plain values only."""
    try:
        return msgspec.to_builtins(value, enc_hook=plain, str_keys=True)
    except _UNSAID as error:
        raise _unsaid(error) from error


def to_columns(items: Sequence[Any], outputs: Sequence[TensorSpec]) -> Dict[str, np.ndarray]:
    """Arrays by name, one leading entry an item. What is neither numbers nor text becomes text of JSON."""
    rows = to_builtins(list(items))
    specs = {spec.name: spec for spec in outputs}
    first = rows[0] if rows else None
    if isinstance(first, dict) and first and all(isinstance(row, dict) and row.keys() == first.keys() for row in rows):
        return {name: _array([row[name] for row in rows], specs.get(name)) for name in first}
    name = outputs[0].name if len(outputs) == 1 else "output"
    return {name: _array(rows, specs.get(name))}


def _unsaid(error: Exception) -> PredictionFailed:
    return PredictionFailed(f"the handler's answer cannot be written as JSON: {error}")


def _array(values: List[Any], spec: Any) -> np.ndarray:
    if _holds_text(values):
        return _texts(values)
    try:
        array = np.array(values)
    except (ValueError, OverflowError):  # ragged, or integers beyond 64 bits
        return _texts(values)
    if None in values and set(map(type, values)) <= {int, float, type(None)}:
        array = np.array(values, np.float64)
    if array.dtype.kind not in "biuf" or array.dtype not in DATATYPES:
        return _texts(values)
    dtype = NUMPY.get(spec.datatype) if spec is not None else None
    return array if dtype is None or not np.can_cast(array.dtype, dtype, "same_kind") else array.astype(dtype)


def _holds_text(values: List[Any]) -> bool:
    """Whether there is text among the values: NumPy would make all of it as wide as the longest."""
    while values and values[0].__class__ is list:
        values = list(chain.from_iterable([value for value in values if value.__class__ is list]))
    return any(value.__class__ is str for value in values)


def _texts(values: List[Any]) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = [value if isinstance(value, (str, bytes)) else encode(value).decode() for value in values]
    return array
