"""Rows at the edges of what a contract allows, and beyond: each the sample's own but for one value."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import NUMPY

ABSENT = object()
WHOLE = (0, 1, -1, 2**24 + 1, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 10**400)
FRACTIONS = (
    # Where numbers of 32 bits end, lose the last bit, or are equal although those of 64 bits are not.
    *(-0.0, 0.1, 1e-45, 1e-320, 16777217.0, 3.4028234e38, -3.4028234e38, 3.5e38, 1.7e308),
    # Where trees of the samples part: at the border, and next to it in 64 and in 32 bits.
    *(border for at in (3.0, 60.0) for border in (at, math.nextafter(at, 0), math.nextafter(at, 99))),
    *(float(np.nextafter(np.float32(at), np.float32(to))) for at in (3.0, 60.0) for to in (0, 99)),
    *(math.nan, math.inf, -math.inf),
)
TEXTS = (
    "",
    " ",
    "\n",
    "nan",
    "None",
    "0",
    "web",
    "Nowhere",
    "\u00e9t\u00e9 \u6f22 \U0001f388",
    "a\0b",
    "x" * 5000,
)
OTHERS = (None, ABSENT, True, [], {})


@dataclass(frozen=True)
class Edge:
    """``carried`` where the contract allows the value, so that the model must be asked."""

    name: str
    field: str
    row: dict[str, Any]
    carried: bool


def edges(contract: Contract, row: dict[str, Any], *, truths: bool = False) -> Iterator[Edge]:
    """Every edge of every input, in rows that are like this one; with ``truths``, true may be sent for a number."""
    for spec in contract.inputs:
        values = {"F": (*WHOLE, *FRACTIONS, "1"), "BYTES": (*TEXTS, 1)}
        for value in (*values.get(spec.datatype, values.get(spec.datatype[0], (*WHOLE, 1.5, "1"))), *OTHERS):
            shown = "absent" if value is ABSENT else repr(value)[:40]
            yield Edge(f"{spec.name}={shown}", spec.name, _with(row, spec, value), _carried(spec, value, truths))


def _with(row: dict[str, Any], spec: TensorSpec, value: Any) -> dict[str, Any]:
    """The value in the place of a cell, or of the first in a list."""
    if value is ABSENT:
        return {name: cell for name, cell in row.items() if name != spec.name}
    cell = row.get(spec.name)
    return {**row, spec.name: [value, *cell[1:]] if isinstance(cell, list) else value}


def _carried(spec: TensorSpec, value: Any, truths: bool) -> bool:
    """Whether the datatype has the value; what is missing is NaN, or None where an input is optional."""
    kind, dtype = spec.datatype[0], NUMPY[spec.datatype]
    if value is ABSENT:
        return spec.optional
    if value is None:
        return kind == "F" or (spec.datatype == "BYTES" and spec.optional)
    if spec.datatype == "BYTES":
        return isinstance(value, str)
    if kind == "B" or isinstance(value, bool):
        return isinstance(value, bool) and (kind == "B" or (kind == "F" and truths))
    if kind == "F":
        return isinstance(value, (int, float)) and not _overflows(value, dtype)
    return isinstance(value, int) and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max


def _overflows(value: float, dtype: np.dtype) -> bool:
    try:
        wide = float(value)
    except OverflowError:
        return True
    with np.errstate(over="ignore"):
        return math.isfinite(wide) and bool(np.isinf(np.array(wide).astype(dtype)))
