from __future__ import annotations

import math

import numpy as np
import pytest

from modelbuild_runtime.dataplane.arrays import stack, to_array
from modelbuild_runtime.dataplane.fields import make_field
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import NUMPY


def field(datatype, *inner, optional=False):
    return make_field(TensorSpec("f", datatype, (-1, *inner), optional), batched=True)


@pytest.mark.parametrize("datatype", sorted(set(NUMPY) - {"BOOL", "BYTES"}))
def test_numbers_become_arrays_of_the_datatype(datatype):
    array = to_array(field(datatype), [0, 1, 100])
    assert array.dtype == NUMPY[datatype]
    assert array.tolist() == [0, 1, 100]
    array[0] = 1  # a handler may write into it


INTEGERS = [name for name in NUMPY if "INT" in name]


@pytest.mark.parametrize("datatype", INTEGERS)
def test_whole_numbers_at_the_ends_of_the_range(datatype):
    limits = np.iinfo(NUMPY[datatype])
    assert to_array(field(datatype), [int(limits.min), int(limits.max)]).tolist() == [limits.min, limits.max]
    for outside in (int(limits.min) - 1, int(limits.max) + 1, 10**30):
        with pytest.raises(InvalidInput) as caught:
            to_array(field(datatype), [1, outside])
        assert str(outside)[:30] in caught.value.message
        assert datatype in caught.value.message
        assert caught.value.field == "f"


@pytest.mark.parametrize(
    "datatype, value, got",
    [
        ("FP32", "1.5", "a string"),
        ("FP32", True, "a boolean"),
        ("FP32", [1.0], "a list"),
        ("FP64", {}, "an object"),
        pytest.param("FP32", 10**400, "1000000", id="huge"),
        ("INT64", 1.5, "1.5"),
        ("INT64", 1.0, "1.0"),
        ("INT64", "1", "a string"),
        ("INT64", None, "null"),
        ("INT8", True, "a boolean"),
        ("BOOL", 1, "1"),
        ("BOOL", "true", "a string"),
        ("BOOL", None, "null"),
        ("BYTES", 1, "1"),
        ("BYTES", None, "null"),
        ("BYTES", ["a"], "a list"),
    ],
)
def test_a_value_of_another_type_is_named_with_its_row(datatype, value, got):
    good = {"BOOL": True, "BYTES": "a"}.get(datatype, 1)
    with pytest.raises(InvalidInput) as caught:
        to_array(field(datatype, 2), [good, good, good, value])
    assert caught.value.message.startswith("input 'f': expected ")
    assert got in caught.value.message
    assert caught.value.message.endswith("in row 1")


def test_null_is_a_missing_number():
    array = to_array(field("FP32"), [1.5, None, 2])
    assert array.dtype == np.float32
    assert array[0] == 1.5
    assert math.isnan(array[1])
    with pytest.raises(InvalidInput, match="a string"):
        to_array(field("FP32"), [None, "x"])


def test_what_is_not_finite_is_taken():
    array = to_array(field("FP64"), [math.inf, -math.inf, math.nan])
    assert array[:2].tolist() == [math.inf, -math.inf]


def test_text_and_bytes_are_objects():
    assert to_array(field("BYTES"), ["a", "é"]).tolist() == ["a", "é"]
    assert to_array(field("BYTES"), [b"\xff", "a"]).tolist() == [b"\xff", "a"]
    assert to_array(field("BYTES", optional=True), ["a", None]).tolist() == ["a", None]


def test_stack_joins_lists_and_arrays_in_order():
    one = field("FP32", 2)
    assert stack(one, [[1, 2], [3, 4, 5, 6]], (-1, 2)).tolist() == [[1, 2], [3, 4], [5, 6]]
    array = np.array([[7, 8]], np.float32)
    assert stack(one, [[1, 2], array, [3, 4]], (-1, 2)).tolist() == [[1, 2], [7, 8], [3, 4]]
    assert stack(one, [array], (-1, 2)) is array


def test_stack_unpacks_what_is_packed():
    one, packed = field("FP32", 2), np.array([1, 2], np.float32).tobytes()
    array = np.array([[7, 8]], np.float32)
    assert stack(one, [packed, packed], (-1, 2)).tolist() == [[1, 2], [1, 2]]
    assert stack(one, [packed, [3, 4], array, packed], (-1, 2)).tolist() == [[1, 2], [3, 4], [7, 8], [1, 2]]
    assert stack(one, [packed], (-1, 2)).flags.writeable  # by the handler


@pytest.mark.parametrize("datatype, most, beyond", [("FP32", 3.4028234663852886e38, 1e39), ("FP16", 65504.0, 1e5)])
def test_a_finite_number_never_becomes_infinite(datatype, most, beyond):
    assert to_array(field(datatype), [most, -most]).tolist() == [most, -most]
    assert to_array(field(datatype), [math.inf, -math.inf, math.nan, None])[:2].tolist() == [math.inf, -math.inf]
    for value in (beyond, -beyond, int(beyond), 10**400):
        with pytest.raises(InvalidInput, match=f"expected a number .{datatype}., got -?\\d.* in row 2") as caught:
            to_array(field(datatype, optional=True), [1.0, None, value])
        assert caught.value.field == "f"
        with pytest.raises(InvalidInput, match="in row 1"):
            to_array(field(datatype), [1.0, value])


@pytest.mark.parametrize(("datatype", "half"), [("FP32", 2.0**103), ("FP16", 16.0)])
def test_what_is_rounded_to_the_largest_is_taken(datatype, half):
    most = float(np.finfo(NUMPY[datatype]).max)
    assert to_array(field(datatype), [math.nextafter(most + half, 0)]).tolist() == [most]
    with pytest.raises(InvalidInput):
        to_array(field(datatype), [most + half])
