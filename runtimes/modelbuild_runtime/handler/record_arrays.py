"""Arrays in records: what an annotation like ``Annotated[NDArray[numpy.uint8], (28, 28)]`` asks of lists of numbers."""

from __future__ import annotations

import struct
from typing import Any, Dict, Tuple

import numpy as np

from modelbuild_runtime.handler.fields import Column
from modelbuild_runtime.tensor import NUMPY, floats

_WORDS = {"b": "boolean", "i": "integer", "u": "integer", "f": "number", "O": "string"}


def exact(value: Any, wanted: np.dtype) -> np.ndarray:
    """An array of the declared datatype.

    Raises:
        ValueError: it cannot hold what was sent.
    """
    if value.__class__ is list and wanted.kind == "f":
        try:
            return floats(value, wanted)
        except (struct.error, OverflowError):
            pass  # lists in lists, nothing for a missing value, or what does not fit
    try:
        with np.errstate(all="ignore"):
            array = np.asarray(value, wanted)
        fits = _fits(array, value)
    except (ValueError, TypeError, OverflowError):
        fits = False
    if not fits:
        raise ValueError(f"expected an array of {wanted}")
    return array


def has_shape(array: np.ndarray, shape: Tuple[int, ...]) -> bool:
    """Whether an array has a shape, in which -1 is any size."""
    return array.ndim == len(shape) and all(want in (-1, got) for want, got in zip(shape, array.shape))


def nested_schema(column: Column) -> Dict[str, Any]:
    """The JSON Schema of lists in lists."""
    schema: Dict[str, Any] = {"type": _WORDS[NUMPY[column.datatype].kind]}
    for size in reversed(column.shape):
        sizes = {"minItems": size, "maxItems": size} if size >= 0 else {}
        schema = {"type": "array", "items": schema, **sizes}
    return schema


def _fits(array: np.ndarray, value: Any) -> bool:
    """NumPy cuts fractions, wraps whole numbers in older versions, and makes what is too large infinite."""
    if array.dtype.kind in "iu":
        return bool(np.array_equal(array, np.asarray(value)))
    if array.dtype.kind == "f" and np.isinf(array).any():
        return bool(np.isinf(np.asarray(value, np.float64)).any())
    return True
