"""Models that were exported for a fixed number of rows: one, mostly. Any number is run so many at a time, so that
clients send as many as they like, and requests can be joined.
"""

from __future__ import annotations

from typing import Callable, Dict, Mapping, Optional, Tuple

import msgspec
import numpy as np

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.samples import sample_columns
from modelbuild_runtime.signature import Signature, TensorSpec

Predict = Callable[[Mapping[str, np.ndarray]], Dict[str, np.ndarray]]

_LARGEST = 64
"""Rows from which on a leading axis is more likely something else than rows."""


def fixed_size(signature: Signature) -> int:
    """The leading size that all inputs and all outputs have; 0 where there is none that may count rows."""
    if not signature.inputs or not signature.outputs:
        return 0
    sizes = {spec.shape[0] if spec.shape else 0 for spec in (*signature.inputs, *signature.outputs)}
    size = sizes.pop() if len(sizes) == 1 else 0
    return size if 0 < size <= _LARGEST else 0


def freed(signature: Signature) -> Signature:
    """The signature with any number of rows."""
    return Signature(_freed(signature.inputs), _freed(signature.outputs), signature.columns)


class FixedRows:
    """``predict`` takes exactly ``size`` rows; this takes any. What is missing in the last run is filled up with the
    last row, whose further answers nobody gets.
    """

    def __init__(self, predict: Predict, size: int) -> None:
        self._predict = predict
        self._size = size

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        rows = len(next(iter(inputs.values())))
        parts = [self._part(inputs, start, min(start + self._size, rows)) for start in range(0, rows, self._size)]
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _part(self, inputs: Mapping[str, np.ndarray], start: int, end: int) -> Dict[str, np.ndarray]:
        size, count = self._size, end - start
        part = {name: array[start:end] for name, array in inputs.items()}
        if count < size:
            part = {name: np.concatenate([array, *[array[-1:]] * (size - count)]) for name, array in part.items()}
        outputs = self._predict(part)
        for name, array in outputs.items():
            if array.shape[:1] != (size,):
                raise RuntimeError(f"output {name!r} has the shape {list(array.shape)} for {size} rows of input")
        return outputs if count == size else {name: array[:count] for name, array in outputs.items()}


def rows_are_apart(predict: Predict, signature: Signature, size: int) -> bool:
    """Whether each row of the answer hangs on its own row of the question alone. That is so where only one fits;
    otherwise it is tried: rows in another order, and among other rows, must be answered as before.
    """
    if size == 1:
        return True
    try:
        return _is_apart(predict, sample_columns(Contract(signature.inputs, batched=False)), size)
    except Exception:  # noqa: BLE001  # a model may raise anything, and made-up values may be wrong
        return False


def _is_apart(predict: Predict, sample: Mapping[str, np.ndarray], size: int) -> bool:
    inputs = {name: _varied(array) for name, array in sample.items()}
    if any(array is None for array in inputs.values()):
        return False
    varied: Dict[str, np.ndarray] = inputs  # type: ignore[assignment]  # none is None
    whole = {name: array.copy() for name, array in predict(varied).items()}
    for order in (np.roll(np.arange(size), 1), np.zeros(size, int), np.full(size, size - 1)):
        other = predict({name: array[order] for name, array in varied.items()})
        if not all(_equal(other[name], whole[name][order]) for name in whole):
            return False
    # An answer that is the same for all rows would show nothing.
    return any(not _equal(array, array[np.zeros(size, int)]) for array in whole.values())


def _varied(array: np.ndarray) -> Optional[np.ndarray]:
    """Rows that differ, of numbers that most models take; None for what is no number."""
    if array.dtype.kind not in "fiu":
        return None
    random = np.random.default_rng(0)
    values = random.random(array.shape) if array.dtype.kind == "f" else random.integers(0, 2, array.shape)
    return values.astype(array.dtype)


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    if one.dtype.kind == "f":
        return bool(np.allclose(one, other, rtol=1e-3, atol=1e-5, equal_nan=True))
    return bool(np.array_equal(one, other))


def _freed(specs: Tuple[TensorSpec, ...]) -> Tuple[TensorSpec, ...]:
    return tuple(msgspec.structs.replace(spec, shape=(-1, *spec.shape[1:])) for spec in specs)
