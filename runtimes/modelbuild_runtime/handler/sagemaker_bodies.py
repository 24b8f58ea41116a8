"""The bodies that SageMaker's own toolkit reads and writes, for handlers that leave input_fn or output_fn to it."""

from __future__ import annotations

import io
import json
from itertools import chain
from math import prod
from typing import Any, Sequence, Tuple, Union

import numpy as np

from modelbuild_runtime.bodies import npy_body
from modelbuild_runtime.errors import InvalidInput, NotAcceptable, TooLarge, UnsupportedMediaType

JSON, CSV, NPY, LINES = "application/json", "text/csv", "application/x-npy", "application/jsonlines"
TEXT = {JSON, CSV, LINES}
WRITTEN = (JSON, CSV, NPY, LINES)

_LETTER, _MOST = 4, 256 << 20
"""Bytes of a letter, and of an array of text."""

Body = Union[bytes, bytearray, str]


def media(content_type: str) -> str:
    """A media type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def read(body: Body, content_type: str) -> np.ndarray:
    """JSON, JSON lines, CSV without a header, or npy (never a pickled one) to an array.

    Raises:
        UnsupportedMediaType: any other content type.
        InvalidInput: the body is not what its type says.
        TooLarge: its texts would take far more memory than their bytes.
    """
    kind = media(content_type) or JSON
    try:
        if kind == JSON:
            return _array(json.loads(body), body)
        if kind == LINES:
            return _array([json.loads(line) for line in _text(body).splitlines() if line.strip()], body)
        if kind == CSV:
            return np.genfromtxt(io.StringIO(_text(body)), delimiter=",")
        if kind == NPY:
            return _loaded(_bytes(body))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the body cannot be read as {kind}: {error}") from error
    raise UnsupportedMediaType(f"content type {content_type!r} is not read here; send {', '.join(WRITTEN)}")


def write(prediction: Any, accept: str) -> Tuple[bytes, str]:
    """A prediction in the first of the accepted types that can be written, and that type.

    Raises:
        NotAcceptable: none can.
    """
    kind = choose(accept)
    plain = _plain(prediction)
    if kind == JSON:
        return json.dumps(plain, default=_plain).encode(), kind
    if kind == LINES:
        rows = plain if isinstance(plain, list) else [plain]
        return "".join(json.dumps(row, default=_plain) + "\n" for row in rows).encode(), kind
    if kind == CSV:
        written = io.StringIO()
        np.savetxt(written, np.atleast_1d(np.asarray(prediction)), delimiter=",", fmt="%s")
        return written.getvalue().encode(), kind
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(prediction), allow_pickle=False)
    return buffer.getvalue(), kind


def choose(accept: str) -> str:
    """The media type to answer with; JSON where anything will do."""
    offered = [media(part) for part in accept.split(",")]
    for kind in offered:
        if kind in {"", "*/*", "application/*"}:
            return JSON
        if kind in WRITTEN:
            return kind
    raise NotAcceptable(f"{accept!r} is not written here; accept {', '.join(WRITTEN)}")


def _array(value: Any, body: Body) -> np.ndarray:
    """NumPy makes all texts as wide as the longest."""
    if ('"' if isinstance(body, str) else b'"') in body:  # type: ignore[operator]
        cells = [value]
        while any(cell.__class__ is list for cell in cells):
            cells = list(chain.from_iterable([cell if cell.__class__ is list else (cell,) for cell in cells]))
        longest = max([len(cell) for cell in cells if cell.__class__ is str], default=0)
        if longest * len(cells) * _LETTER > _MOST:
            raise TooLarge("an array of these texts would be far larger than they are; send fewer, or shorter ones")
    return np.array(value)


def _loaded(body: bytes) -> np.ndarray:
    """NumPy takes the memory for an array before it looks whether the body is as long."""
    shape, _, dtype, start = npy_body.header(body)
    if not dtype.hasobject and len(body) - start != prod(shape) * dtype.itemsize:
        raise ValueError(f"an array of shape {list(shape)} and type {dtype} is not in {len(body) - start} bytes")
    array: np.ndarray = np.load(io.BytesIO(body), allow_pickle=False)
    return array


def _text(body: Body) -> str:
    return body if isinstance(body, str) else bytes(body).decode()


def _bytes(body: Body) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value
