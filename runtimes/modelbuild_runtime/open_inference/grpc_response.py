"""The Open Inference Protocol's infer response over gRPC: outputs are raw bytes, as Triton's are. Fields are written in
the order of their numbers, as protobuf does; what describes an output is made by protobuf once.
"""

from __future__ import annotations

from typing import Dict, Iterable, List, NamedTuple, Tuple

import numpy as np

from modelbuild_runtime.dataplane.arrays import normal
from modelbuild_runtime.grpc.message_fields import begin
from modelbuild_runtime.grpc.messages import load
from modelbuild_runtime.open_inference import binary_tensor
from modelbuild_runtime.tensor import DATATYPES

_RAW = 6
"""The number of ``raw_output_contents``."""
_MOST = 256

_messages = load("open_inference")


class _Known(NamedTuple):
    """The field that describes an output, and whether that is text."""

    field: bytes
    text: bool


class ResponseWriter:
    """Writes responses of one model."""

    def __init__(self, name: str, version: str) -> None:
        self._name = name
        self._version = version
        self._head = b""
        self._known: Dict[Tuple[str, np.dtype, Tuple[int, ...]], _Known] = {}

    def write(self, identity: str, outputs: Iterable[Tuple[str, np.ndarray]], parameters: bytes = b"") -> bytes:
        """A ModelInferResponse with the outputs in order; ``parameters`` are fields that go before them.

        Raises:
            PredictionFailed: an output is of no datatype.
        """
        head = self._head or self._begin()
        if identity:
            head += _messages.ModelInferResponse(id=identity).SerializeToString()
        fields = [head, parameters]
        raws: List[bytes] = []
        for name, output in outputs:
            array = output
            known = self._known.get((name, array.dtype, array.shape))
            if known is None:
                array = normal(name, array)
                known = self._describe(name, array)
            raw = bytes(binary_tensor.write(array)) if known.text else array.tobytes()
            fields.append(known.field)
            raws += (begin(_RAW, len(raw)), raw)
        return b"".join(fields + raws)

    def _begin(self) -> bytes:
        message = _messages.ModelInferResponse(model_name=self._name, model_version=self._version)
        self._head = head = bytes(message.SerializeToString())
        return head

    def _describe(self, name: str, array: np.ndarray) -> _Known:
        text = array.dtype.kind in "OSU"
        message = _messages.ModelInferResponse()
        message.outputs.add(name=name, datatype="BYTES" if text else DATATYPES[array.dtype], shape=array.shape)
        known = _Known(message.SerializeToString(), text)
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[name, array.dtype, array.shape] = known
        return known
