from __future__ import annotations

import numpy as np
import pytest

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.dataplane.fields import fields_of
from modelbuild_runtime.dataplane.tensors import check_tensors
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import Tensor

X = TensorSpec("x", "FP32", (-1, 3))
AGE = TensorSpec("age", "INT64", (-1,))


def check(specs, tensors, *, batched=True):
    return check_tensors(fields_of(Contract(tuple(specs), batched=batched)), tensors)


def test_lists_stay_lists_and_may_be_joined_with_any_other():
    data = [1.0] * 6
    prepared = check([X], {"x": Tensor("FP32", (2, 3), data)})
    assert prepared[0] == {"x": data}
    assert (prepared[1], prepared[2]) == (2, None)


def test_arrays_are_taken_as_they_are():
    array = np.ones((2, 3), np.float32)
    prepared = check([X], {"x": Tensor("FP32", (2, 3), array.ravel())})
    assert prepared[0]["x"].shape == (2, 3)
    assert np.shares_memory(prepared[0]["x"], array)


def test_arrays_of_their_shape_are_counted_and_compared_with_the_contract():
    array = np.ones((2, 3), np.float32)
    inputs, rows, key = check([X], {"x": Tensor("FP32", (2, 3), array)})
    assert inputs["x"] is array
    assert (rows, key) == (2, None)
    for shape in ((3, 2), (6,), (2, 3, 1), (0, 3)):
        with pytest.raises(InvalidInput):
            check([X], {"x": Tensor("FP32", shape, np.ones(shape, np.float32))})
    with pytest.raises(InvalidInput, match="wants 3 values, got 6"):
        check([X], {"x": Tensor("FP32", (1, 3), array)})


@pytest.mark.parametrize(
    "sent, wanted, fits",
    [
        ("FP32", "FP64", True),
        ("INT32", "FP64", True),
        ("INT8", "INT64", True),
        ("UINT8", "INT16", True),
        ("BOOL", "FP32", True),
        ("FP64", "FP32", False),
        ("INT64", "INT32", False),
        ("INT64", "FP32", False),
        ("INT8", "UINT8", False),
        ("FP32", "INT64", False),
        ("BYTES", "FP32", False),
        ("FP32", "BYTES", False),
        ("BF16", "FP32", False),
        ("nonsense", "FP32", False),
    ],
)
@pytest.mark.parametrize("as_array", [True, False])
def test_datatypes_may_become_wider_and_never_narrower(sent, wanted, fits, as_array):
    specs = [TensorSpec("x", wanted, (-1,))]
    values = {"BOOL": [True, False], "BYTES": ["a", "b"]}.get(sent, [1, 2])
    if as_array:
        from modelbuild_runtime.tensor import NUMPY

        values = np.array(values, dtype=NUMPY.get(sent, np.float32))
    tensors = {"x": Tensor(sent, (2,), values)}
    if fits:
        assert check(specs, tensors)[0]["x"].dtype == fields_of(Contract(tuple(specs))).all[0].dtype
        return
    with pytest.raises(InvalidInput, match="datatype") as caught:
        check(specs, tensors)
    assert caught.value.field == "x"


@pytest.mark.parametrize(
    "spec_shape, shape",
    [((-1,), (2, 1)), ((-1, 1), (2,)), ((-1, 1), (2, 1, 1))],
)
def test_a_single_value_a_row_may_have_axes_of_one(spec_shape, shape):
    prepared = check([TensorSpec("x", "FP32", spec_shape)], {"x": Tensor("FP32", shape, [1.0, 2.0])})
    assert prepared[0]["x"].shape == (2, *spec_shape[1:])
    assert prepared[1] == 2


@pytest.mark.parametrize(
    "shape, data, complaint",
    [
        ((3,), [1.0] * 3, r"shape must be \[-1, 3\], got \[3\]"),
        ((1, 4), [1.0] * 4, r"shape must be \[-1, 3\], got \[1, 4\]"),
        ((1, 1, 3), [1.0] * 3, r"shape must be \[-1, 3\]"),
        ((), [1.0], r"shape must be \[-1, 3\]"),
        ((2, 3), [1.0] * 5, "wants 6 values, got 5"),
        ((-1, 3), [1.0] * 3, "not a list of sizes"),
        ((1.5, 2), [1.0] * 3, "not a list of sizes"),
        ((0, 3), [], "no row"),
    ],
)
def test_shapes_must_be_those_of_the_contract(shape, data, complaint):
    with pytest.raises(InvalidInput, match=complaint):
        check([X], {"x": Tensor("FP32", shape, data)})


def test_names_must_be_those_of_the_contract():
    x, age = Tensor("FP32", (1, 3), [1.0] * 3), Tensor("INT64", (1,), [4])
    with pytest.raises(InvalidInput, match="input 'age' is missing; expected 'x', 'age'") as caught:
        check([X, AGE], {"x": x})
    assert caught.value.field == "age"
    with pytest.raises(InvalidInput, match="input 'z' is unknown; expected 'x', 'age'") as caught:
        check([X, AGE], {"x": x, "age": age, "z": x})
    assert caught.value.field == "z"


def test_all_inputs_have_the_same_number_of_rows():
    with pytest.raises(InvalidInput, match="input 'age' has 2 rows, others have 1"):
        check([X, AGE], {"x": Tensor("FP32", (1, 3), [1.0] * 3), "age": Tensor("INT64", (2,), [4, 5])})


def test_optional_inputs_may_be_left_out_but_then_are_not_joined_with_others():
    specs = [X, TensorSpec("mask", "BOOL", (-1,), optional=True)]
    x = Tensor("FP32", (1, 3), [1.0] * 3)
    without = check(specs, {"x": x})
    with_mask = check(specs, {"x": x, "mask": Tensor("BOOL", (1,), [True])})
    assert set(without[0]) == {"x"}
    assert without[2] != with_mask[2]
    assert without[2] == check(specs, {"x": x})[2]


def test_free_sizes_are_taken_but_only_equal_ones_are_joined():
    specs = [TensorSpec("ids", "INT64", (-1, -1))]
    short, long = (check(specs, {"ids": Tensor("INT64", (1, n), [1] * n)}) for n in (3, 5))
    assert short[0]["ids"].shape == (1, 3)
    assert short[2] != long[2]
    assert short[2] == check(specs, {"ids": Tensor("INT64", (2, 3), [1] * 6)})[2]


def test_where_rows_are_not_counted_the_whole_shape_holds():
    specs = [TensorSpec("image", "FP32", (3, -1))]
    prepared = check(specs, {"image": Tensor("FP32", (3, 2), [1.0] * 6)}, batched=False)
    assert (prepared[1], prepared[0]["image"].shape) == (1, (3, 2))
    with pytest.raises(InvalidInput, match=r"shape must be \[3, -1\], got \[2, 3\]"):
        check(specs, {"image": Tensor("FP32", (2, 3), [1.0] * 6)}, batched=False)


def test_a_list_that_becomes_wider_must_still_fit_what_it_says_it_is():
    with pytest.raises(InvalidInput, match="INT8"):
        check([AGE], {"age": Tensor("INT8", (1,), [300])})


@pytest.mark.parametrize("spec", [X, AGE])
def test_a_single_value_has_no_rows(spec):
    with pytest.raises(InvalidInput, match=r"got \[\]"):
        check([spec], {spec.name: Tensor(spec.datatype, (), [1])})
    with pytest.raises(InvalidInput, match="wants 1 values, got 0"):
        check([AGE], {"age": Tensor("INT64", (), [])})


def test_an_input_under_another_name_is_named():
    with pytest.raises(InvalidInput, match="input 'x' is missing; expected 'x', 'age', got 'X'") as caught:
        check([X, AGE], {"X": Tensor("FP32", (1, 3), [1, 2, 3]), "age": Tensor("INT64", (1,), [1])})
    assert caught.value.field == "x"


def test_an_optional_text_may_be_null_and_a_required_one_not():
    tensors = {"c": Tensor("BYTES", (2,), [None, "a"])}
    inputs = check([TensorSpec("c", "BYTES", (-1,), optional=True)], tensors)[0]
    assert list(inputs["c"]) == [None, "a"]
    with pytest.raises(InvalidInput, match="expected a string, got null"):
        check([TensorSpec("c", "BYTES", (-1, -1))], {"c": Tensor("BYTES", (2, 1), [None, "a"])})
