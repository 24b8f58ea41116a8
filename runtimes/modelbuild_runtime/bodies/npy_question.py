"""A .npy body against the contract: the only input, or one column an input."""

from __future__ import annotations

from typing import Union

import numpy as np

from modelbuild_runtime.bodies import npy_body
from modelbuild_runtime.bodies.question import RECORD, ROWS, Question, is_open, only_input
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.request import Columns
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import DATATYPES, NUMPY, Tensor


def read(body: Union[bytes, bytearray], contract: Contract) -> Question:
    """Read an array as the contract's inputs. One without the axis that counts rows is one row.

    Raises:
        InvalidInput: it is no such file, or does not fit.
    """
    array = npy_body.read(body)
    single = only_input(contract)
    if single is not None:
        return _one_input(single, array, batched=contract.batched)
    if is_open(contract):
        return Question(Columns({"input": _tensor("input", array)}), ROWS)
    count = len(contract.inputs)
    rows = array.reshape(1, -1) if array.ndim == 1 else array
    if rows.ndim != 2 or rows.shape[1] != count:
        names = ", ".join(spec.name for spec in contract.inputs[:20])
        raise InvalidInput(f"the array must have {count} columns ({names}), not shape {list(array.shape)}")
    columns = {spec.name: _cast(spec, rows[:, at]) for at, spec in enumerate(contract.inputs)}
    return Question(Columns(columns), RECORD if array.ndim == 1 else ROWS)


def _one_input(spec: TensorSpec, array: np.ndarray, *, batched: bool) -> Question:
    tensor = _cast(spec, array)
    if not batched:
        return Question(Columns({spec.name: tensor}), RECORD)
    if array.ndim != len(spec.shape) - 1:
        return Question(Columns({spec.name: tensor}), ROWS)
    row = np.asarray(tensor.data)[np.newaxis]
    return Question(Columns({spec.name: Tensor(tensor.datatype, row.shape, row)}), RECORD)


def _cast(spec: TensorSpec, array: np.ndarray) -> Tensor:
    """An array in the contract's datatype: people save float64 and int64 without meaning to."""
    dtype = NUMPY[spec.datatype]
    if array.dtype == dtype or array.dtype.kind not in "iuf" or dtype.kind not in "iuf":
        return _tensor(spec.name, array)
    with np.errstate(all="ignore"):
        cast = array.astype(dtype)
    if dtype.kind != "f" and not bool((cast == array).all()):
        raise InvalidInput(f"input {spec.name!r} is {spec.datatype}, which cannot hold this array", field=spec.name)
    return _tensor(spec.name, cast)


def _tensor(name: str, array: np.ndarray) -> Tensor:
    if array.dtype not in DATATYPES:
        raise InvalidInput(f"input {name!r}: arrays of {array.dtype} are not taken", field=name)
    return Tensor(DATATYPES[array.dtype], array.shape, array)
