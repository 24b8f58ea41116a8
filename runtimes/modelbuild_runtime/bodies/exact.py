"""Bodies that are exactly what the contract says, in the forms that most clients send: one call of msgspec reads and
checks them. Numbers are packed at once, so that no objects wait for the run. Everything else takes the way of
``natural_json``, which is kinder, and says what is wrong.
"""

from __future__ import annotations

import struct
from typing import Annotated, Any, Callable, List, Optional, Tuple

import msgspec

from modelbuild_runtime.bodies.question import INPUTS, INSTANCES, RECORD, ROWS, Question, only_input
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.request import Packed, Rows
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import NUMPY

_PACKED = ("FP16", "FP32", "FP64")
"""JSON's numbers are read without a check of their range, which is made where they are packed."""
_REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError)

Read = Callable[[Any], Optional[Question]]


def reader(contract: Contract, *, bare: bool = True) -> Read:
    """How to read such bodies: a function that returns None for all others. ``bare``: also rows with nothing around."""
    if contract.row is not None:
        return _of_records(contract, bare=bare)
    spec = packed_input(contract)
    return _nothing if spec is None else _of_numbers(spec, bare=bare)


def packed_input(contract: Contract) -> Optional[TensorSpec]:
    """The only input, where a row is so many numbers that can be packed as they are read."""
    spec = only_input(contract)
    if spec is None or contract.record or not contract.batched or spec.optional or len(spec.shape) != 2:
        return None
    return spec if spec.datatype in _PACKED and spec.shape[1] >= 1 else None


def _of_numbers(spec: TensorSpec, *, bare: bool) -> Read:
    size = spec.shape[1]
    instances, alone = _decoders(Annotated[List[float], msgspec.Meta(min_length=size, max_length=size)])
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


def _of_records(contract: Contract, *, bare: bool) -> Read:
    if not {INSTANCES, INPUTS}.isdisjoint([spec.name for spec in contract.inputs]):
        return _nothing
    instances, alone = _decoders(contract.row)
    one = msgspec.json.Decoder(contract.row).decode

    def read(body: Any) -> Optional[Question]:
        try:
            if body.startswith(b'{"instances"'):
                return Question(Rows(instances(body).instances), INSTANCES)
            if bare and body.startswith(b"[{"):
                return Question(Rows(alone(body)), ROWS)
            return Question(Rows([one(body)]), RECORD) if bare and body.startswith(b"{") else None
        except _REFUSED:
            return None

    return read


def _decoders(row: Any) -> Tuple[Callable[[Any], Any], Callable[[Any], List[Any]]]:
    """Of {"instances": rows}, and of rows with nothing around."""
    rows = Annotated[List[row], msgspec.Meta(min_length=1)]
    body = msgspec.defstruct("Body", [(INSTANCES, rows)], forbid_unknown_fields=True)
    return msgspec.json.Decoder(body).decode, msgspec.json.Decoder(rows).decode


def _nothing(_body: Any) -> Optional[Question]:
    return None
