"""Bodies that are exactly what the contract says, in the forms that most clients send: one call of msgspec reads and
checks them. Everything else takes the way of ``natural_json``, which is kinder, and says what is wrong.
"""

from __future__ import annotations

from typing import Annotated, Any, Callable, List, Optional

import msgspec

from modelbuild_runtime.bodies.question import INSTANCES, ROWS, Question, only_input
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.request import Rows

_NUMBERS = {"FP16": float, "FP32": float, "FP64": float}
"""JSON's numbers without a check of their range, which is made where they become an array."""
_REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

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
    named = only_input(contract).name == INSTANCES  # type: ignore[union-attr]  # a contract with rows has one

    def read(body: Any) -> Optional[Question]:
        try:
            if body.startswith(b'{"instances"') and not named:
                return Question(Rows(instances(body).instances, True), INSTANCES)
            return Question(Rows(alone(body), True), ROWS) if bare and body.startswith(b"[[") else None
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
