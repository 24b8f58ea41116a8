from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest

from modelbuild_runtime.answers import items, json_answer
from modelbuild_runtime.answers.json_answer import answer, encode, encode_lines, rows_of, values
from modelbuild_runtime.bodies.question import INPUTS, INSTANCES, ROWS
from modelbuild_runtime.request import Response

ONE = Response(2, columns={"y": np.array([1.5, 2], np.float32)})
TWO = Response(2, columns={"label": np.array(["a", b"b"], object), "p": np.array([[0.25, 0.75], [1, 0]])})
ITEMS = Response(2, rows=[{"a": 1}, {"a": 2}])


@pytest.mark.parametrize(
    ("response", "form", "expected"),
    [
        (ONE, "rows", [{"y": 1.5}, {"y": 2.0}]),
        (ONE, "instances", {"predictions": [1.5, 2.0]}),
        (ONE, "inputs", {"outputs": {"y": [1.5, 2.0]}}),
        (TWO, "rows", [{"label": "a", "p": [0.25, 0.75]}, {"label": "b", "p": [1.0, 0.0]}]),
        (TWO, "record", {"label": "a", "p": [0.25, 0.75]}),
        (TWO, "instances", {"predictions": [{"label": "a", "p": [0.25, 0.75]}, {"label": "b", "p": [1.0, 0.0]}]}),
        (TWO, "inputs", {"outputs": {"label": ["a", "b"], "p": [[0.25, 0.75], [1.0, 0.0]]}}),
        (ITEMS, "rows", [{"a": 1}, {"a": 2}]),
        (ITEMS, "record", {"a": 1}),
        (ITEMS, "instances", {"predictions": [{"a": 1}, {"a": 2}]}),
        (ITEMS, "inputs", {"outputs": {"a": [1, 2]}}),
        (Response(2, rows=[1, "b"]), "inputs", {"outputs": [1, "b"]}),
        (Response(2, rows=[{"a": 1}, {"b": 1}]), "inputs", {"outputs": [{"a": 1}, {"b": 1}]}),
    ],
)
def test_the_answer_has_the_shape_of_the_question(response, form, expected):
    assert answer(response, form) == expected


def test_values_may_stand_alone():
    assert rows_of(ONE, named=False) == [1.5, 2.0]
    assert rows_of(TWO, named=False)[0] == {"label": "a", "p": [0.25, 0.75]}


def test_a_whole_tensor_is_not_cut_into_rows():
    response = Response(1, columns={"t": np.array([[1, 2]])})
    assert answer(response, "record", batched=False) == {"t": [[1, 2]]}
    assert answer(response, "inputs", batched=False) == {"outputs": {"t": [[1, 2]]}}


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[b"a", b"\xff"]], object), [["a", {"b64": "/w=="}]]),
        (np.array([b"a"]), ["a"]),
        (np.array(["a"]), ["a"]),
        (np.array(["2024-01-01"], "M8[D]"), ["2024-01-01"]),
        (np.array([1.5], np.float16), [1.5]),
        (np.array([True]), [True]),
        (np.array([2**64 - 1], np.uint64), [2**64 - 1]),
    ],
)
def test_values(array, expected):
    assert values(array) == expected


def test_what_is_not_finite():
    value = {"a": [float("nan"), None, float("-inf")], "b": "null ü"}
    assert encode(value) == '{"a":[null,null,null],"b":"null ü"}'.encode()
    assert encode(value, tokens=True) == '{"a":[NaN,null,-Infinity],"b":"null ü"}'.encode()
    assert encode_lines([1, [2.5]], tokens=True) == b"1\n[2.5]\n"


def test_32_bit_numbers_keep_their_exact_value():
    array = np.random.default_rng(1).normal(size=100).astype(np.float32)
    assert (np.array(json.loads(encode(values(array))), np.float32) == array).all()


@pytest.mark.parametrize("form", [ROWS, INSTANCES, INPUTS])
@pytest.mark.parametrize("columns", [("a",), ("a", "b")])
def test_many_rows_are_written_in_slices(form, columns, monkeypatch):
    lengths = []
    one = json_answer.encode
    monkeypatch.setattr(json_answer, "encode", lambda value, tokens: lengths.append(len(value)) or one(value))
    count = 2 * items.MANY + 3
    response = Response(count, {name: np.arange(2.0 * count).reshape(count, 2) for name in columns})
    for named in (True, False):
        found = json_answer.whole_text(response, form, batched=True, named=named, tokens=False)
        assert found == msgspec.json.encode(json_answer.answer(response, form, named=named))
    assert lengths == [1, 1] if form == INPUTS else [items.MANY, items.MANY, 3] * 2
