from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelbuild_runtime.dataplane.question import question
from modelbuild_runtime.request import Columns, Packed, Raw, Request, Rows
from modelbuild_runtime.tensor import Tensor

MODEL = b"m" * 32


def rows(*items: Any, **others: Any) -> Request:
    return Request(Rows(list(items)), **others)


def columns(data: Any, datatype: str = "FP32", shape: Any = (1, 2), name: str = "x") -> Request:
    return Request(Columns({name: Tensor(datatype, shape, data)}))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (rows([1, 2]), rows([1, 2])),
        (rows({"a": "x"}), rows({"a": "x"}, id="other", headers={b"x": b"y"}, deadline=5.0, accept="text/csv", wire=1)),
        (columns([1.0, 2.0]), columns([1.0, 2.0])),
        (columns(np.ones((1, 2), np.float32)), columns(np.ones((1, 2), np.float32))),
        (columns(np.array([["a", "b"]], object)), columns(np.array([["a", "b"]], object))),
        (rows([1], parameters={}), rows([1])),
        (rows([float("nan")]), rows([float("nan")])),
        (Request(Packed(b"\0\1\2\3", 1)), Request(Packed(b"\0\1\2\3", 1), id="other")),
    ],
)
def test_equal_questions_have_equal_keys(one, other):
    assert question(one, MODEL) == question(other, MODEL) is not None


DIFFERENT = [
    rows([1, 2]),
    rows([1], [2]),
    rows([1.0, 2]),
    rows([True, 2]),
    rows(["1", 2]),
    rows([b"1", 2]),
    rows([None, 2]),
    rows([12]),
    rows([2, 1]),
    rows([np.float32(1), 2]),
    rows([np.float64(1), 2]),
    rows([-0.0]),
    rows([0.0]),
    rows({"a": 1, "b": 2}),
    rows({"a": 2, "b": 1}),
    rows([1, 2], parameters={"t": 1}),
    rows([1, 2], parameters={"t": 1.0}),
    rows([1, 2], parameters={"t": True}),
    Request(Packed(b"\1\2", 1)),
    Request(Packed(b"\2\1", 1)),
    Request(Packed(b"\1\2", 1), parameters={"t": 1}),
    rows([1, 2], outputs=("y",)),
    rows([1, 2], outputs=("y", "z")),
    rows([1, 2], outputs=("yz",)),
    columns([1, 2]),
    columns([1, 2], "INT64"),
    columns([1, 2], "FP32", (2, 1)),
    columns([1, 2], name="y"),
    columns(np.array([1, 2], np.float32)),
    columns(np.array([1, 2], np.float64)),
    columns(np.array([1, 2], np.int32)),
    columns(np.array([1, 2], object)),
    columns(np.array(["1", "2"], object)),
    columns(np.array([b"1", b"2"], object)),
]


def test_different_questions_have_different_keys():
    keys = [question(one, MODEL) for one in DIFFERENT]
    assert None not in keys
    assert len(set(keys)) == len(keys)
    assert question(DIFFERENT[0], b"another") != keys[0]
    assert {len(key) for key in keys if key} == {32}


@pytest.mark.parametrize(
    "request_",
    [
        rows([1], stream=True),
        rows([1], explain=True),
        Request(Raw({"body": b"x"}, "text/plain")),
        rows([1 << 80]),
        rows([object()]),
    ],
)
def test_what_is_never_answered_from_memory(request_):
    assert question(request_, MODEL) is None
