from __future__ import annotations

import io

import numpy as np
import pytest

from modelbuild_runtime.bodies.npy_question import read
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.signature import TensorSpec
from runtime.contracts import OPEN, TENSOR, WHOLE


def npy(array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(array))
    return stream.getvalue()


def asked(array, contract):
    question = read(npy(array), contract)
    found = {name: (one.datatype, one.shape, one.data.tolist()) for name, one in question.payload.tensors.items()}
    return question.form, found


def test_rows_and_one_row_in_the_contract_s_datatype():
    assert asked([[1, 2, 3]], TENSOR) == ("rows", {"x": ("FP32", (1, 3), [[1, 2, 3]])})
    assert asked([1.5, 2, 3], TENSOR) == ("record", {"x": ("FP32", (1, 3), [[1.5, 2, 3]])})


def test_a_whole_tensor():
    assert asked([[1, 2], [3, 4]], WHOLE) == ("record", {"m": ("INT32", (2, 2), [[1, 2], [3, 4]])})


def test_one_column_an_input():
    contract = Contract((TensorSpec("a", "INT64", (-1,)), TensorSpec("b", "FP32", (-1,))))
    expected = {"a": ("INT64", (2,), [1, 3]), "b": ("FP32", (2,), [2, 4])}
    assert asked([[1, 2], [3, 4]], contract) == ("rows", expected)
    assert asked([1, 2], contract)[0] == "record"
    for wrong in (np.zeros((1, 3)), np.zeros(3), np.zeros((1, 1, 2)), np.float64(1)):
        with pytest.raises(InvalidInput, match="2 columns"):
            asked(wrong, contract)


def test_text():
    contract = Contract((TensorSpec("t", "BYTES", (-1,)),))
    assert asked(["a", "bc"], contract) == ("rows", {"t": ("BYTES", (2,), ["a", "bc"])})


def test_an_open_contract_takes_it_under_a_name_of_its_own():
    assert asked([[1.0]], OPEN) == ("rows", {"input": ("FP64", (1, 1), [[1.0]])})


@pytest.mark.parametrize(("datatype", "array"), [("INT8", [300]), ("INT64", [1.5]), ("UINT8", [-1])])
def test_integers_that_would_not_be_the_same(datatype, array):
    with pytest.raises(InvalidInput, match=f"{datatype}, which cannot hold"):
        asked(array, Contract((TensorSpec("x", datatype, (-1,)),)))
