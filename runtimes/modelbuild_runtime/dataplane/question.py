"""A request as a key: equal for requests that the model cannot tell apart, and for no others."""

from __future__ import annotations

from typing import Any, Optional

import msgspec
import numpy as np

from modelbuild_runtime.request import Columns, Packed, Request, Rows

_DIGEST = 32
"""Bytes: so many that nobody finds two questions of one key, and none has to be kept to be compared."""
_ARRAY = 1
_OBJECTS = 2
_SCALAR = 3
_UNKNOWN = (TypeError, ValueError, OverflowError, RecursionError, NotImplementedError)


def question(request: Request, model: bytes) -> Optional[bytes]:
    """The key of what was asked of a ``model``, whose digest has 64 bytes at most. None for what is not to be answered
    from memory: answers in parts, explanations, and bodies whose handler sees all of the request.
    """
    payload = request.payload
    if request.stream or request.explain or not isinstance(payload, (Rows, Packed, Columns)):
        return None
    if isinstance(payload, Columns):
        asked: Any = [(name, tensor.datatype, tensor.shape, tensor.data) for name, tensor in payload.tensors.items()]
    else:
        asked = payload.items if isinstance(payload, Rows) else payload.data
    kind = isinstance(payload, Rows)
    try:
        text = _encode((kind, asked, dict(request.parameters or {}), tuple(request.outputs)))
    except _UNKNOWN:
        return None
    from hashlib import blake2b  # here: it loads OpenSSL

    return blake2b(text, digest_size=_DIGEST, key=model).digest()


def _extended(value: Any) -> Any:
    """What MessagePack does not know, as an extension of it, so that it equals nothing else."""
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return msgspec.msgpack.Ext(_ARRAY, _encode((value.dtype.str, value.shape, value.tobytes())))
    if isinstance(value, np.ndarray):
        return msgspec.msgpack.Ext(_OBJECTS, _encode((value.shape, value.ravel().tolist())))
    if isinstance(value, np.generic):
        return msgspec.msgpack.Ext(_SCALAR, _encode((value.dtype.str, value.tobytes())))
    raise TypeError(type(value).__name__)


_encode = msgspec.msgpack.Encoder(enc_hook=_extended).encode
