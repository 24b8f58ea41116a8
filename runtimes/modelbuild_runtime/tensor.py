"""Tensors between bytes and arrays, without copying where it can be helped.

Datatypes and their layouts are those of the Open Inference Protocol v2, binary tensor data extension included.
"""

from __future__ import annotations

import struct
from typing import Any, Dict, List, Tuple, Union

import msgspec
import numpy as np

NUMPY: Dict[str, np.dtype] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": np.dtype(object),
}
"""The array that each datatype becomes. BYTES are object arrays of ``str`` (from JSON) or ``bytes`` (from binary)."""

DATATYPES: Dict[np.dtype, str] = {dtype: name for name, dtype in NUMPY.items()}


class Tensor(msgspec.Struct, eq=False):
    """One named input as a protocol decoded it: a flat row-major list, or an array. Made an array when needed,
    so that requests which wait together become one array in one go.
    """

    datatype: str
    shape: Tuple[int, ...]
    data: Union[List[Any], np.ndarray]


def floats(values: List[Any], dtype: np.dtype) -> np.ndarray:
    """A flat array of a floating-point ``dtype``, from a list of numbers: ``struct`` packs it three times as fast as
    numpy does, knows the datatypes by the same letters, and with "=" refuses what is finite and would become infinite.

    Raises:
        OverflowError: a number is too large for the datatype.
        struct.error: one is no number.
    """
    return np.frombuffer(bytearray(struct.pack(f"={len(values)}{dtype.char}", *values)), dtype)
