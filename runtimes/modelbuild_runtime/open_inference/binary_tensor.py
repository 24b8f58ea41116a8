"""Tensors as raw bytes, as the Open Inference Protocol lays them out: little-endian, row by row, text with lengths."""

from __future__ import annotations

import struct
from math import prod
from typing import Any, List, Tuple, Union

import numpy as np

from modelbuild_runtime.errors import InvalidInput, TooLarge
from modelbuild_runtime.tensor import NUMPY

_LENGTH = struct.Struct("<I")


def read(name: str, datatype: str, shape: Tuple[int, ...], data: memoryview, most: int) -> np.ndarray:
    """An array over the bytes, without copying them where their place in memory allows it; of at most so many texts.

    Raises:
        TooLarge: there are more texts.
        InvalidInput: they are too few or too many for the shape, or not of the datatype.
    """
    dtype = NUMPY[datatype]
    if datatype == "BYTES":
        return _read_texts(name, shape, data, most)
    expected = prod(shape) * dtype.itemsize
    if expected != len(data):
        raise InvalidInput(
            f"input {name!r}: shape {list(shape)} of {datatype} takes {expected} bytes, got {len(data)}", field=name
        )
    flat = np.frombuffer(data, dtype)
    if datatype == "BOOL" and flat.size and int(flat.view(np.uint8).max()) > 1:
        raise InvalidInput(f"input {name!r} is BOOL, and has bytes other than 0 and 1", field=name)
    if not flat.flags.aligned:
        flat = flat.copy()  # frameworks read such memory wrongly, slowly, or not at all
    return flat.reshape(shape)


def write(array: np.ndarray) -> Union[bytes, memoryview]:
    """The bytes of an array of one of the protocol's datatypes."""
    if array.dtype.kind in "OSU":
        return _write_texts(array.ravel().tolist())
    return np.ascontiguousarray(array).data.cast("B") if array.size else b""


def text(value: Any) -> bytes:
    """An element of BYTES. What is missing is empty."""
    if isinstance(value, bytes):
        return value
    return b"" if value is None else str(value).encode()


def _read_texts(name: str, shape: Tuple[int, ...], data: memoryview, most: int) -> np.ndarray:
    if prod(shape) > most:
        raise TooLarge(f"input {name!r} holds more than {most} texts; send fewer rows", field=name)
    texts: List[bytes] = []
    at, end = 0, len(data)
    while at < end:
        start = at + _LENGTH.size
        stop = start + _LENGTH.unpack_from(data, at)[0] if start <= end else end + 1
        if stop > end:
            raise InvalidInput(f"input {name!r}: element {len(texts)} is cut short", field=name)
        texts.append(bytes(data[start:stop]))
        if len(texts) > most:
            break
        at = stop
    if len(texts) != prod(shape):
        raise InvalidInput(
            f"input {name!r}: shape {list(shape)} is {prod(shape)} elements, and the data has {len(texts)}", field=name
        )
    array = np.empty(len(texts), object)
    array[:] = texts
    return array.reshape(shape)


def _write_texts(values: List[Any]) -> bytes:
    parts: List[bytes] = []
    for value in values:
        encoded = text(value)
        parts += (_LENGTH.pack(len(encoded)), encoded)
    return b"".join(parts)
