from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelbuild_runtime.bodies import flat_buffer
from modelbuild_runtime.bodies.natural_json import NaturalJson
from modelbuild_runtime.bodies.question import Question
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput, ServerError
from modelbuild_runtime.request import Columns, Packed, Rows
from modelbuild_runtime.signature import TensorSpec
from runtime.contracts import ALL, MIXED, OPEN, RECORD, SCALAR, TENSOR, TEXT, WHOLE


def read(contract, value) -> Question:
    return NaturalJson(contract).read(value if isinstance(value, bytes) else json.dumps(value).encode())


def rows(contract, value):
    question = read(contract, value)
    payload = question.payload
    if isinstance(payload, Packed):
        return question.form, np.frombuffer(payload.data, np.float32).reshape(payload.count, -1).tolist()
    assert isinstance(payload, Rows)
    return question.form, payload.items


@pytest.mark.parametrize(
    ("contract", "value", "form", "items"),
    [
        (TENSOR, {"x": [1, 2, 3]}, "record", [{"x": [1, 2, 3]}]),
        (TENSOR, [1, 2, 3], "record", [[1, 2, 3]]),
        (TENSOR, [[1, 2, 3]], "rows", [[1, 2, 3]]),
        (TENSOR, [{"x": [1, 2, 3]}], "rows", [{"x": [1, 2, 3]}]),
        (TENSOR, {"instances": [[1, 2, 3]]}, "instances", [[1, 2, 3]]),
        (TENSOR, {"features": [[1, 2, 3]]}, "rows", [[1, 2, 3]]),
        (TENSOR, {"data": [1, 2, 3]}, "record", [[1, 2, 3]]),
        (TENSOR, {"input": [1, 2, 3], "x": 1}, "record", [{"input": [1, 2, 3], "x": 1}]),
        (TENSOR, [], "rows", []),
        (SCALAR, 5, "record", [5]),
        (SCALAR, [5], "rows", [5]),
        (SCALAR, [[5], [6]], "rows", [[5], [6]]),
        (SCALAR, {"input": 5}, "record", [5]),
        (TEXT, "great", "record", ["great"]),
        (TEXT, ["great", "bad"], "rows", ["great", "bad"]),
        (RECORD, {"age": 1, "job": "x"}, "record", [{"age": 1, "job": "x"}]),
        (RECORD, [1, "x", True], "record", [[1, "x", True]]),
        (RECORD, [[1, "x", True]], "rows", [[1, "x", True]]),
        (RECORD, {"data": [{"age": 1}]}, "rows", [{"age": 1}]),
        (MIXED, [[[1, 2], 3]], "rows", [[[1, 2], 3]]),
        (WHOLE, {"m": [[1, 2], [3, 4]]}, "record", [{"m": [[1, 2], [3, 4]]}]),
        (WHOLE, [[1, 2], [3, 4]], "record", [[[1, 2], [3, 4]]]),
        (OPEN, {"data": 1}, "record", [{"data": 1}]),
        (OPEN, [1, 2], "rows", [1, 2]),
        (OPEN, {"instances": [{"b": 1}]}, "instances", [{"b": 1}]),
    ],
)
def test_the_shape_of_the_question(contract, value, form, items):
    assert rows(contract, value) == (form, items)


def test_columns_by_name_take_their_datatypes_from_the_contract():
    question = read(RECORD, {"inputs": {"age": [1, 2], "job": ["a", "b"], "other": [1, 2]}})
    tensors = question.payload.tensors
    assert question.form == "inputs"
    assert {name: (one.datatype, one.shape, one.data) for name, one in tensors.items()} == {
        "age": ("INT64", (2,), [1, 2]),
        "job": ("BYTES", (2,), ["a", "b"]),
        "other": ("BYTES", (2,), [1, 2]),
    }


@pytest.mark.parametrize(
    ("data", "datatype"),
    [
        ([[1], [2]], "INT64"),
        ([1, 0.5], "FP64"),
        ([True], "BOOL"),
        (["a"], "BYTES"),
        ([1, "a"], "BYTES"),
        ([None], "BYTES"),
    ],
)
def test_columns_of_an_open_contract_are_guessed(data, datatype):
    tensor = read(OPEN, {"inputs": {"any": data}}).payload.tensors["any"]
    assert tensor.datatype == datatype


def test_inputs_that_are_whole_need_no_rows():
    tensor = read(Contract((TensorSpec("k", "INT64", ()),), batched=False), {"inputs": {"k": 3}}).payload.tensors["k"]
    assert (tensor.shape, tensor.data) == ((), [3])


@pytest.mark.parametrize("name", ["instances", "inputs", "data"])
def test_an_input_of_that_name_comes_first(name):
    contract = Contract((TensorSpec(name, "FP32", (-1,)),))
    assert rows(contract, {name: 5}) == ("record", [{name: 5}])


def test_parameters_beside_the_rows():
    assert read(TENSOR, {"instances": [[1, 2, 3]], "parameters": {"k": 1}}).parameters == {"k": 1}
    assert read(TENSOR, {"inputs": {"x": [[1, 2, 3]]}, "parameters": {"k": 1}}).parameters == {"k": 1}
    assert read(TENSOR, {"instances": [[1, 2, 3]]}).parameters is None


def test_bytes_in_base64():
    assert rows(TEXT, {"instances": [{"text": {"b64": "/w=="}}]}) == ("instances", [{"text": b"\xff"}])
    assert rows(OPEN, {"a": {"b64": 1}, "c": {"b64": "", "d": 2}})[1] == [{"a": {"b64": 1}, "c": {"b64": "", "d": 2}}]


@pytest.mark.parametrize(
    ("contract", "value", "words"),
    [
        (TENSOR, None, "must be an object"),
        (OPEN, 5, "must be an object"),
        (RECORD, "text", "must be an object"),
        (TENSOR, {"instances": 1}, "must be a list"),
        (TENSOR, {"instances": [], "x": 1}, "'x' cannot stand beside 'instances'"),
        (TENSOR, {"inputs": {}, "instances": []}, "'inputs' cannot stand beside 'instances'"),
        (TENSOR, {"instances": [], "parameters": 1}, "'parameters' must be an object"),
        (RECORD, {"inputs": [1, 2]}, "must be an object of columns"),
        (RECORD, {"inputs": {"age": 1}}, "one entry a row"),
        (TENSOR, {"inputs": {"x": [[1], [2, 3]]}}, "'x' is ragged"),
        (TENSOR, {"inputs": [{"name": "x", "datatype": "FP32"}]}, "/v2/models"),
        (TENSOR, [{"x": [1, 2, 3]}, [1, 2, 3]], "all objects"),
        (TENSOR, [[1, 2, 3], {"x": [1, 2, 3]}], "all objects"),
        (TEXT, {"text": {"b64": "!"}}, "base64"),
    ],
)
def test_what_is_refused(contract, value, words):
    with pytest.raises(InvalidInput, match=words):
        read(contract, value)


def many(count: int, width: int = 3) -> list[list[float]]:
    return [[n + 0.123456789012345] * width for n in range(count)]


@pytest.mark.parametrize(
    ("value", "form", "shape"),
    [
        (many(100), "rows", (100, 3)),
        ({"instances": many(100)}, "instances", (100, 3)),
        ({"inputs": {"x": many(100)}}, "inputs", (100, 3)),
    ],
)
def test_many_numbers_go_straight_into_an_array(value, form, shape):
    question = read(TENSOR, value)
    tensor = question.payload.tensors["x"]
    assert isinstance(question.payload, Columns)
    assert (question.form, tensor.shape, tensor.data.shape, tensor.data.dtype) == (form, shape, shape, np.float32)
    np.testing.assert_array_equal(tensor.data, np.array(many(100), np.float32))


@pytest.mark.parametrize("value", [many(1, 300)[0], {"x": many(1, 300)[0]}])
def test_one_large_row_goes_straight_into_an_array(value):
    question = read(Contract((TensorSpec("x", "FP32", (-1, -1)),)), value)
    assert (question.form, question.payload.tensors["x"].data.shape) == ("record", (1, 300))


def test_a_large_whole_tensor_goes_straight_into_an_array():
    contract = Contract((TensorSpec("m", "FP32", (100, 3)),), batched=False)
    for value in (many(100), {"m": many(100)}, {"inputs": {"m": many(100)}}):
        assert read(contract, value).payload.tensors["m"].data.shape == (100, 3)


@pytest.mark.parametrize(
    "value",
    [
        [*many(100), [1, 2]],
        [*many(100), [1, 2, None]],
        [*many(99), [1, [2], 3]],
        {"instances": many(100), "parameters": {"k": [1]}},
        {"y": many(100)},
        [many(100)],
        b"[" + b"[NaN, 1, 2]," * 300 + b"[1,2,3]]",
    ],
)
def test_other_large_bodies_are_read_as_small_ones_are(value, monkeypatch):
    large = read(TENSOR, value)
    monkeypatch.setattr(flat_buffer, "HERE", False)
    small = read(TENSOR, value)
    assert isinstance(large.payload, Rows)
    assert (large.form, large.parameters) == (small.form, small.parameters)
    assert repr(large.payload.items) == repr(small.payload.items)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["x", "inputs", "instances", "data", "parameters", "b64", "age"]), inner)
    ),
)


@pytest.mark.parametrize("name", ALL)
@given(value=values)
def test_any_json_is_read_or_refused(name, value):
    try:
        question = read(ALL[name], value)
    except ServerError as error:
        assert error.status in {400, 413}  # noqa: PT017
    else:
        assert question.form in {"record", "rows", "instances", "inputs"}
