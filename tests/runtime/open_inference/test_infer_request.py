from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelbuild_runtime.bodies import flat_buffer, large_json
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput, ServerError
from modelbuild_runtime.open_inference.infer_request import Input, read, split, tensors, user_parameters, whole
from modelbuild_runtime.signature import TensorSpec


def decode(value, raw=None):
    return tensors(read(value if isinstance(value, bytes) else json.dumps(value).encode()).inputs, raw, "m", 1000)


def item(**fields):
    return {"name": "x", "shape": [2, 2], "datatype": "FP32", **fields}


def test_data_flat_and_nested():
    for data in ([1, 2, 3, 4], [[1, 2], [3, 4]], [[[1], [2]], [[3], [4]]]):
        tensor = decode({"inputs": [item(data=data)]})["x"]
        assert (tensor.datatype, tensor.shape, tensor.data) == ("FP32", (2, 2), [1, 2, 3, 4])


def test_everything_else_of_a_request():
    request = read(
        b'{"id":"7","parameters":{"k":1},"inputs":[],"outputs":[{"name":"y","parameters":{"binary_data":true}}],"z":1}'
    )
    assert (request.id, request.parameters, request.inputs) == ("7", {"k": 1}, [])
    assert [(output.name, output.parameters) for output in request.outputs] == [("y", {"binary_data": True})]


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_arrays_over_a_body_cannot_be_written_into(kind):
    values = np.arange(4, dtype=np.float32)
    text = json.dumps({"inputs": [item(parameters={"binary_data_size": 16})]}).encode()
    text += b" " * (-len(text) % 16)
    body = kind(text + values.tobytes())
    request, raw = split(body, b"%d" % len(text))
    contract = Contract((TensorSpec("x", "FP32", (-1, 2)),))
    for array in (decode(request, raw)["x"].data, whole(kind(values.tobytes()), contract, "m")["x"].data):
        np.testing.assert_array_equal(array.ravel(), values)
        assert not array.flags.writeable


def test_scalars_and_empty_tensors():
    assert decode({"inputs": [item(shape=[], data=[5])]})["x"].data == [5]
    assert decode({"inputs": [item(shape=[0, 2], data=[])]})["x"].shape == (0, 2)


def large(**more) -> bytes:
    rows = [[n + 0.123456789012345, n] for n in range(200)]
    data = more.pop("data", rows)
    return json.dumps({"inputs": [item(shape=more.pop("shape", [200, 2]), data=data)], **more}).encode()


@pytest.mark.parametrize("data", [None, "flat"])
@pytest.mark.parametrize("more", [{}, {"id": "7", "parameters": {"k": 1.5}, "outputs": [{"name": "y"}]}])
def test_many_numbers_go_straight_into_an_array(data, more, monkeypatch):
    rows = [[n + 0.123456789012345, n] for n in range(200)]
    body = large(data=rows if data is None else [value for row in rows for value in row], **more)
    fast = read(body)
    monkeypatch.setattr(flat_buffer, "HERE", False)
    slow = read(body)
    assert isinstance(fast.inputs[0].data, np.ndarray)
    assert isinstance(slow.inputs[0].data, list)
    np.testing.assert_array_equal(fast.inputs[0].data, np.array(slow.inputs[0].data, np.float32).ravel())
    assert (fast.id, fast.parameters) == (slow.id, slow.parameters)
    assert (fast.outputs is None) == (slow.outputs is None)
    assert tensors(fast.inputs, None, "m", 1000)["x"].shape == (200, 2)


@pytest.mark.parametrize(
    "body",
    [
        large(data=[[1, 2]] * 199 + [[1, [2]]] + [["x" * 2000]]),
        large(parameters={"k": [1]}),
        large(id=5),
        json.dumps({"inputs": [item(data=["a" * 3000])]}).encode(),
        json.dumps({"inputs": [item(data=[1] * 900, datatype="FP8")]}).encode(),
        json.dumps({"inputs": [item(data=[1] * 900, parameters={"binary_data_size": 1})]}).encode(),
        json.dumps({"inputs": [{"name": "x", "data": [1] * 900}]}).encode(),
        json.dumps({"inputs": [item(data=[True] * 900, datatype="BOOL")]}).encode(),
        json.dumps({"inputs": 1, "pad": "x" * 3000}).encode(),
        b'{"inputs":[{"name":"x","shape":[400],"datatype":"FP32","data":[' + b"NaN,1.5," * 399 + b"NaN,1]}]}",
    ],
)
def test_other_large_bodies_are_read_as_small_ones_are(body, monkeypatch):
    def outcome():
        try:
            found = read(body)
        except ServerError as error:
            return error.message
        return repr(found)

    fast = outcome()
    monkeypatch.setattr(flat_buffer, "HERE", False)
    assert fast == outcome()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (item(data=[1, 2, 3]), r"shape \[2, 2\] is 4 elements, and the data has 3"),
        (item(data=[[1, 2], [3]]), "ragged"),
        (item(), "no data"),
        (item(shape=[1] * 100, data=[1]), "more than 32 dimensions"),
        (item(shape=[0, 2**40, 2**40], data=[]), "no array has the shape"),
        (item(datatype="FP8", data=[1, 2, 3, 4]), "'FP8' is not supported"),
        (item(datatype="BF16", data=[1, 2, 3, 4]), "'BF16' is not supported"),
        (item(parameters={"binary_data_size": 16}), "Inference-Header-Content-Length"),
        (item(parameters={"binary_data_size": "16"}), "number of bytes"),
        (item(parameters={"binary_data_size": True}), "number of bytes"),
        (item(parameters={"binary_data_size": -1}), "number of bytes"),
        (item(parameters={"shared_memory_region": "r"}), "shared memory"),
    ],
)
def test_inputs_that_cannot_be(value, words):
    with pytest.raises(InvalidInput, match=words) as caught:
        decode({"inputs": [value]})
    assert caught.value.field == "x"


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (item(shape=[-1], data=[1]), "inputs[0].shape[0]"),
        (item(shape=[1.5], data=[1]), "inputs[0].shape[0]"),
        (item(shape="1", data=[1]), "inputs[0].shape"),
        (item(data=1), "inputs[0].data"),
        (item(name=None), "inputs[0].name"),
    ],
)
def test_the_place_of_what_is_wrong_is_named(value, field):
    with pytest.raises(InvalidInput) as caught:
        decode({"inputs": [value]})
    assert caught.value.field == field


def test_raw_tensors_follow_each_other_among_those_in_json():
    inputs = [
        Input("a", "INT8", (2,), None, {"binary_data_size": 2}),
        Input("b", "INT8", (1,), [7]),
        Input("c", "BYTES", (1,), None, {"binary_data_size": 5}),
        Input("d", "FP32", (0,), None, {"binary_data_size": 0}),
    ]
    found = tensors(inputs, memoryview(b"\1\2\1\0\0\0x"), "m", 1000)
    assert {name: np.ravel(tensor.data).tolist() for name, tensor in found.items()} == {
        "a": [1, 2],
        "b": [7],
        "c": [b"x"],
        "d": [],
    }


def test_the_length_in_the_header():
    text, raw = split(b"{}123", b" 2 ")
    assert (text, bytes(raw)) == (b"{}", b"123")
    for header in (b"", b"x", b"1.0", b"-", b"\xb2", b"1 2", b"--5", b"-+5"):
        with pytest.raises(InvalidInput, match="Unable to parse"):
            split(b"{}", header)
    for header in (b"-1", b"3", b"9" * 5000):
        with pytest.raises(InvalidInput, match=r"should be in range \(0, 2\)"):
            split(b"{}", header)


@pytest.mark.parametrize(
    ("shape", "batched", "body", "expected"),
    [
        ((-1, 2), True, b"\0" * 16, (2, 2)),
        ((-1,), True, b"\0" * 12, (3,)),
        ((-1, -1), True, b"\0" * 12, (1, 3)),
        ((-1, 2, -1), True, b"\0" * 16, (1, 2, 2)),
        ((2, 2), False, b"\0" * 16, (2, 2)),
        ((2, -1), False, b"\0" * 8, (2, 1)),
    ],
)
def test_a_body_that_is_one_tensor(shape, batched, body, expected):
    tensor = whole(body, Contract((TensorSpec("x", "FP32", shape),), batched=batched), "m")["x"]
    assert (tensor.shape, tensor.data.shape) == (expected, expected)


@pytest.mark.parametrize(
    ("shape", "batched", "body"),
    [((-1, 2), True, b"\0" * 12), ((-1, -1, -1), True, b"\0" * 4), ((2, 2), False, b"\0" * 20), ((-1, 0), True, b"")],
)
def test_a_body_that_is_none(shape, batched, body):
    with pytest.raises(InvalidInput):
        whole(body, Contract((TensorSpec("x", "FP32", shape),), batched=batched), "m")


def test_text_as_a_whole_body():
    assert whole(b"\xff", Contract((TensorSpec("x", "BYTES", (-1, 1)),)), "m")["x"].data == [b"\xff"]
    with pytest.raises(InvalidInput, match="more than one"):
        whole(b"x", Contract((TensorSpec("x", "BYTES", (-1, 2)),)), "m")
    with pytest.raises(InvalidInput, match="has 0"):
        whole(b"x", Contract(open=True), "m")


def test_parameters_that_are_the_handler_s():
    assert user_parameters(None) is None
    assert user_parameters({"binary_data_output": True, "timeout": 5, "priority": 1}) is None
    assert user_parameters({"strict_json": True, "k": 1}) == {"k": 1}
    with pytest.raises(InvalidInput, match="triton_"):
        user_parameters({"triton_enable": 1})


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["name", "inputs", "shape", "data", "datatype", "outputs", "id"]), inner)
    ),
)


@given(
    values
    | st.fixed_dictionaries({"inputs": st.lists(values)})
    | values.map(lambda data: {"inputs": [item(data=data)]})
)
def test_any_json_is_read_or_refused(value):
    try:
        decode(value, memoryview(b"12345678"))
    except ServerError as error:
        assert error.status in {400, 413}  # noqa: PT017


@pytest.mark.parametrize(
    "old, new",
    [
        (b'"name": "x"', b'"data": [1], "name": "x"'),
        (b'"name": "x"', b'"data": 1, "name": "x"'),
        (b'{"inputs"', b'{"inputs": 1, "inputs"'),
        (b"1.123456789012345,", b"[1.123456789012345],"),
    ],
)
@pytest.mark.parametrize("end", [b"", b', "outputs": null'])
def test_a_large_body_means_what_a_small_one_means(old, new, end, monkeypatch):
    body = large().replace(old, new, 1)[:-1] + end + b"}"

    def meaning():
        try:
            return [np.asarray(tensor.data, np.float32).ravel().tolist() for tensor in decode(body).values()]
        except (ServerError, ValueError) as error:
            return type(error)

    fast = meaning()
    monkeypatch.setattr(flat_buffer, "HERE", False)
    assert fast == meaning()


def test_a_body_of_many_texts_is_read_in_parts(monkeypatch):
    texts = [str(number) for number in range(1000)]
    body = json.dumps({"inputs": [{"name": "x", "datatype": "BYTES", "shape": [1000], "data": texts}]}).encode()
    once, sizes, decode = read(body), [], large_json._decode
    monkeypatch.setattr(large_json, "LARGE", 1000)
    monkeypatch.setattr(large_json, "_SLICE", 100)
    monkeypatch.setattr(large_json, "_decode", lambda text: sizes.append(len(text)) or decode(text))
    assert read(body) == once
    assert max(sizes) < 1000
    with pytest.raises(InvalidInput, match="expected an integer"):
        read(body.replace(b"[1000]", b"[1.5]"))
