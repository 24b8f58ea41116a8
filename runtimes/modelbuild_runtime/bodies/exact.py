"""Bodies that are exactly what the contract says, in the forms that most clients send: one call of msgspec reads and
checks them, and their numbers are packed at once, so that no objects wait for the run. Everything else takes the way of
``natural_json``, which is kinder, and says what is wrong.
"""

from __future__ import annotations

import struct
from typing import Annotated, Any, Callable, List, Optional

import msgspec

from modelbuild_runtime.bodies.question import INSTANCES, ROWS, Question, only_input
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.request import Packed
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import NUMPY

_NUMBERS = {"FP16": float, "FP32": float, "FP64": float}
"""JSON's numbers without a check of their range, which is made where they are packed."""
_REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError)

Read = Callable[[Any], Optional[Question]]


def reader(contract: Contract, *, bare: bool = True) -> Read:
    """How to read such bodies: a function that returns None for all others. ``bare``: also rows with nothing around."""
    row = _row(contract)
    if row is None:
        return _nothing
    rows = Annotated[List[row], msgspec.Meta(min_length=1)]  # type: ignore[valid-type]
    body = msgspec.defstruct("Body", [(INSTANCES, rows)], forbid_unknown_fields=True)
    instances: Callable[[Any], Any] = msgspec.json.Decoder(body).decode
    alone = msgspec.json.Decoder(rows).decode
    spec: TensorSpec = only_input(contract)  # type: ignore[assignment]  # a contract with rows has one
    named = spec.name == INSTANCES
    pack = struct.Struct(f"={spec.shape[1]}{NUMPY[spec.datatype].char}").pack

    def packed(items: List[Any]) -> Packed:
        count = len(items)
        return Packed(pack(*items[0]) if count == 1 else b"".join([pack(*item) for item in items]), count)

    def read(body: Any) -> Optional[Question]:
        try:
            if body.startswith(b'{"instances"') and not named:
                return Question(packed(instances(body).instances), INSTANCES)
            return Question(packed(alone(body)), ROWS) if bare and body.startswith(b"[[") else None
        except _REFUSED:
            return None

    return read


def _row(contract: Contract) -> Any:
    """The type of a row: so many numbers. None where a contract says less, or something else."""
    spec = only_input(contract)
    if spec is None or contract.record or not contract.batched or spec.optional or len(spec.shape) != 2:
        return None
    kind, size = _NUMBERS.get(spec.datatype), spec.shape[1]
    if kind is None or size < 1:
        return None
    return Annotated[List[kind], msgspec.Meta(min_length=size, max_length=size)]  # type: ignore[valid-type]


def _nothing(_body: Any) -> Optional[Question]:
    return None
