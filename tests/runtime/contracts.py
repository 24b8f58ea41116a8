"""Contracts for tests of what reads and writes bodies."""

from __future__ import annotations

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.signature import TensorSpec

TENSOR = Contract((TensorSpec("x", "FP32", (-1, 3)),), (TensorSpec("y", "FP32", (-1,)),))
SCALAR = Contract((TensorSpec("x", "FP64", (-1,)),), (TensorSpec("y", "FP64", (-1,)),))
TEXT = Contract((TensorSpec("text", "BYTES", (-1,)),), (TensorSpec("label", "BYTES", (-1,)),))
RECORD = Contract(
    (
        TensorSpec("age", "INT64", (-1,)),
        TensorSpec("job", "BYTES", (-1,)),
        TensorSpec("married", "BOOL", (-1,), optional=True),
    ),
    (TensorSpec("score", "FP64", (-1,)),),
)
MIXED = Contract((TensorSpec("v", "FP32", (-1, 2)), TensorSpec("n", "INT32", (-1,))))
WHOLE = Contract((TensorSpec("m", "INT32", (2, 2)),), batched=False)
OPEN = Contract(open=True)
ALL = {
    "tensor": TENSOR,
    "scalar": SCALAR,
    "text": TEXT,
    "record": RECORD,
    "mixed": MIXED,
    "whole": WHOLE,
    "open": OPEN,
}
