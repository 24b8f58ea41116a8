"""NumPy's .npy format as a request body: only plain data, never a pickle, and without copying it."""

from __future__ import annotations

import sys
from io import BytesIO
from math import prod
from typing import Tuple, Union

import numpy as np

from modelbuild_runtime.bodies.tensor_data import check_shape
from modelbuild_runtime.errors import InvalidInput, TooLarge
from modelbuild_runtime.http.limits import Limits

MAX_HEADER = 10_000
MOST_TEXTS = Limits().elements
_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read(body: Union[bytes, bytearray]) -> np.ndarray:
    """The one array of the body, text as an object array of ``str`` or ``bytes``.

    Raises:
        InvalidInput: it is not such a file, it is cut short, or it would have to be unpickled.
        TooLarge: it holds so many texts that they would be far larger in memory.
    """
    shape, fortran, dtype, start = header(body)
    if dtype.hasobject:
        raise InvalidInput("the array holds Python objects, which would have to be unpickled: send plain data")
    if dtype.kind not in "biufSU":
        raise InvalidInput(f"arrays of {dtype} are not taken: send booleans, numbers or text")
    count = prod(shape)
    if len(body) - start != count * dtype.itemsize:
        raise InvalidInput(
            f"an array of shape {list(shape)} and type {dtype} takes {count * dtype.itemsize} bytes, "
            f"and the body has {len(body) - start}"
        )
    if dtype.itemsize == 0:
        raise InvalidInput("the array holds empty text only")
    if dtype.kind in "SU" and count > MOST_TEXTS:
        raise TooLarge(f"the array holds more than {MOST_TEXTS} texts; send fewer rows")
    flat = np.frombuffer(body, dtype, count, start)
    if dtype.kind == "b" and bool((flat.view(np.uint8) > 1).any()):
        raise InvalidInput("the array is of booleans, and holds bytes other than 0 and 1")
    array = flat.reshape(shape, order="F" if fortran else "C")
    if dtype.kind == "U":
        _check_text(flat)
    return array.astype(object) if dtype.kind in "SU" else array.astype(dtype.newbyteorder("="), copy=False)


def _check_text(flat: np.ndarray) -> None:
    """Refuse what is no character, before NumPy makes text of it."""
    points = flat.astype(flat.dtype.newbyteorder("="), copy=False).view(np.uint32)
    if bool(((points > sys.maxunicode) | ((points >= 0xD800) & (points < 0xE000))).any()):
        raise InvalidInput("the array's text holds what is no character of Unicode")


def header(body: Union[bytes, bytearray]) -> Tuple[Tuple[int, ...], bool, np.dtype, int]:
    """Shape, whether in Fortran's order, datatype, and where the data begins.

    Raises:
        InvalidInput: the body does not begin as such a file does.
    """
    if int.from_bytes(body[8 : 10 if body[6:7] == b"\x01" else 12], "little") > MAX_HEADER:
        raise InvalidInput(f"the header of the .npy format takes more than {MAX_HEADER} bytes")
    stream = BytesIO(body)
    try:
        shape, fortran, dtype = _READERS[np.lib.format.read_magic(stream)](stream)
    except Exception as error:  # numpy parses the header as a Python literal, which can fail in many ways
        raise InvalidInput("the body is not in version 1 or 2 of the .npy format") from error
    if not all(type(size) is int and size >= 0 for size in shape):
        raise InvalidInput(f"{shape!r} is not the shape of an array")
    check_shape("array", shape)
    return shape, fortran, dtype, stream.tell()
