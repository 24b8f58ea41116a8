"""Infer requests over HTTP for exactly the numbers that the contract says: one call of msgspec reads and checks JSON.
Where raw numbers follow it, it is mostly what came before, byte for byte, and is not read again. Everything else takes
the way of ``infer_request``, which says what is wrong.
"""

from __future__ import annotations

import struct
from typing import Annotated, Any, Dict, List, Literal, NamedTuple, Optional, Sequence, Tuple

import msgspec

from modelbuild_runtime.bodies import flat_buffer
from modelbuild_runtime.bodies.exact import packed_input
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.http.message import HttpRequest
from modelbuild_runtime.request import Columns, Packed, Request
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import NUMPY

_MOST = 64
_LONGEST = 1024
_DIGITS = 5
_SMALL = 1 << 14
"""Bytes up to which copying them takes no longer than laying an array over them."""
_REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError)


class _Known(NamedTuple):
    """What JSON says that stands before so many bytes of numbers."""

    size: int
    rows: int
    outputs: Sequence[str]
    wire: Any


class ExactRequests:
    """Reads those of one model, in bodies that are small."""

    def __init__(self, contract: Contract) -> None:
        self._spec = spec = packed_input(contract)
        self._known: Dict[bytes, _Known] = {}
        if spec is not None:
            self._decode = _decoder(spec)
            self._pack = struct.Struct(f"={spec.shape[1]}{NUMPY[spec.datatype].char}").pack

    def read(self, http: HttpRequest) -> Optional[Request]:
        """A request in JSON; None for what is not exactly so."""
        if self._spec is None or len(http.body) >= flat_buffer.LARGE:
            return None
        try:
            question = self._decode(http.body)
            tensor = question.inputs[0]
            (rows, size), data, pack = tensor.shape, tensor.data, self._pack
            if len(data) != rows * size:
                return None
            parts = [pack(*data[at : at + size]) for at in range(0, len(data), size)] if rows > 1 else [pack(*data)]
        except _REFUSED:
            return None
        identity = question.id
        packed = Packed(b"".join(parts), rows)
        return Request(packed, identity or http.id, headers=http.headers, wire=(identity, None))

    def read_raw(self, http: HttpRequest, length: bytes) -> Optional[Request]:
        """A request in JSON of this length, and numbers; None where such JSON has not been read yet."""
        body = http.body
        if len(body) > _SMALL or len(length) > _DIGITS or not length.isdigit():
            return None
        start = int(length)
        known = self._known.get(bytes(body[:start]))
        if known is None or len(body) != start + known.size:
            return None
        packed = Packed(bytes(body[start:]), known.rows)
        return Request(packed, known.wire[0] or http.id, None, known.outputs, http.headers, wire=known.wire)

    def remember(self, text: bytes, request: Request) -> None:
        """What this JSON said, if that is only how the numbers after it lie, and how they are to be answered."""
        spec, payload = self._spec, request.payload
        if spec is None or len(text) > _LONGEST or request.parameters or request.deadline:
            return
        if not isinstance(payload, Columns) or list(payload.tensors) != [spec.name]:
            return
        tensor = payload.tensors[spec.name]
        exact = tensor.datatype == spec.datatype and len(tensor.shape) == len(spec.shape)
        if not exact or isinstance(tensor.data, list) or tensor.shape[1:] != spec.shape[1:] or tensor.shape[0] < 1:
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[text] = _Known(tensor.data.nbytes, tensor.shape[0], request.outputs, request.wire)


def _decoder(spec: TensorSpec) -> Any:
    """Of such JSON. The range of its numbers is checked where they are packed."""
    size = spec.shape[1]
    fields: List[Tuple[str, Any]] = [
        ("name", Literal[spec.name]),
        ("datatype", Literal[spec.datatype]),
        ("shape", Tuple[Annotated[int, msgspec.Meta(ge=1)], Literal[size]]),
        ("data", List[float]),
    ]
    tensor = msgspec.defstruct("Tensor", fields, forbid_unknown_fields=True)
    inputs, identity = ("inputs", Tuple[tensor]), ("id", Optional[str], None)
    return msgspec.json.Decoder(msgspec.defstruct("Body", [inputs, identity], forbid_unknown_fields=True)).decode
