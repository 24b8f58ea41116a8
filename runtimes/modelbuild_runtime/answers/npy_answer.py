"""Responses in NumPy's .npy format: the array of the only output, or a structured array with a field an output."""

from __future__ import annotations

from io import BytesIO
from typing import Any, List, Mapping

import numpy as np

from modelbuild_runtime.errors import NotAcceptable

_MOST = 256 << 20
"""Bytes of an array of texts, each of which takes the room of the longest."""


def encode(columns: Mapping[str, np.ndarray]) -> bytes:
    """The file, which ``numpy.load`` reads without unpickling.

    Raises:
        NotAcceptable: the outputs differ in their number of rows, or hold short texts beside very long ones.
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
        return _wide(flat, np.dtype("S1")).reshape(array.shape)
    return _wide(list(map(str, flat)), np.dtype("U1")).reshape(array.shape)


def _wide(texts: List[Any], letter: np.dtype) -> np.ndarray:
    """All as wide as the longest."""
    if len(texts) * max(map(len, texts), default=0) * letter.itemsize > _MOST:
        raise NotAcceptable("a .npy file of these texts would be far larger than they are: accept JSON")
    return np.array(texts, letter.kind)
