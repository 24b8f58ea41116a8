"""Infer requests over gRPC that differ from one before in nothing but the raw bytes of their tensors, as most do. These
come last in the message: what stands before them, byte for byte what was parsed and checked once, is not parsed again.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

from modelbuild_runtime.grpc.message_fields import begin
from modelbuild_runtime.open_inference import binary_tensor
from modelbuild_runtime.tensor import Tensor

_RAW = 7
"""The number of ``raw_input_contents``."""
_MOST = 64
_LONGEST = 1024


class _Raw(NamedTuple):
    """One tensor: how its bytes begin, and how many they are."""

    name: str
    datatype: str
    shape: Tuple[int, ...]
    begin: bytes
    size: int


class _Layout(NamedTuple):
    """``start`` is a message by itself, without raw bytes; each of ``raws`` is another field after it."""

    start: bytes
    raws: List[_Raw]


class KnownMessages:
    """Those of one model, by their length. ``most`` is the largest number of values."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._layouts: Dict[int, _Layout] = {}

    def tensors(self, body: Union[bytes, bytearray]) -> Optional[Dict[str, Tensor]]:
        """The tensors by name; None where the message has to be parsed.

        Raises:
            ServerError: as of ``grpc_request.tensors``.
        """
        layout = self._layouts.get(len(body))
        if layout is None or not body.startswith(layout.start):
            return None
        found: Dict[str, Tensor] = {}
        at = len(layout.start)
        for name, datatype, shape, begins, size in layout.raws:
            if not body.startswith(begins, at):
                return None
            at += len(begins) + size
            array = binary_tensor.read(name, datatype, shape, memoryview(body[at - size : at]), self._most)
            found[name] = Tensor(datatype, shape, array)
        return found

    def add(self, message: Any, body: Union[bytes, bytearray], tensors: Dict[str, Tensor]) -> None:
        """Remember the layout of a message that was found good, if such a one is likely to come again: it asks for
        nothing of its own, and the bytes of its tensors are as many as their shapes say.
        """
        raws = message.raw_input_contents
        if not raws or message.id or message.parameters or message.outputs:
            return
        layout = _Layout(
            bytes(body[: len(body) - sum([len(begin(_RAW, len(raw))) + len(raw) for raw in raws])]),
            [
                _Raw(name, tensor.datatype, tensor.shape, begin(_RAW, len(raw)), len(raw))
                for (name, tensor), raw in zip(tensors.items(), raws)
            ],
        )
        if len(layout.start) > _LONGEST or any(raw.datatype == "BYTES" for raw in layout.raws):
            return
        if self._holds(layout, message, body):
            if len(self._layouts) >= _MOST:
                self._layouts.clear()
            self._layouts[len(body)] = layout

    @staticmethod
    def _holds(layout: _Layout, message: Any, body: Union[bytes, bytearray]) -> bool:
        """Whether that is how the message is laid out: its fields may come in any order."""
        rest = b"".join([raw.begin + bytes(found) for raw, found in zip(layout.raws, message.raw_input_contents)])
        if body[len(layout.start) :] != rest:
            return False
        try:
            again = type(message).FromString(layout.start)
        except Exception:  # noqa: BLE001  # protobuf's own error, which is imported with it
            return False
        again.raw_input_contents.extend(message.raw_input_contents)
        return bool(again == message)
