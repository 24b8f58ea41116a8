"""Responses in NumPy's .npy format: the array of the only output, or a structured array with a field an output."""

from __future__ import annotations

from io import BytesIO
from typing import Mapping

import numpy as np

from modelbuild_runtime.errors import NotAcceptable


def encode(columns: Mapping[str, np.ndarray]) -> bytes:
    """The file, which ``numpy.load`` reads without unpickling.

    Raises:
        NotAcceptable: the outputs differ in their number of rows.
    """
    arrays = {name: _plain(array) for name, array in columns.items()}
    stream = BytesIO()
    whole = next(iter(arrays.values())) if len(arrays) == 1 else _structured(arrays)
    np.lib.format.write_array(stream, whole, allow_pickle=False)
    return stream.getvalue()


def _structured(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    if len({array.shape[:1] for array in arrays.values()}) != 1:
        raise NotAcceptable("these outputs differ in their number of rows, which a .npy file cannot hold: accept JSON")
    count = len(next(iter(arrays.values())))
    whole = np.empty(count, [(name, array.dtype, array.shape[1:]) for name, array in arrays.items()])
    for name, array in arrays.items():
        whole[name] = array
    return whole


def _plain(array: np.ndarray) -> np.ndarray:
    """Text at a fixed width: an array of Python objects could only be pickled."""
    if array.dtype.kind != "O":
        return array
    flat = array.ravel().tolist()
    if any(isinstance(value, bytes) for value in flat):
        flat = [value if isinstance(value, bytes) else str(value).encode() for value in flat]
        return np.array(flat, np.bytes_).reshape(array.shape)
    return np.array(flat, np.str_).reshape(array.shape)
