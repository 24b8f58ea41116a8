from __future__ import annotations

import numpy as np
import pytest

from modelbuild_runtime.dataplane.open_inputs import infer, join_open, open_columns, open_tensors
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.tensor import Tensor


def test_tensors_are_what_they_say():
    tensors = {"a": Tensor("INT8", (2, 2), [1, 2, 3, 4]), "b": Tensor("BYTES", (2,), ["x", "y"])}
    prepared = open_tensors(tensors, batched=True)
    arrays = join_open([prepared[0], prepared[0]])
    assert prepared[1] == 2
    assert arrays["a"].dtype == np.int8
    assert arrays["a"].tolist() == [[1, 2], [3, 4]] * 2
    assert arrays["b"].tolist() == ["x", "y"] * 2


def test_only_equal_names_datatypes_and_shapes_are_joined():
    def key(**tensors):
        return open_tensors(tensors, batched=True)[2]

    same = key(a=Tensor("FP32", (1, 2), [1, 2]))
    assert key(a=Tensor("FP32", (2, 2), [1, 2, 3, 4])) == same
    assert key(b=Tensor("FP32", (1, 2), [1, 2])) != same
    assert key(a=Tensor("FP64", (1, 2), [1, 2])) != same
    assert key(a=Tensor("FP32", (1, 3), [1, 2, 3])) != same


def test_wrong_values_are_named_when_they_are_joined():
    prepared = open_tensors({"a": Tensor("FP32", (1, 2), [1, "x"])}, batched=True)
    with pytest.raises(InvalidInput, match="input 'a': expected a number") as caught:
        join_open([prepared[0]])
    assert caught.value.field == "a"


@pytest.mark.parametrize(
    "tensors, complaint",
    [
        ({}, "no row"),
        ({"a": Tensor("FP32", (0, 2), [])}, "no row"),
        ({"a": Tensor("FP32", (), [1])}, "no axis that counts rows"),
        ({"a": Tensor("FP32", (), np.array(1, np.float32))}, "no axis that counts rows"),
        ({"a": Tensor("FP32", (1, 0), [])}, r"shape \[1, 0\] has no values"),
        ({"a": Tensor("FP32", (2,), [1])}, "wants 2 values, got 1"),
        ({"a": Tensor("BF16", (1,), [1])}, "datatype 'BF16' is not supported"),
        ({"a": Tensor("FP32", (-1,), [1])}, "not a list of sizes"),
        ({"a": Tensor("FP32", (2,), [1, 2]), "b": Tensor("FP32", (1,), [1])}, "differ in their number of rows"),
    ],
)
def test_tensors_that_make_no_sense(tensors, complaint):
    with pytest.raises(InvalidInput, match=complaint):
        open_tensors(tensors, batched=True)


def test_rows_become_columns():
    prepared = open_columns([{"a": 1, "b": "x"}, {"b": "y", "a": 2.5}])
    assert prepared[0]["a"].tolist() == [1.0, 2.5]
    assert prepared[0]["b"].tolist() == ["x", "y"]
    assert open_columns([[1, 2], [3, 4]])[0]["input"].tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_rows_differ_in_names_or_shape():
    with pytest.raises(InvalidInput, match="row 1 does not have the same names"):
        open_columns([{"a": 1}, {"b": 1}])
    with pytest.raises(InvalidInput, match="input 'a': the rows differ in shape"):
        open_columns([{"a": [1]}, {"a": [1, 2]}])
    with pytest.raises(InvalidInput, match="no row"):
        open_columns([])
    with pytest.raises(InvalidInput, match="row 0 has no values"):
        open_columns([{}])
    with pytest.raises(InvalidInput, match=r"shape \[1, 0\] has no values"):
        open_columns([[]])
    with pytest.raises(InvalidInput, match="input 'input': a number is too large"):
        open_columns([10**400])


@pytest.mark.parametrize(
    "values, kind",
    [([1, 2], "f"), ([1.5, 2], "f"), ([1, None], "f"), ([True, False], "b"), (["a", "b"], "O"), ([None, "1"], "O")],
)
def test_the_datatype_hangs_on_the_kind_of_value_and_not_on_the_value(values, kind):
    assert infer("a", values).dtype.kind == kind


def test_a_list_of_objects_stays_one():
    assert infer("a", [{"x": 1}, {"x": 2}]).tolist() == [{"x": 1}, {"x": 2}]


def test_text_takes_no_more_room_than_it_has():
    texts = ["x" * 1_000_000, *["y"] * 1_000_000]  # as an array of NumPy's own text 4 TB
    assert infer("a", texts).tolist() == texts
    assert infer("a", [texts[:3], texts[1:4]]).tolist() == [texts[:3], texts[1:4]]


def test_whole_numbers_of_any_size_are_numbers():
    assert infer("a", [[1, 2**70], [None, 2.5]])[0].tolist() == [1.0, 2.0**70]
