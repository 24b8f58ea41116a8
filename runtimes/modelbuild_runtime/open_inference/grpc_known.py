"""Infer requests over gRPC that differ from one before in nothing but the raw bytes of their tensors, as most do. These
come last in the message: what stands before them, byte for byte what was parsed and checked once, is not parsed again.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

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
        contents = message.raw_input_contents
        if not contents or message.id or message.parameters or message.outputs:
            return
        raws = [
            _Raw(name, tensor.datatype, tensor.shape, begin(_RAW, len(content)), len(content))
            for (name, tensor), content in zip(tensors.items(), contents)
        ]
        end = len(body) - sum([len(raw.begin) + raw.size for raw in raws])
        if end > _LONGEST or any(raw.datatype == "BYTES" for raw in raws):
            return
        start = bytes(body[:end])
        if _follow(raws, body, end) and _is_whole(type(message), start):
            if len(self._layouts) >= _MOST:
                self._layouts.clear()
            self._layouts[len(body)] = _Layout(start, raws)


def _follow(raws: Sequence[_Raw], body: Union[bytes, bytearray], at: int) -> bool:
    """Whether all that is there from a place on are the raw bytes."""
    for raw in raws:
        if not body.startswith(raw.begin, at):
            return False
        at += len(raw.begin) + raw.size
    return True


def _is_whole(kind: Any, start: bytes) -> bool:
    """Whether a message ends there, and not in the midst of a field: what follows means the same after any other."""
    try:
        kind.FromString(start)
    except Exception:  # noqa: BLE001  # protobuf's own error, which is imported with it
        return False
    return True
