from __future__ import annotations

import json

import numpy as np
import pytest

from modelbuild_runtime.answers import items
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput, PredictionFailed
from modelbuild_runtime.open_inference.infer_request import Output
from modelbuild_runtime.open_inference.infer_response import InferWriter, Wanted, normal, wanted
from modelbuild_runtime.request import Response
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import NUMPY

WRITER = InferWriter(Contract((), (TensorSpec("p", "FP32", (-1, 2), labels=("no", "yes")),)), 'the "model"', "1")


def write(columns, want=None, identity=None):
    count = len(next(iter(columns.values())))
    return WRITER.write(
        identity, want, Response(count, columns={name: np.asarray(one) for name, one in columns.items()})
    )


def outputs(columns, want=None):
    return {one["name"]: one for one in json.loads(write(columns, want).body)["outputs"]}


def test_the_head_of_the_answer():
    body = json.loads(write({"y": [1]}, identity='an "id"').body)
    assert (body["model_name"], body["model_version"], body["id"]) == ('the "model"', "1", 'an "id"')
    assert "id" not in json.loads(write({"y": [1]}).body)


@pytest.mark.parametrize("datatype", NUMPY)
def test_every_datatype_flat(datatype):
    array = np.array([["a"], ["b"]] if datatype == "BYTES" else [[0], [1]], NUMPY[datatype])
    for _ in range(2):  # the second time with what was remembered
        assert outputs({"y": array})["y"] == {
            "name": "y",
            "datatype": datatype,
            "shape": [2, 1],
            "data": array.ravel().tolist(),
        }


@pytest.mark.parametrize(
    ("array", "datatype", "data"),
    [
        (np.array(["a", "ü"]), "BYTES", ["a", "ü"]),
        (np.array([b"a"]), "BYTES", ["a"]),
        (np.array([None, b"x", 3], object), "BYTES", ["", "x", "3"]),
        (np.array([1], ">i4"), "INT32", [1]),
        (np.array([1.5], np.longdouble), "FP64", [1.5]),
        (np.array(["2024-01-01"], "M8[D]"), "BYTES", ["2024-01-01"]),
        (np.asfortranarray([[1, 2], [3, 4]]), "INT64", [1, 2, 3, 4]),
        (np.zeros((0, 3)), "FP64", []),
    ],
)
def test_other_arrays_become_one_of_them(array, datatype, data):
    found = outputs({"y": array})["y"]
    assert (found["datatype"], found["data"]) == (datatype, data)


def test_complex_numbers_cannot_be_sent():
    with pytest.raises(PredictionFailed, match="complex128"):
        normal("y", np.array([1j]))


def test_what_is_not_finite():
    assert b'"data":[NaN,1.0,-Infinity]' in write({"y": [np.nan, 1, -np.inf]}).body
    assert b'"data":[null,1.0,null]' in write({"y": [np.nan, 1, -np.inf]}, Wanted(strict=True)).body


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_what_is_not_finite_is_seen_among_many_numbers(dtype):
    numbers = np.arange(3000, dtype=dtype)
    numbers[[7, 2999]] = np.nan, -np.inf
    body = write({"y": numbers}).body
    assert body.count(b"NaN") == 1
    assert body.count(b"-Infinity") == 1
    assert b"null" not in body
    assert write({"y": numbers}, Wanted(strict=True)).body.count(b"null") == 2
    assert b'"data":["null"]' in write({"y": np.array(["null"])}).body


def test_raw_tensors_in_the_order_of_the_outputs():
    want = Wanted(outputs={"b": {"binary_data": True}, "a": {}, "c": {"binary_data": True}})
    response = write({"a": [1], "b": np.array([2], np.int8), "c": np.array(["x"])}, want)
    length = int(dict(response.headers)["Inference-Header-Content-Length"])
    assert response.body[length:] == b"\2\1\0\0\0x"
    assert response.content_type == "application/octet-stream"
    assert json.loads(response.body[:length])["outputs"] == [
        {"name": "b", "datatype": "INT8", "shape": [1], "parameters": {"binary_data_size": 1}},
        {"name": "a", "datatype": "INT64", "shape": [1], "data": [1]},
        {"name": "c", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 5}},
    ]


def test_raw_tensors_that_are_all_empty_need_no_header():
    response = write({"y": np.zeros((0, 2), np.float32)}, Wanted(binary=True))
    assert response.headers == ()
    assert json.loads(response.body)["outputs"][0]["parameters"] == {"binary_data_size": 0}


def test_classification_with_labels():
    want = Wanted(outputs={"p": {"classification": 1}})
    assert outputs({"p": [[0.25, 0.75]]}, want)["p"] == {
        "name": "p",
        "datatype": "BYTES",
        "shape": [1, 1],
        "data": ["0.750000:1:yes"],
    }


def test_items_of_a_handler_become_tensors():
    response = WRITER.write(None, None, Response(2, rows=[{"a": 1, "b": [1]}, {"a": 2, "b": [1, 2]}]))
    assert [(one["name"], one["datatype"], one["data"]) for one in json.loads(response.body)["outputs"]] == [
        ("a", "INT64", [1, 2]),
        ("b", "BYTES", ["[1]", "[1,2]"]),
    ]


def test_bytes_that_are_no_text_are_asked_for_as_bytes():
    with pytest.raises(InvalidInput, match="binary_data"):
        write({"y": np.array([b"\xff"], object)})
    assert write({"y": np.array([b"\xff"], object)}, Wanted(binary=True)).body.endswith(b"\1\0\0\0\xff")


def test_an_output_that_is_not_there():
    with pytest.raises(InvalidInput, match="'z'"):
        write({"y": [1]}, Wanted(outputs={"z": {}}))


def test_nothing_is_wanted_where_nothing_is_said():
    assert wanted(None, None) is None
    assert wanted([], {"k": 1}) is None
    assert wanted(None, {"binary_data_output": True}) == Wanted(binary=True)
    assert wanted([Output("y")], None) == Wanted(outputs={"y": {}})


@pytest.mark.parametrize(
    ("asked", "parameters"),
    [
        (None, {"binary_data_output": 1}),
        (None, {"strict_json": "yes"}),
        ([Output("y"), Output("y")], None),
        ([Output("y", {"binary_data": "yes"})], None),
        ([Output("y", {"classification": -1})], None),
        ([Output("y", {"classification": True})], None),
        ([Output("y", {"shared_memory_region": "r"})], None),
    ],
)
def test_parameters_without_meaning(asked, parameters):
    with pytest.raises(InvalidInput):
        wanted(asked, parameters)


@pytest.mark.parametrize("values", [np.arange(1000.0), np.array(["a"] * 1000, object)])
def test_many_values_are_written_in_slices(values, monkeypatch):
    once = write({"y": values}).body
    lengths, encode = [], items._encode
    monkeypatch.setattr(items, "MANY", 300)
    monkeypatch.setattr(items, "_encode", lambda value: lengths.append(len(value)) or encode(value))
    assert write({"y": values}).body == once
    assert lengths == [300, 300, 300, 100]
