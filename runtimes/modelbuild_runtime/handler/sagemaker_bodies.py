"""The bodies that SageMaker's own toolkit reads and writes, for handlers that leave input_fn or output_fn to it."""

from __future__ import annotations

import io
import json
from typing import Any, Sequence, Tuple, Union

import numpy as np

from modelbuild_runtime.errors import InvalidInput, NotAcceptable, UnsupportedMediaType

JSON, CSV, NPY, LINES = "application/json", "text/csv", "application/x-npy", "application/jsonlines"
TEXT = {JSON, CSV, LINES}
WRITTEN = (JSON, CSV, NPY, LINES)

Body = Union[bytes, bytearray, str]


def media(content_type: str) -> str:
    """A media type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def read(body: Body, content_type: str) -> np.ndarray:
    """JSON, JSON lines, CSV without a header, or npy (never a pickled one) to an array.

    Raises:
        UnsupportedMediaType: any other content type.
        InvalidInput: the body is not what its type says.
    """
    kind = media(content_type) or JSON
    try:
        if kind == JSON:
            return np.array(json.loads(body))
        if kind == LINES:
            return np.array([json.loads(line) for line in _text(body).splitlines() if line.strip()])
        if kind == CSV:
            return np.genfromtxt(io.StringIO(_text(body)), delimiter=",")
        if kind == NPY:
            array: np.ndarray = np.load(io.BytesIO(_bytes(body)), allow_pickle=False)
            return array
    except ValueError as error:
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
